"""What every call carries: a correlation id and a deadline. Unknown calls."""

from typing import Any

import grpc
import pytest
from grpc import StatusCode

from support import http2
from support.errors import CORRELATION, failed, refused
from support.server import Server
from support.wire import NAMESPACE, SERVICE, calls, native, new_id, new_owner, struct


def trailing(call: Any) -> dict[str, str]:
    return {str(name): str(value) for name, value in call.trailing_metadata()}


def test_the_callers_own_correlation_id_comes_back(api: Any, owner: Any) -> None:
    """On success and on failure."""
    mine = [(CORRELATION, "trace-4711")]
    create = calls.CreateSessionRequest(namespace=NAMESPACE, owner=owner)
    _, call = api.CreateSession.with_call(create, metadata=mine)
    assert trailing(call)[CORRELATION] == "trace-4711"
    get = calls.GetSessionRequest(namespace=NAMESPACE, owner=owner, session_id=new_id())
    failure = refused(api.GetSession, get, StatusCode.NOT_FOUND, "SESSION_NOT_FOUND", metadata=mine)
    assert failure.trailing[CORRELATION] == "trace-4711"
    assert b"trace-4711" not in failure.details


def test_without_one_each_call_gets_its_own(api: Any, owner: Any) -> None:
    create = calls.CreateSessionRequest(namespace=NAMESPACE, owner=owner)
    made = [trailing(api.CreateSession.with_call(create)[1])[CORRELATION] for _ in range(3)]
    assert len(set(made)) == 3


@pytest.mark.parametrize("hostile", ["x" * 4096, 'with spaces and "quotes"', ""])
def test_a_hostile_correlation_id_does_no_harm(api: Any, owner: Any, hostile: str) -> None:
    """Too long or odd: the call is served, with an id that fits into a log line."""
    create = calls.CreateSessionRequest(namespace=NAMESPACE, owner=owner)
    _, call = api.CreateSession.with_call(create, metadata=[(CORRELATION, hostile)])
    assert 1 <= len(trailing(call)[CORRELATION]) <= 128


def test_a_deadline_that_has_passed(server: Server, api: Any, owner: Any) -> None:
    """The server itself says DEADLINE_EXCEEDED, and the change is applied wholly or not at all."""
    create = calls.CreateSessionRequest(namespace=NAMESPACE, owner=owner, state=struct(n=0))
    session = api.CreateSession(create).session
    update = calls.UpdateSessionRequest(
        namespace=NAMESPACE, owner=owner, session_id=session.id, set=struct(a=1, b=1), increment={"n": 1}
    )
    body = http2.frame(update.SerializeToString())
    answer = http2.call(server.grpc, f"/{SERVICE}/UpdateSession", body, [("grpc-timeout", "1n")])
    assert int(answer["grpc-status"]) == StatusCode.DEADLINE_EXCEEDED.value[0]
    get = calls.GetSessionRequest(namespace=NAMESPACE, owner=owner, session_id=session.id)
    assert native(api.GetSession(get).session.state) in ({"n": 0}, {"n": 1, "a": 1, "b": 1})


def test_a_watch_ends_at_its_deadline(server: Server) -> None:
    """The server ends the stream: nobody is left watching for a client that has gone."""
    request = calls.WatchSessionsRequest(namespace=NAMESPACE, owner=new_owner())
    body = http2.frame(request.SerializeToString())
    answer = http2.call(server.grpc, f"/{SERVICE}/WatchSessions", body, [("grpc-timeout", "300m")])
    assert int(answer["grpc-status"]) == StatusCode.DEADLINE_EXCEEDED.value[0]


def test_a_deadline_that_is_no_deadline(server: Server, owner: Any) -> None:
    """A malformed `grpc-timeout` harms nobody."""
    body = http2.frame(calls.CreateSessionRequest(namespace=NAMESPACE, owner=owner).SerializeToString())
    answer = http2.call(server.grpc, f"/{SERVICE}/CreateSession", body, [("grpc-timeout", "soon")])
    assert answer[":status"] == "200"
    assert "grpc-status" in answer


def test_an_unknown_call(channel: grpc.Channel) -> None:
    """UNIMPLEMENTED, as everywhere in gRPC, with a reason as every error has."""
    for rpc in ("Nonsense", "getSession", ""):
        call = channel.unary_unary(f"/{SERVICE}/{rpc}", request_serializer=bytes, response_deserializer=bytes)
        refused(call, b"", StatusCode.UNIMPLEMENTED, "METHOD_UNKNOWN")


def test_an_unknown_service(channel: grpc.Channel) -> None:
    call = channel.unary_unary("/no.such.Service/Get", request_serializer=bytes, response_deserializer=bytes)
    with pytest.raises(grpc.RpcError) as raised:
        call(b"")
    assert raised.value.code() == StatusCode.UNIMPLEMENTED


def test_an_error_names_no_inner_thing(api: Any, owner: Any) -> None:
    """No text holds a driver's message, a file of the source or a type's name."""
    get = calls.GetSessionRequest(namespace=NAMESPACE, owner=owner, session_id=new_id())
    text = failed(api.GetSession, get).message
    assert "::" not in text
    assert ".rs" not in text
    assert get.session_id not in text
