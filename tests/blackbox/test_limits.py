"""Rule 5: an error names the limit, its maximum and what was asked, and changes nothing."""

from pathlib import Path
from typing import Any

import pytest
from grpc import StatusCode

from support.errors import refused
from support.server import serving
from support.wire import SessionServiceStub, calls, native, new_owner, records, seconds, struct, values

EXHAUSTED = StatusCode.RESOURCE_EXHAUSTED


def create(api: Any, owner: Any, namespace: str, **fields: Any) -> Any:
    return api.CreateSession(calls.CreateSessionRequest(namespace=namespace, owner=owner, **fields)).session


def test_state_bytes(api: Any, owner: Any) -> None:
    """At creation and at an update; the text says what to do instead."""
    request = calls.CreateSessionRequest(namespace="small-state", owner=owner, state=struct(result="x" * 600))
    failure = refused(api.CreateSession, request, EXHAUSTED, "STATE_TOO_LARGE")
    assert failure.metadata["limit"] == "state_bytes"
    assert failure.metadata["maximum"] == "512"
    assert int(failure.metadata["asked"]) > 600
    assert "summar" in failure.message

    made = create(api, owner, "small-state", state=struct(a="x" * 300))
    update = calls.UpdateSessionRequest(
        namespace="small-state", owner=owner, session_id=made.id, set=struct(b="x" * 300)
    )
    refused(api.UpdateSession, update, EXHAUSTED, "STATE_TOO_LARGE")
    get = calls.GetSessionRequest(namespace="small-state", owner=owner, session_id=made.id)
    session = api.GetSession(get).session
    assert (native(session.state), session.revision) == ({"a": "x" * 300}, 1)


def test_state_keys(api: Any, owner: Any) -> None:
    made = create(api, owner, "small-state", state=struct(a=1, b=1, c=1))
    update = calls.UpdateSessionRequest(
        namespace="small-state", owner=owner, session_id=made.id, increment={"d": 1, "e": 1}
    )
    failure = refused(api.UpdateSession, update, EXHAUSTED, "TOO_MANY_KEYS")
    assert failure.metadata == {"limit": "state_keys", "maximum": "4", "asked": "5"}
    update.remove.append("a")
    assert len(api.UpdateSession(update).session.state) == 4


@pytest.mark.parametrize(
    ("fields", "field", "limit", "maximum", "asked"),
    [
        ({"set": struct(**{"k" * 17: 1})}, "set", "state_key_bytes", 16, 17),
        ({"increment": {"k" * 17: 1}}, "increment", "state_key_bytes", 16, 17),
        ({"set": struct(a=[[[[[1]]]]])}, "set", "state_depth", 4, 5),
    ],
)
def test_the_shape_of_a_field(
    api: Any, owner: Any, fields: dict[str, Any], field: str, limit: str, maximum: int, asked: int
) -> None:
    """Key length and depth are about the field: INVALID_ARGUMENT, with the same three facts."""
    made = create(api, owner, "small-state")
    update = calls.UpdateSessionRequest(namespace="small-state", owner=owner, session_id=made.id, **fields)
    failure = refused(api.UpdateSession, update, StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert failure.fields == (field,)
    assert failure.metadata == {"limit": limit, "maximum": str(maximum), "asked": str(asked)}


def test_sessions_per_owner(api: Any, owner: Any) -> None:
    """`reject`: the third is refused, another owner is not, and an end makes room."""
    first = create(api, owner, "few-sessions")
    create(api, owner, "few-sessions")
    third = calls.CreateSessionRequest(namespace="few-sessions", owner=owner)
    failure = refused(api.CreateSession, third, EXHAUSTED, "TOO_MANY_SESSIONS")
    assert failure.metadata == {"limit": "sessions_per_owner", "maximum": "2", "asked": "3"}
    create(api, new_owner(), "few-sessions")
    api.DeleteSession(calls.DeleteSessionRequest(namespace="few-sessions", owner=owner, session_id=first.id))
    assert api.CreateSession(third).created


def test_the_least_recently_used_makes_room(api: Any, owner: Any) -> None:
    """`end_least_recent`: never the one being made, and the owner learns why the other ended."""
    first, second = create(api, owner, "evicting"), create(api, owner, "evicting")
    touch = calls.TouchSessionRequest(namespace="evicting", owner=owner, session_id=first.id)
    while api.TouchSession(touch).session.last_used_at == second.last_used_at:
        pass
    third = create(api, owner, "evicting")
    listed = api.ListSessions(calls.ListSessionsRequest(namespace="evicting", owner=owner)).sessions
    assert {session.id for session in listed} == {first.id, third.id}
    get = calls.GetSessionRequest(namespace="evicting", owner=owner, session_id=second.id)
    refused(api.GetSession, get, StatusCode.NOT_FOUND, "SESSION_EVICTED")


def test_claims_per_owner(api: Any, owner: Any) -> None:
    request = calls.ClaimOnceRequest(namespace="few-claims", owner=owner, ttl=seconds(60))
    for request.key in ("a", "b"):
        assert api.ClaimOnce(request).claimed
    request.key = "c"
    failure = refused(api.ClaimOnce, request, EXHAUSTED, "TOO_MANY_CLAIMS")
    assert failure.metadata == {"limit": "claims_per_owner", "maximum": "2", "asked": "3"}
    request.key = "a"
    assert not api.ClaimOnce(request).claimed


def test_anonymous_sessions_have_one_limit_together(tmp_path: Path) -> None:
    """There is no owner to count for, so the namespace counts."""
    config = "[namespaces.public]\nallow_anonymous = true\nanonymous_sessions = 2\n"
    with serving(tmp_path, config) as server, server.channel() as channel:
        api = SessionServiceStub(channel)
        for tenant in ("one", "two"):
            create(api, records.Owner(tenant=tenant), "public")
        third = calls.CreateSessionRequest(namespace="public", owner=records.Owner(tenant="three"))
        failure = refused(api.CreateSession, third, EXHAUSTED, "TOO_MANY_SESSIONS")
        assert failure.metadata == {"limit": "anonymous_sessions", "maximum": "2", "asked": "3"}


def test_a_full_store_says_so(tmp_path: Path) -> None:
    """STORE_FULL for what needs room; what is there is still served. How much the memory store holds is our setting."""
    bounded = serving(tmp_path, "[store]\nmax_sessions = 3\n", "--store", "memory:")
    with bounded as server, server.channel() as channel:
        api = SessionServiceStub(channel)
        owner = new_owner()
        made = [create(api, owner, "full", state=struct(n=number)) for number in range(3)]
        fourth = calls.CreateSessionRequest(namespace="full", owner=new_owner())
        refused(api.CreateSession, fourth, EXHAUSTED, "STORE_FULL")
        for session in made:
            get = calls.GetSessionRequest(namespace="full", owner=owner, session_id=session.id)
            assert api.GetSession(get).session.state == session.state


def test_an_append_keeps_within_its_length(api: Any, owner: Any) -> None:
    """A capped list is how a log stays within the limits."""
    made = create(api, owner, "small-state")
    update = calls.UpdateSessionRequest(
        namespace="small-state",
        owner=owner,
        session_id=made.id,
        append={"log": calls.Append(values=values("x" * 50), max_length=4)},
        omit_state=True,
    )
    for _ in range(50):
        api.UpdateSession(update)
    get = calls.GetSessionRequest(namespace="small-state", owner=owner, session_id=made.id)
    assert native(api.GetSession(get).session.state) == {"log": ["x" * 50] * 4}
