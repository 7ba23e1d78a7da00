"""Get, Update, Touch, Rotate, Delete and List: what each promises when all is well."""

from typing import Any

from grpc import StatusCode

from support.errors import refused
from support.wait import eventually
from support.wire import NAMESPACE, calls, nanos, native, new_id, records, struct, values


def create(api: Any, owner: Any, **fields: Any) -> Any:
    return api.CreateSession(calls.CreateSessionRequest(namespace=NAMESPACE, owner=owner, **fields)).session


def test_get_slides_and_peek_does_not(api: Any, owner: Any) -> None:
    """Owner check, liveness check and slide in one step; `peek` reads without sliding."""
    made = create(api, owner, state=struct(a=1))
    get = calls.GetSessionRequest(namespace=NAMESPACE, owner=owner, session_id=made.id)
    peek = calls.GetSessionRequest(namespace=NAMESPACE, owner=owner, session_id=made.id, peek=True)

    assert api.GetSession(peek).session == made
    slid = eventually(
        lambda: (s := api.GetSession(get).session).last_used_at != made.last_used_at and s, "a slide"
    )
    assert api.GetSession(peek).session == slid
    assert nanos(slid.idle_expires_at) - nanos(slid.last_used_at) == made.idle_ttl.ToNanoseconds()
    assert slid.revision == made.revision
    assert slid.expires_at == made.expires_at


def test_get_returns_only_the_keys_asked_for(api: Any, owner: Any) -> None:
    """`state_keys` limits what comes back; a key that is not there is left out."""
    made = create(api, owner, state=struct(a=1, b=None, c="x"))
    request = calls.GetSessionRequest(
        namespace=NAMESPACE, owner=owner, session_id=made.id, state_keys=["b", "c", "absent"]
    )
    assert native(api.GetSession(request).session.state) == {"b": None, "c": "x"}


def test_update_changes_single_keys_in_one_step(api: Any, owner: Any) -> None:
    """`set`, `remove`, `increment`, `append`, `mcp` and `labels` together are one revision."""
    made = create(api, owner, state=struct(kept="k", old=1, count=40, log=["a", "b"]), labels=["was"])
    answer = api.UpdateSession(
        calls.UpdateSessionRequest(
            namespace=NAMESPACE,
            owner=owner,
            session_id=made.id,
            set=struct(nested={"deep": [True, None]}, nothing=None),
            remove=["old", "never-there"],
            increment={"count": 2, "fresh": -7},
            append={
                "log": calls.Append(values=values("c", "d"), max_length=3),
                "list": calls.Append(values=values(1)),
            },
            mcp=records.McpContext(log_level="debug"),
            labels=records.Labels(values=["is"]),
            if_revision=made.revision,
        )
    )
    assert native(answer.session.state) == {
        "kept": "k",
        "nested": {"deep": [True, None]},
        "nothing": None,
        "count": 42,
        "fresh": -7,
        "log": ["b", "c", "d"],
        "list": [1],
    }
    assert dict(answer.increments) == {"count": 42, "fresh": -7}
    assert answer.session.revision == made.revision + 1
    assert answer.session.mcp.log_level == "debug"
    assert list(answer.session.labels) == ["is"]
    assert not answer.replayed


def test_update_leaves_alone_what_it_does_not_name(api: Any, owner: Any) -> None:
    """Labels and MCP context stay; `omit_state` keeps the state out of the answer, not out of the session."""
    made = create(api, owner, labels=["a"], mcp=records.McpContext(log_level="info"), state=struct(x=1))
    request = calls.UpdateSessionRequest(
        namespace=NAMESPACE, owner=owner, session_id=made.id, set=struct(y=2), omit_state=True
    )
    session = api.UpdateSession(request).session
    assert (list(session.labels), session.mcp.log_level) == (["a"], "info")
    assert not session.HasField("state")
    peek = calls.GetSessionRequest(namespace=NAMESPACE, owner=owner, session_id=made.id, peek=True)
    assert native(api.GetSession(peek).session.state) == {"x": 1, "y": 2}


def test_labels_can_be_emptied(api: Any, owner: Any) -> None:
    """An empty `labels` is not an absent one."""
    made = create(api, owner, labels=["a"])
    request = calls.UpdateSessionRequest(
        namespace=NAMESPACE, owner=owner, session_id=made.id, labels=records.Labels()
    )
    assert list(api.UpdateSession(request).session.labels) == []


def test_touch_slides_without_moving_state(api: Any, owner: Any) -> None:
    made = create(api, owner, state=struct(a=1))
    touch = calls.TouchSessionRequest(namespace=NAMESPACE, owner=owner, session_id=made.id)
    slid = eventually(
        lambda: (s := api.TouchSession(touch).session).last_used_at != made.last_used_at and s, "a slide"
    )
    assert not slid.HasField("state")
    assert slid.revision == made.revision
    assert nanos(slid.idle_expires_at) > nanos(made.idle_expires_at)


def test_rotate_gives_the_same_session_a_new_id(api: Any, owner: Any) -> None:
    """Same content, same ceiling, the old id dead in the same step."""
    made = create(api, owner, state=struct(a=1), conversation_id="workflow", provider_session_id="before")
    rotated = api.RotateSession(
        calls.RotateSessionRequest(
            namespace=NAMESPACE, owner=owner, session_id=made.id, provider_session_id="after"
        )
    ).session
    assert rotated.id != made.id
    assert rotated.created_at == made.created_at
    assert rotated.expires_at == made.expires_at
    assert rotated.conversation_id == "workflow"
    assert rotated.provider_session_id == "after"

    old = calls.GetSessionRequest(namespace=NAMESPACE, owner=owner, session_id=made.id)
    refused(api.GetSession, old, StatusCode.NOT_FOUND, "SESSION_ROTATED")
    new = calls.GetSessionRequest(namespace=NAMESPACE, owner=owner, session_id=rotated.id)
    assert native(api.GetSession(new).session.state) == {"a": 1}


def test_rotate_takes_an_id_that_the_caller_made(api: Any, owner: Any) -> None:
    made, wanted = create(api, owner), new_id()
    request = calls.RotateSessionRequest(
        namespace=NAMESPACE, owner=owner, session_id=made.id, new_session_id=wanted
    )
    assert api.RotateSession(request).session.id == wanted


def test_delete_says_whether_there_was_something_to_end(api: Any, owner: Any) -> None:
    """True once, then false; never NOT_FOUND."""
    made = create(api, owner)
    request = calls.DeleteSessionRequest(namespace=NAMESPACE, owner=owner, session_id=made.id)
    assert api.DeleteSession(request).deleted
    assert not api.DeleteSession(request).deleted
    request.session_id = new_id()
    assert not api.DeleteSession(request).deleted


def test_list_is_paged_newest_first_and_never_slides(api: Any, owner: Any) -> None:
    """Live sessions only, without state unless asked."""
    made = [create(api, owner, state=struct(n=number)) for number in range(5)]
    ended = made.pop(2)
    api.DeleteSession(calls.DeleteSessionRequest(namespace=NAMESPACE, owner=owner, session_id=ended.id))

    listed, token = [], ""
    for _ in range(2):
        page = api.ListSessions(
            calls.ListSessionsRequest(namespace=NAMESPACE, owner=owner, page_size=2, page_token=token)
        )
        assert len(page.sessions) == 2
        listed += page.sessions
        token = page.next_page_token
    assert token == ""
    assert {session.id for session in listed} == {session.id for session in made}
    times = [nanos(session.created_at) for session in listed]
    assert times == sorted(times, reverse=True)
    assert not any(session.HasField("state") for session in listed)
    unused = {session.id: session.last_used_at for session in made}
    assert {session.id: session.last_used_at for session in listed} == unused

    whole = api.ListSessions(calls.ListSessionsRequest(namespace=NAMESPACE, owner=owner, include_state=True))
    assert sorted(native(session.state)["n"] for session in whole.sessions) == [0, 1, 3, 4]


def test_claim_once_is_true_exactly_once(api: Any, owner: Any) -> None:
    """One key, one claim; another key is another claim."""
    request = calls.ClaimOnceRequest(namespace=NAMESPACE, owner=owner, key="nonce")
    request.ttl.FromSeconds(60)
    assert [api.ClaimOnce(request).claimed for _ in range(3)] == [True, False, False]
    request.key = "other"
    assert api.ClaimOnce(request).claimed


def test_a_claim_can_be_made_again_after_its_ttl(api: Any, owner: Any) -> None:
    request = calls.ClaimOnceRequest(namespace=NAMESPACE, owner=owner, key="nonce")
    request.ttl.FromSeconds(1)
    assert api.ClaimOnce(request).claimed
    eventually(lambda: api.ClaimOnce(request).claimed, "the claim's end")
