"""Every way in which a session ends, without waiting for longer than it takes."""

from collections.abc import Callable
from typing import Any

import grpc

from support.errors import take_apart
from support.wait import eventually
from support.wire import NAMESPACE, calls, new_id, records, seconds, struct


def make(api: Any, owner: Any, **fields: Any) -> str:
    """Makes a session with an id of the caller's, and returns the id."""
    fields.setdefault("session_id", new_id())
    request = calls.CreateSessionRequest(namespace=NAMESPACE, owner=owner, state=struct(secret=1), **fields)
    return str(api.CreateSession(request).session.id)


def gone(api: Any, peek: Any) -> str:
    """Why a session cannot be read; empty as long as it can."""
    try:
        api.GetSession(peek)
    except grpc.RpcError as error:
        return take_apart(error).reason
    return ""


def expired_idle(api: Any, owner: Any) -> str:
    return _wait(api, owner, make(api, owner, idle_ttl=seconds(1)))


def expired_absolute(api: Any, owner: Any) -> str:
    return _wait(api, owner, make(api, owner, max_lifetime=seconds(1)))


def deleted(api: Any, owner: Any) -> str:
    session_id = make(api, owner)
    api.DeleteSession(calls.DeleteSessionRequest(namespace=NAMESPACE, owner=owner, session_id=session_id))
    return session_id


def rotated(api: Any, owner: Any) -> str:
    session_id = make(api, owner)
    api.RotateSession(calls.RotateSessionRequest(namespace=NAMESPACE, owner=owner, session_id=session_id))
    return session_id


def replaced(api: Any, owner: Any) -> str:
    session_id = make(api, owner, conversation_id="workflow")
    make(api, owner, conversation_id="workflow", on_existing=calls.ON_EXISTING_REPLACE)
    return session_id


def invalidated(api: Any, owner: Any) -> str:
    session_id = make(api, owner)
    selector = records.Selector(owner=owner)
    api.InvalidateSessions(calls.InvalidateSessionsRequest(namespace=NAMESPACE, selector=selector))
    return session_id


# What the owner is told, and how to get there. Eviction is in test_limits.py: it needs a small limit.
ENDINGS: dict[str, tuple[str, Callable[[Any, Any], str]]] = {
    "expired idle": ("SESSION_EXPIRED_IDLE", expired_idle),
    "expired absolute": ("SESSION_EXPIRED_ABSOLUTE", expired_absolute),
    "deleted": ("SESSION_DELETED", deleted),
    "rotated": ("SESSION_ROTATED", rotated),
    "replaced": ("SESSION_REPLACED", replaced),
    "invalidated": ("SESSION_INVALIDATED", invalidated),
}


def _wait(api: Any, owner: Any, session_id: str) -> str:
    peek = calls.GetSessionRequest(namespace=NAMESPACE, owner=owner, session_id=session_id, peek=True)
    eventually(lambda: gone(api, peek), "the session's expiry")
    return session_id
