"""SIGTERM and SIGINT: NOT_SERVING, drain, last cursors, exit code 0, and no accepted call unanswered."""

import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from support.errors import take_apart, trailing_of
from support.probes import status
from support.server import Server, serving
from support.wait import eventually
from support.watching import watching
from support.wire import NAMESPACE, SERVICE, SessionServiceStub, calls, new_owner

CLIENTS = 100
# What gRPC says of a call that it never handed to a server.
NEVER_SENT = "failed to connect"


def closed_loop(server: Server, answered: list[int], number: int) -> str:
    """One client: the next call as soon as the last one is answered. Returns how it ended."""
    with server.channel() as channel:
        api: Any = SessionServiceStub(channel)
        owner = new_owner()
        session = api.CreateSession(calls.CreateSessionRequest(namespace=NAMESPACE, owner=owner)).session
        update = calls.UpdateSessionRequest(
            namespace=NAMESPACE, owner=owner, session_id=session.id, increment={"n": 1}
        )
        while True:
            try:
                answer = api.UpdateSession(update, timeout=60)
            except grpc.RpcError as error:
                return how_it_ended(error)
            answered[number] += 1
            assert answer.increments["n"] == answered[number], "applied twice or not at all"


def how_it_ended(error: grpc.RpcError) -> str:
    assert error.code() == grpc.StatusCode.UNAVAILABLE, error
    text = error.details() or ""
    if NEVER_SENT in text:
        return "not accepted"
    if not trailing_of(error):
        return f"dropped: {text}"
    failure = take_apart(error)
    assert failure.retry_after is not None
    return failure.reason


@contextmanager
def held_open(channel: grpc.Channel) -> Iterator[threading.Event]:
    """A call that is in progress until the event is set: a client that has not finished speaking."""
    let_go = threading.Event()

    def questions() -> Iterator[bytes]:
        yield reflection_pb2.ServerReflectionRequest(list_services="").SerializeToString()
        let_go.wait(60)

    call: Any = channel.stream_stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")
    answers = call(questions())
    next(answers)
    try:
        yield let_go
    finally:
        let_go.set()
        answers.cancel()


def test_100_clients_in_closed_loop(tmp_path: Path) -> None:
    """Every call that was accepted is answered: OK, or a clean SHUTTING_DOWN."""
    answered = [0] * CLIENTS
    with ThreadPoolExecutor(CLIENTS) as pool, serving(tmp_path) as server:
        clients = [pool.submit(closed_loop, server, answered, number) for number in range(CLIENTS)]
        eventually(lambda: min(answered) >= 5, "100 clients at work")
        server.signal(signal.SIGTERM)
        assert server.wait() == 0, server.log.read_text()
        endings = [client.result() for client in clients]
    assert set(endings) <= {"not accepted", "SHUTTING_DOWN"}, sorted(set(endings))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_server_ends_at_once(tmp_path: Path, number: signal.Signals) -> None:
    """Exit code 0, and nothing more on stdout than the first line."""
    with serving(tmp_path) as server:
        server.signal(number)
        assert server.wait() == 0, server.log.read_text()
        assert server.process.stdout
        assert server.process.stdout.read() == ""


def test_health_says_not_serving_during_the_drain(tmp_path: Path) -> None:
    """Who watches the health is told before the connections go."""
    with serving(tmp_path, '[grpc]\ndrain_grace = "5s"\n') as server, server.channel() as channel:
        health = health_pb2_grpc.HealthStub(channel)
        watches = [health.Watch(health_pb2.HealthCheckRequest(service=name)) for name in ("", SERVICE)]
        for watch in watches:
            assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        server.signal(signal.SIGTERM)
        for watch in watches:
            assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert server.wait() == 0, server.log.read_text()


def test_watchers_get_a_last_cursor(tmp_path: Path) -> None:
    """Then UNAVAILABLE, SHUTTING_DOWN, with a RetryInfo. What is not told before it is told behind it."""
    with serving(tmp_path) as server, server.channel() as channel:
        api: Any = SessionServiceStub(channel)
        owner = new_owner()
        told: list[Any] = []
        with watching(api, NAMESPACE, owner=owner) as watch:
            start = watch.cursor
            create = calls.CreateSessionRequest(namespace=NAMESPACE, owner=owner)
            made = api.CreateSession(create).session
            server.signal(signal.SIGTERM)
            with pytest.raises(grpc.RpcError) as raised:
                watch.to_the_end(told)
            failure = take_apart(raised.value)
            assert (failure.code, failure.reason) == (grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN")
            assert failure.retry_after is not None
        assert server.wait() == 0, server.log.read_text()
    if server.store == "memory" or told:
        # Nothing comes after a store that ends with its process.
        assert [event.session_id for event in told] == [made.id]
        assert watch.cursor != start
        return
    with serving(tmp_path) as another, another.channel() as channel:
        api = SessionServiceStub(channel)
        with watching(api, NAMESPACE, owner=owner, cursor=watch.cursor) as resumed:
            assert resumed.next_event().session_id == made.id


def test_readiness_during_the_drain(tmp_path: Path) -> None:
    """Not ready, still alive; the drain ends as soon as the last call does."""
    with serving(tmp_path) as server, server.channel() as channel, held_open(channel) as let_go:
        server.signal(signal.SIGTERM)
        eventually(lambda: status(server, "/readyz") == 503, "not ready")
        assert status(server, "/livez") == 200
        let_go.set()
        assert server.wait() == 0, server.log.read_text()
        assert "cut off" not in server.log.read_text()


def test_a_client_that_does_not_let_go_cannot_hold_it_up(tmp_path: Path) -> None:
    """After `drain_grace` the end comes all the same, with exit code 0."""
    config = '[grpc]\ndrain_grace = "1s"\n'
    with serving(tmp_path, config) as server, server.channel() as channel, held_open(channel):
        server.signal(signal.SIGTERM)
        assert server.wait() == 0, server.log.read_text()
