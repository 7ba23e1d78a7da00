"""Each metric: provoked, and its value checked."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import StatusCode

from support import http2
from support.errors import refused
from support.metrics import Metrics, Series
from support.server import Server, serving
from support.wait import eventually
from support.wire import SERVICE, SessionServiceStub, calls, new_id, new_owner

CONFIG = """
[store]
sweep_interval = "100ms"
[namespaces.crm]
[namespaces.shop]
sessions_per_owner = 1
at_session_limit = "end_least_recent"
"""

RPC = "rpc_server_call_duration_seconds_count"


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path, CONFIG) as running:
        yield running


@pytest.fixture
def own_channel(own: Server) -> Iterator[grpc.Channel]:
    with own.channel() as connected:
        yield connected


@pytest.fixture
def own_api(own_channel: grpc.Channel) -> Any:
    return SessionServiceStub(own_channel)


def create(api: Any, namespace: str, owner: Any) -> str:
    return str(api.CreateSession(calls.CreateSessionRequest(namespace=namespace, owner=owner)).session.id)


def rpc(server: Server, method: str, code: str = "OK") -> float:
    labels = {
        "rpc_system_name": "grpc",
        "rpc_method": f"{SERVICE}/{method}",
        "rpc_response_status_code": code,
    }
    return Metrics(server).of(RPC, **labels)


def test_calls_are_counted_by_method_and_code(own: Server, own_api: Any) -> None:
    owner = new_owner()
    session = create(own_api, "crm", owner)
    for _ in range(3):
        own_api.GetSession(calls.GetSessionRequest(namespace="crm", owner=owner, session_id=session))
    missing = calls.GetSessionRequest(namespace="crm", owner=owner, session_id=new_id())
    refused(own_api.GetSession, missing, StatusCode.NOT_FOUND, "SESSION_NOT_FOUND")
    http2.call(own.grpc, "/tenure.v1.SessionService/Nonsense", http2.frame(b""), [])
    http2.call(own.grpc, f"/{SERVICE}/GetSession", http2.frame(b"\xff\xff"), [])

    def counted() -> bool:
        metrics = Metrics(own)
        return metrics.of(RPC) == 7

    eventually(counted, "all calls are counted")
    assert rpc(own, "CreateSession") == 1
    assert rpc(own, "GetSession") == 3
    assert rpc(own, "GetSession", "NOT_FOUND") == 1
    metrics = Metrics(own)
    assert metrics.of(RPC, rpc_method="_OTHER", rpc_response_status_code="UNIMPLEMENTED") == 1
    assert (
        metrics.of(RPC, rpc_method=f"{SERVICE}/GetSession", rpc_response_status_code="INVALID_ARGUMENT") == 1
    )
    assert 0 < metrics.of("rpc_server_call_duration_seconds_sum") < 60
    store = "tenure_store_duration_seconds_count"
    assert metrics.of(store, operation="create", outcome="done") == 1
    assert metrics.of(store, operation="read", outcome="done") == 3
    assert metrics.of(store, operation="read", outcome="refused") == 1
    assert metrics.of("tenure_sessions_created_total", namespace="crm") == 1
    assert metrics.of("tenure_sessions_created_total") == 1


def test_a_stream_is_counted_at_its_end(own: Server, own_api: Any) -> None:
    owner = new_owner()
    request = calls.WatchSessionsRequest(namespace="crm")
    stream = own_api.WatchSessions(request)
    next(stream)
    assert Metrics(own).of("tenure_watch_streams") == 1
    assert rpc(own, "WatchSessions") == 0
    create(own_api, "crm", owner)
    while not next(stream).HasField("event"):
        pass
    assert Metrics(own).of("tenure_watch_lag_seconds_count") == 1
    stream.cancel()
    eventually(lambda: Metrics(own).of("tenure_watch_streams") == 0, "the watcher has gone")
    eventually(lambda: rpc(own, "WatchSessions", "CANCELLED") == 1, "it is counted")
    with pytest.raises(grpc.RpcError):
        list(own_api.WatchSessions(request, timeout=0.3))
    eventually(
        lambda: Metrics(own).of(RPC, rpc_method=f"{SERVICE}/WatchSessions") == 2, "its deadline is counted"
    )


def test_violations_are_told_from_misses(own: Server, own_api: Any) -> None:
    session = create(own_api, "crm", new_owner())
    for id_ in (session, new_id()):
        request = calls.GetSessionRequest(namespace="crm", owner=new_owner(), session_id=id_)
        refused(own_api.GetSession, request, StatusCode.NOT_FOUND, "SESSION_NOT_FOUND")

    def looked() -> bool:
        return Metrics(own).of("tenure_store_duration_seconds_count", operation="bearers") == 2

    eventually(looked, "both were looked into")
    eventually(lambda: Metrics(own).of("tenure_ownership_violations_total") == 1, "one is a violation")
    assert Metrics(own).of("tenure_ownership_violations_total", namespace="crm") == 1


def of_calls(metrics: Metrics) -> set[Series]:
    """All series but those of what the service does on its own, whenever it is time for it."""
    own_work = {"sweep", "ping", "other"}
    own_names = {"tenure_sweep_lag_seconds", "tenure_sessions_live"}
    return {
        (name, labels)
        for name, labels in metrics.series
        if dict(labels).get("operation") not in own_work and name not in own_names
    }


def test_namespaces_that_callers_invent_make_no_series(own: Server, own_api: Any) -> None:
    create(own_api, "crm", new_owner())
    before = of_calls(Metrics(own))
    for _ in range(100):
        create(own_api, f"n{new_id()[:20]}", new_owner())
    after = Metrics(own)
    assert after.of("tenure_sessions_created_total", namespace="_OTHER") == 100
    assert of_calls(after) == before
    namespaces = {dict(labels).get("namespace") for _, labels in after.series}
    assert namespaces <= {None, "crm", "shop", "_OTHER"}


def test_what_the_service_knows_of_itself(own: Server, own_api: Any) -> None:
    owner = new_owner()
    own_api.CreateSession(calls.CreateSessionRequest(namespace="shop", owner=owner))
    metrics = Metrics(own)
    assert metrics.of("tenure_build_info") == 1
    assert metrics.of("tenure_store_ready") == 1
    assert metrics.of("tenure_calls_limit") == 4096
    assert metrics.of("tenure_calls_in_flight") == 0
    assert metrics.of("tenure_connections_open") == 1
    # Counted now and then: on Redis the first time may have been before there was a session.
    eventually(
        lambda: Metrics(own).has("tenure_sessions_live", namespace="shop"), "live sessions", within=60.0
    )


def test_callers_without_an_entry_are_seen(tmp_path: Path) -> None:
    config = '[callers.apikey.mcp]\nhashes = ["sha256:' + "0" * 64 + '"]\n'
    config += '[policy.servers]\ncallers = ["apikey:mcp"]\nallow = ["server"]\nnamespaces = ["*"]\n'
    with serving(tmp_path, config) as server, server.channel() as channel:
        api: Any = SessionServiceStub(channel)
        request = calls.CreateSessionRequest(namespace="crm", owner=new_owner())
        refused(api.CreateSession, request, StatusCode.UNAUTHENTICATED, "CALLER_UNKNOWN")
        assert Metrics(server).of("tenure_calls_barred_total", why="unknown") == 1
        assert Metrics(server).of("tenure_calls_barred_total") == 1


def test_each_end_is_counted_once_by_its_cause(own: Server, own_api: Any) -> None:
    def ended(namespace: str, cause: str) -> float:
        return Metrics(own).of("tenure_sessions_ended_total", namespace=namespace, cause=cause)

    owner = new_owner()
    deleted = create(own_api, "crm", owner)
    for _ in range(2):
        own_api.DeleteSession(calls.DeleteSessionRequest(namespace="crm", owner=owner, session_id=deleted))
    assert ended("crm", "deleted") == 1

    short = calls.CreateSessionRequest(namespace="crm", owner=owner)
    short.idle_ttl.FromMilliseconds(1000)
    own_api.CreateSession(short)
    eventually(lambda: ended("crm", "expired_idle") == 1, "the sweep has found it")
    short.idle_ttl.FromMilliseconds(5000)
    short.max_lifetime.FromMilliseconds(1000)
    own_api.CreateSession(short)
    eventually(lambda: ended("crm", "expired_absolute") == 1, "the sweep has found it")
    assert Metrics(own).has("tenure_sweep_lag_seconds")

    create(own_api, "shop", owner)
    create(own_api, "shop", owner)
    assert ended("shop", "evicted") == 1

    conversation = calls.CreateSessionRequest(namespace="crm", owner=owner, conversation_id="c")
    own_api.CreateSession(conversation)
    conversation.on_existing = calls.ON_EXISTING_REPLACE
    own_api.CreateSession(conversation)
    assert ended("crm", "replaced") == 1

    rest = calls.InvalidateSessionsRequest(namespace="crm")
    rest.selector.owner.CopyFrom(owner)
    own_api.InvalidateSessions(rest)
    assert ended("crm", "invalidated") == 1
    metrics = Metrics(own)
    assert metrics.of("tenure_sessions_ended_total") == 6
    assert metrics.of("tenure_sessions_created_total") == 7
