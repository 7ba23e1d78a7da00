"""Rule 1: a stranger cannot tell an absent session from a foreign, an ended or an expired one."""

from collections.abc import Callable
from typing import Any

import pytest
from grpc import StatusCode

from support.endings import ENDINGS, make
from support.errors import refused
from support.wire import NAMESPACE, calls, new_id, new_owner, struct

REQUESTS: dict[str, Callable[..., tuple[str, Any]]] = {
    "get": lambda **place: ("GetSession", calls.GetSessionRequest(**place)),
    "peek": lambda **place: ("GetSession", calls.GetSessionRequest(**place, peek=True)),
    "update": lambda **place: (
        "UpdateSession",
        calls.UpdateSessionRequest(**place, set=struct(a=1), if_revision=1),
    ),
    "increment of a string": lambda **place: (
        "UpdateSession",
        calls.UpdateSessionRequest(**place, increment={"secret": 1}),
    ),
    "touch": lambda **place: ("TouchSession", calls.TouchSessionRequest(**place)),
    "rotate": lambda **place: ("RotateSession", calls.RotateSessionRequest(**place)),
}


@pytest.fixture(scope="module")
def foreign(api: Any) -> dict[str, str]:
    """Sessions of one owner: a live one, and one for each way to end."""
    victim = new_owner()
    ended = {name: end(api, new_owner()) for name, (_, end) in ENDINGS.items()}
    return {"live": make(api, victim)} | ended


@pytest.mark.parametrize("kind", sorted(REQUESTS))
def test_all_answers_are_the_same_bytes(api: Any, foreign: dict[str, str], kind: str) -> None:
    """Code, text, details and every other trailer, the correlation id aside."""
    stranger = new_owner()

    def answer(session_id: str, namespace: str = NAMESPACE) -> tuple[Any, ...]:
        rpc, request = REQUESTS[kind](namespace=namespace, owner=stranger, session_id=session_id)
        failure = refused(getattr(api, rpc), request, StatusCode.NOT_FOUND, "SESSION_NOT_FOUND")
        return failure.as_a_stranger_sees_it()

    absent = answer(new_id())
    assert {name: answer(session_id) for name, session_id in foreign.items()} == dict.fromkeys(
        foreign, absent
    )
    assert answer(foreign["live"], namespace="another") == absent


def test_delete_tells_a_stranger_nothing(api: Any, foreign: dict[str, str]) -> None:
    """`deleted` false for all of them."""
    stranger = new_owner()
    for session_id in [*foreign.values(), new_id()]:
        request = calls.DeleteSessionRequest(namespace=NAMESPACE, owner=stranger, session_id=session_id)
        assert not api.DeleteSession(request).deleted


@pytest.mark.parametrize("part", ["tenant", "user", "issuer"])
def test_every_part_of_the_owner_counts(api: Any, owner: Any, part: str) -> None:
    """An owner who differs in one part is a stranger, and changes nothing."""
    session_id = make(api, owner)
    stranger = type(owner)()
    stranger.CopyFrom(owner)
    setattr(stranger, part, getattr(owner, part) + "x")
    for request in REQUESTS.values():
        rpc, message = request(namespace=NAMESPACE, owner=stranger, session_id=session_id)
        refused(getattr(api, rpc), message, StatusCode.NOT_FOUND, "SESSION_NOT_FOUND")
    peek = calls.GetSessionRequest(namespace=NAMESPACE, owner=owner, session_id=session_id, peek=True)
    session = api.GetSession(peek).session
    assert (session.revision, session.state["secret"]) == (1, 1)
    assert session.last_used_at == session.created_at


def test_the_parts_of_an_owner_do_not_run_together(api: Any) -> None:
    """Tenant `ab` with user `c` is not tenant `a` with user `bc`."""
    session_id = make(api, new_owner(tenant="ab", user="c"))
    get = calls.GetSessionRequest(
        namespace=NAMESPACE, owner=new_owner(tenant="a", user="bc"), session_id=session_id
    )
    refused(api.GetSession, get, StatusCode.NOT_FOUND, "SESSION_NOT_FOUND")
