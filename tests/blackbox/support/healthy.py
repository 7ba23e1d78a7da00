"""Whether a server still does its work after something hostile."""

from typing import Any

import grpc

from support.server import Server
from support.wire import NAMESPACE, SessionServiceStub, calls, new_owner, struct


def assert_unharmed(server: Server, channel: grpc.Channel) -> None:
    """The process lives, the same connection still works, and a session can be made and read."""
    assert server.is_running(), server.log.read_text()
    api: Any = SessionServiceStub(channel)
    owner = new_owner()
    made = api.CreateSession(
        calls.CreateSessionRequest(namespace=NAMESPACE, owner=owner, state=struct(a=1))
    ).session
    get = calls.GetSessionRequest(namespace=NAMESPACE, owner=owner, session_id=made.id, peek=True)
    assert api.GetSession(get).session == made
    log = server.log.read_text()
    assert "panicked" not in log, log
