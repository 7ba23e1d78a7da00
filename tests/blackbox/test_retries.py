"""Rule 4: the same request again has no second effect."""

from typing import Any

import pytest
from grpc import StatusCode

from support.errors import refused
from support.wire import NAMESPACE, calls, native, new_owner, new_request_id, struct


@pytest.fixture
def made(api: Any, owner: Any) -> Any:
    request = calls.CreateSessionRequest(namespace=NAMESPACE, owner=owner, state=struct(n=1))
    return api.CreateSession(request).session


def test_a_repeated_create_gives_the_same_session(api: Any, owner: Any) -> None:
    request = calls.CreateSessionRequest(
        namespace=NAMESPACE, owner=owner, state=struct(n=1), request_id=new_request_id()
    )
    first, again = api.CreateSession(request), api.CreateSession(request)
    assert (first.created, first.replayed) == (True, False)
    assert (again.created, again.replayed) == (True, True)
    assert again.session.id == first.session.id
    assert not again.session.HasField("state")
    listed = api.ListSessions(calls.ListSessionsRequest(namespace=NAMESPACE, owner=owner))
    assert len(listed.sessions) == 1


def test_a_repeated_update_counts_once(api: Any, owner: Any, made: Any) -> None:
    request = calls.UpdateSessionRequest(
        namespace=NAMESPACE,
        owner=owner,
        session_id=made.id,
        increment={"n": 5},
        request_id=new_request_id(),
    )
    first, again = api.UpdateSession(request), api.UpdateSession(request)
    assert (first.replayed, again.replayed) == (False, True)
    assert dict(first.increments) == dict(again.increments) == {"n": 6}
    assert first.session.revision == again.session.revision
    assert not again.session.HasField("state")
    peek = calls.GetSessionRequest(namespace=NAMESPACE, owner=owner, session_id=made.id, peek=True)
    assert native(api.GetSession(peek).session.state) == {"n": 6}


def test_a_repeated_rotate_gives_the_same_new_id(api: Any, owner: Any, made: Any) -> None:
    request = calls.RotateSessionRequest(
        namespace=NAMESPACE, owner=owner, session_id=made.id, request_id=new_request_id()
    )
    first, again = api.RotateSession(request), api.RotateSession(request)
    assert (first.replayed, again.replayed) == (False, True)
    assert again.session.id == first.session.id


def test_a_repeated_claim_is_still_claimed(api: Any, owner: Any) -> None:
    """The retry of the claim that won has won; another request has not."""
    request = calls.ClaimOnceRequest(
        namespace=NAMESPACE, owner=owner, key="nonce", request_id=new_request_id()
    )
    request.ttl.FromSeconds(60)
    first, again = api.ClaimOnce(request), api.ClaimOnce(request)
    assert (first.claimed, first.replayed) == (True, False)
    assert (again.claimed, again.replayed) == (True, True)
    request.request_id = new_request_id()
    assert not api.ClaimOnce(request).claimed


def test_another_body_under_the_same_id_is_refused(api: Any, owner: Any, made: Any) -> None:
    request_id = new_request_id()
    request = calls.UpdateSessionRequest(
        namespace=NAMESPACE, owner=owner, session_id=made.id, increment={"n": 1}, request_id=request_id
    )
    api.UpdateSession(request)
    request.increment["n"] = 2
    refused(api.UpdateSession, request, StatusCode.INVALID_ARGUMENT, "REQUEST_ID_REUSED")


def test_only_successes_are_remembered(api: Any, owner: Any, made: Any) -> None:
    """A refused request may be sent again, changed, under its id."""
    request = calls.UpdateSessionRequest(
        namespace=NAMESPACE,
        owner=owner,
        session_id=made.id,
        increment={"n": 1},
        if_revision=99,
        request_id=new_request_id(),
    )
    refused(api.UpdateSession, request, StatusCode.ABORTED, "REVISION_MISMATCH")
    request.if_revision = made.revision
    assert not api.UpdateSession(request).replayed


def test_a_replay_says_that_the_session_has_ended(api: Any, owner: Any) -> None:
    """If the session has ended since, its owner is told why."""
    request = calls.CreateSessionRequest(namespace=NAMESPACE, owner=owner, request_id=new_request_id())
    session = api.CreateSession(request).session
    api.DeleteSession(calls.DeleteSessionRequest(namespace=NAMESPACE, owner=owner, session_id=session.id))
    refused(api.CreateSession, request, StatusCode.NOT_FOUND, "SESSION_DELETED")


def test_request_ids_are_remembered_per_owner_and_rpc(api: Any, owner: Any, made: Any) -> None:
    """One id may serve another owner and another RPC."""
    request_id = new_request_id()
    for who in (owner, new_owner()):
        request = calls.CreateSessionRequest(namespace=NAMESPACE, owner=who, request_id=request_id)
        assert not api.CreateSession(request).replayed
    rotate = calls.RotateSessionRequest(
        namespace=NAMESPACE, owner=owner, session_id=made.id, request_id=request_id
    )
    assert not api.RotateSession(rotate).replayed
