"""At most one live session per owner and conversation."""

import time
from typing import Any

import pytest
from grpc import StatusCode

from support.errors import refused
from support.wire import NAMESPACE, calls, moment, new_owner, struct

MINUTE = 60 * 1_000_000_000


def wanting(owner: Any, on_existing: str, **fields: Any) -> Any:
    return calls.CreateSessionRequest(
        namespace=NAMESPACE,
        owner=owner,
        conversation_id="workflow",
        on_existing=f"ON_EXISTING_{on_existing}",
        **fields,
    )


@pytest.mark.parametrize("on_existing", ["UNSPECIFIED", "FAIL"])
def test_fail_is_the_default(api: Any, owner: Any, on_existing: str) -> None:
    api.CreateSession(wanting(owner, "FAIL"))
    request = wanting(owner, on_existing)
    refused(api.CreateSession, request, StatusCode.ALREADY_EXISTS, "CONVERSATION_EXISTS")


def test_return_finds_the_live_one(api: Any, owner: Any) -> None:
    """RETURN: the live one, otherwise unchanged, `created` false."""
    made = api.CreateSession(wanting(owner, "RETURN", state=struct(a=1)))
    assert made.created
    found = api.CreateSession(wanting(owner, "RETURN", state=struct(a=2)))
    assert not found.created
    assert found.session.id == made.session.id
    assert found.session.revision == made.session.revision
    assert found.session.state["a"] == 1


def test_return_never_gives_a_session_from_before_the_login(api: Any, owner: Any) -> None:
    """A live one that was authenticated before the given time is replaced."""
    now = time.time_ns()
    old = api.CreateSession(wanting(owner, "RETURN", authenticated_at=moment(now - 20 * MINUTE))).session
    same = wanting(owner, "RETURN", authenticated_at=moment(now - 30 * MINUTE))
    assert api.CreateSession(same).session.id == old.id
    newer = api.CreateSession(wanting(owner, "RETURN", authenticated_at=moment(now - 10 * MINUTE)))
    assert newer.created
    assert newer.session.id != old.id
    get = calls.GetSessionRequest(namespace=NAMESPACE, owner=owner, session_id=old.id)
    refused(api.GetSession, get, StatusCode.NOT_FOUND, "SESSION_REPLACED")


def test_replace_ends_the_old_one_in_the_same_step(api: Any, owner: Any) -> None:
    old = api.CreateSession(wanting(owner, "FAIL")).session
    new = api.CreateSession(wanting(owner, "REPLACE"))
    assert new.created
    get = calls.GetSessionRequest(namespace=NAMESPACE, owner=owner, session_id=old.id)
    refused(api.GetSession, get, StatusCode.NOT_FOUND, "SESSION_REPLACED")
    get.session_id = new.session.id
    assert api.GetSession(get).session.conversation_id == "workflow"


def test_replace_works_at_the_session_limit(api: Any, owner: Any) -> None:
    """Ending the old one makes the room for the new one."""
    for conversation in ("workflow", "another"):
        request = wanting(owner, "FAIL")
        request.namespace, request.conversation_id = "few-sessions", conversation
        api.CreateSession(request)
    request = wanting(owner, "REPLACE")
    request.namespace = "few-sessions"
    assert api.CreateSession(request).created


def test_an_ended_session_frees_its_conversation(api: Any, owner: Any) -> None:
    old = api.CreateSession(wanting(owner, "FAIL")).session
    api.DeleteSession(calls.DeleteSessionRequest(namespace=NAMESPACE, owner=owner, session_id=old.id))
    assert api.CreateSession(wanting(owner, "FAIL")).created


def test_two_owners_may_use_the_same_conversation_id(api: Any, owner: Any) -> None:
    assert api.CreateSession(wanting(owner, "FAIL")).created
    assert api.CreateSession(wanting(new_owner(), "FAIL")).created
