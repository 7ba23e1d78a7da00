"""Rule 2: the true owner learns why a session ended. Rule 3: nothing revives it."""

from collections.abc import Callable
from typing import Any

import grpc
import pytest
from grpc import StatusCode

from support.endings import ENDINGS, gone, make
from support.errors import refused
from support.wait import eventually
from support.wire import NAMESPACE, calls, new_id, records, seconds, struct


@pytest.mark.parametrize("ending", sorted(ENDINGS))
def test_the_owner_learns_why(api: Any, owner: Any, ending: str) -> None:
    """Every reason of rule 2, the same from every RPC that needs a live session."""
    reason, end = ENDINGS[ending]
    session_id = end(api, owner)
    for call, request in needing_a_session(api, NAMESPACE, owner, session_id):
        refused(call, request, StatusCode.NOT_FOUND, reason)
    delete = calls.DeleteSessionRequest(namespace=NAMESPACE, owner=owner, session_id=session_id)
    assert not api.DeleteSession(delete).deleted


@pytest.mark.parametrize("ending", sorted(ENDINGS))
def test_a_late_update_never_revives(api: Any, owner: Any, ending: str) -> None:
    """An update that arrives after the end leaves nothing that could be read or listed."""
    reason, end = ENDINGS[ending]
    session_id = end(api, owner)
    update = calls.UpdateSessionRequest(
        namespace=NAMESPACE, owner=owner, session_id=session_id, set=struct(late=True)
    )
    refused(api.UpdateSession, update, StatusCode.NOT_FOUND, reason)
    listed = api.ListSessions(calls.ListSessionsRequest(namespace=NAMESPACE, owner=owner)).sessions
    assert session_id not in {session.id for session in listed}


def test_the_reason_of_an_invalidation_is_told(api: Any, owner: Any) -> None:
    """So that a tool can say: you were signed out because your password changed."""
    session_id = make(api, owner)
    api.InvalidateSessions(
        calls.InvalidateSessionsRequest(
            namespace=NAMESPACE,
            selector=records.Selector(owner=owner),
            reason=records.INVALIDATION_REASON_PASSWORD_CHANGED,
        )
    )
    get = calls.GetSessionRequest(namespace=NAMESPACE, owner=owner, session_id=session_id)
    failure = refused(api.GetSession, get, StatusCode.NOT_FOUND, "SESSION_INVALIDATED")
    assert failure.metadata == {"end_reason": "PASSWORD_CHANGED"}


def test_the_owner_is_told_for_as_long_as_the_namespace_says(api: Any, owner: Any) -> None:
    """After `tombstone_ttl` an ended session is like one that never was."""
    session_id = new_id()
    create = calls.CreateSessionRequest(namespace="forgetful", owner=owner, session_id=session_id)
    api.CreateSession(create)
    api.DeleteSession(calls.DeleteSessionRequest(namespace="forgetful", owner=owner, session_id=session_id))
    get = calls.GetSessionRequest(namespace="forgetful", owner=owner, session_id=session_id, peek=True)
    eventually(lambda: gone(api, get) == "SESSION_NOT_FOUND", "the tombstone's end")
    assert api.CreateSession(create).created


def test_no_order_of_calls_passes_the_ceiling(api: Any, owner: Any) -> None:
    """A session in constant use, rotated on the way, ends at its `expires_at` all the same."""
    session_id = make(api, owner, max_lifetime=seconds(2))
    peek = calls.GetSessionRequest(namespace=NAMESPACE, owner=owner, session_id=session_id, peek=True)
    ceiling = api.GetSession(peek).session.expires_at

    def used_until_it_ends() -> bool:
        nonlocal session_id
        try:
            touched = api.TouchSession(
                calls.TouchSessionRequest(namespace=NAMESPACE, owner=owner, session_id=session_id)
            ).session
            assert touched.expires_at == ceiling
            session_id = api.RotateSession(
                calls.RotateSessionRequest(namespace=NAMESPACE, owner=owner, session_id=session_id)
            ).session.id
        except grpc.RpcError:
            return True
        return False

    eventually(used_until_it_ends, "the ceiling")
    get = calls.GetSessionRequest(namespace=NAMESPACE, owner=owner, session_id=session_id)
    refused(api.GetSession, get, StatusCode.NOT_FOUND, "SESSION_EXPIRED_ABSOLUTE")


def test_an_expired_session_counts_nowhere(api: Any, owner: Any) -> None:
    """Liveness is the same for reads, lists, quotas and conversations, sweep or not."""
    for conversation in ("first", "second"):
        api.CreateSession(
            calls.CreateSessionRequest(
                namespace="few-sessions",
                owner=owner,
                conversation_id=conversation,
                idle_ttl=seconds(1),
            )
        )
    listing = calls.ListSessionsRequest(namespace="few-sessions", owner=owner)
    eventually(lambda: not api.ListSessions(listing).sessions, "both expired")
    again = calls.CreateSessionRequest(namespace="few-sessions", owner=owner, conversation_id="first")
    assert api.CreateSession(again).created


def needing_a_session(
    api: Any, namespace: str, owner: Any, session_id: str
) -> list[tuple[Callable[..., Any], Any]]:
    """Every RPC that only works on a live session."""
    place = {"namespace": namespace, "owner": owner, "session_id": session_id}
    return [
        (api.GetSession, calls.GetSessionRequest(**place)),
        (api.GetSession, calls.GetSessionRequest(**place, peek=True)),
        (api.UpdateSession, calls.UpdateSessionRequest(**place, set=struct(a=1))),
        (api.TouchSession, calls.TouchSessionRequest(**place)),
        (api.RotateSession, calls.RotateSessionRequest(**place)),
    ]
