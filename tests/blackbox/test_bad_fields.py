"""The bad input table, first half: well-formed messages with bad fields."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.struct_pb2 import ListValue, Struct
from grpc import StatusCode

from support.errors import refused
from support.healthy import assert_unharmed
from support.server import Server, serving
from support.wire import (
    NAMESPACE,
    SessionServiceStub,
    calls,
    moment,
    new_id,
    new_owner,
    new_request_id,
    records,
    seconds,
    struct,
)


def creating(**fields: Any) -> tuple[str, Any]:
    request = {"namespace": NAMESPACE, "owner": new_owner()} | fields
    return "CreateSession", calls.CreateSessionRequest(**request)


def getting(**fields: Any) -> tuple[str, Any]:
    request = {"namespace": NAMESPACE, "owner": new_owner(), "session_id": new_id()} | fields
    return "GetSession", calls.GetSessionRequest(**request)


def updating(**fields: Any) -> tuple[str, Any]:
    request = {"namespace": NAMESPACE, "owner": new_owner(), "session_id": new_id()} | fields
    return "UpdateSession", calls.UpdateSessionRequest(**request)


def invalidating(**fields: Any) -> tuple[str, Any]:
    return "InvalidateSessions", calls.InvalidateSessionsRequest(**({"namespace": NAMESPACE} | fields))


def claiming(**fields: Any) -> tuple[str, Any]:
    request = {"namespace": NAMESPACE, "owner": new_owner(), "key": "k", "ttl": seconds(1)} | fields
    return "ClaimOnce", calls.ClaimOnceRequest(**request)


def listing(**fields: Any) -> tuple[str, Any]:
    return "ListSessions", calls.ListSessionsRequest(
        **({"namespace": NAMESPACE, "owner": new_owner()} | fields)
    )


def in_an_hour() -> Any:
    return moment(time.time_ns() + 3600 * 1_000_000_000)


def map_without_kind() -> Struct:
    """A map whose only value is of no kind at all, which is not null."""
    message = Struct()
    message.fields["a"].Clear()
    return message


def list_without_kind() -> ListValue:
    """The same as a list."""
    message = ListValue()
    message.values.add()
    return message


def deep_without_kind() -> Struct:
    message = Struct()
    message.fields["a"].list_value.CopyFrom(list_without_kind())
    return message


UNSET = records.Owner()

# What is wrong, the call, the field that the error names.
TABLE: list[tuple[str, Callable[[], tuple[str, Any]], str]] = [
    ("no namespace", lambda: creating(namespace=""), "namespace"),
    ("long namespace", lambda: creating(namespace="n" * 64), "namespace"),
    ("upper-case namespace", lambda: creating(namespace="Shop"), "namespace"),
    ("namespace with a slash", lambda: getting(namespace="a/b"), "namespace"),
    ("namespace that starts with a dot", lambda: getting(namespace=".a"), "namespace"),
    ("no owner", lambda: creating(owner=None), "owner"),
    ("empty owner", lambda: getting(owner=UNSET), "owner.user"),
    ("long tenant", lambda: creating(owner=new_owner(tenant="t" * 257)), "owner.tenant"),
    ("long user", lambda: getting(owner=new_owner(user="u" * 257)), "owner.user"),
    ("long issuer", lambda: getting(owner=new_owner(issuer="i" * 257)), "owner.issuer"),
    ("user with a line feed", lambda: creating(owner=new_owner(user="a\nb")), "owner.user"),
    ("tenant with a NUL", lambda: creating(owner=new_owner(tenant="a\0")), "owner.tenant"),
    ("no session id", lambda: getting(session_id=""), "session_id"),
    ("short session id", lambda: creating(session_id="x" * 15), "session_id"),
    ("long session id", lambda: creating(session_id="x" * 257), "session_id"),
    ("session id with a space", lambda: creating(session_id="x" * 16 + " y"), "session_id"),
    ("session id beyond ASCII", lambda: creating(session_id="é" * 16), "session_id"),
    ("long conversation", lambda: creating(conversation_id="c" * 257), "conversation_id"),
    ("too many labels", lambda: creating(labels=["l"] * 17), "labels"),
    ("long label", lambda: creating(labels=["l" * 65]), "labels"),
    ("idle TTL under a second", lambda: creating(idle_ttl=seconds(0.5)), "idle_ttl"),
    ("negative idle TTL", lambda: creating(idle_ttl=seconds(-5)), "idle_ttl"),
    ("idle TTL over the maximum", lambda: creating(idle_ttl=seconds(86_401)), "idle_ttl"),
    ("lifetime under a second", lambda: creating(max_lifetime=seconds(0)), "max_lifetime"),
    ("lifetime over the maximum", lambda: creating(max_lifetime=seconds(604_801)), "max_lifetime"),
    (
        "the namespace's own maximum",
        lambda: creating(namespace="short-lives", idle_ttl=seconds(301)),
        "idle_ttl",
    ),
    ("login in the future", lambda: creating(authenticated_at=in_an_hour()), "authenticated_at"),
    ("unknown enum number", lambda: creating(conversation_id="c", on_existing=99), "on_existing"),
    ("request id that is no UUID", lambda: creating(request_id="once"), "request_id"),
    ("infinity", lambda: creating(state=struct(a=float("inf"))), "state"),
    ("minus infinity", lambda: updating(set=struct(a=[float("-inf")])), "set"),
    ("NaN", lambda: updating(set=struct(a={"b": float("nan")})), "set"),
    ("unset kind", lambda: updating(set=map_without_kind()), "set"),
    (
        "unset kind in a list",
        lambda: creating(state=deep_without_kind()),
        "state",
    ),
    (
        "unset kind in append",
        lambda: updating(append={"a": calls.Append(values=list_without_kind())}),
        "append",
    ),
    ("negative length", lambda: updating(append={"a": calls.Append(max_length=-1)}), "append"),
    ("one key in two places", lambda: updating(set=struct(a=1), remove=["a"]), "remove"),
    (
        "one key in two places again",
        lambda: updating(increment={"a": 1}, append={"a": calls.Append()}),
        "append",
    ),
    (
        "more increments than a retry can repeat",
        lambda: updating(increment={f"n{n}": 1 for n in range(50)}, request_id=new_request_id()),
        "increment",
    ),
    ("long key", lambda: updating(remove=["k" * 129]), "remove"),
    ("no selector", lambda: invalidating(), "selector"),
    ("empty selector", lambda: invalidating(selector=records.Selector()), "selector"),
    ("all, but false", lambda: invalidating(selector=records.Selector(all=False)), "selector.all"),
    ("long note", lambda: invalidating(selector=records.Selector(tenant="t"), note="n" * 1025), "note"),
    ("long actor", lambda: invalidating(selector=records.Selector(tenant="t"), actor="a" * 257), "actor"),
    ("no claim key", lambda: claiming(key=""), "key"),
    ("long claim key", lambda: claiming(key="k" * 257), "key"),
    ("no claim TTL", lambda: claiming(ttl=None), "ttl"),
    ("claim TTL over a day", lambda: claiming(ttl=seconds(86_401)), "ttl"),
    ("negative page size", lambda: listing(page_size=-1), "page_size"),
    ("made-up page token", lambda: listing(page_token="made up"), "page_token"),  # noqa: S106
]


@pytest.mark.parametrize(("make", "field"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_bad_field(
    api: Any,
    server: Server,
    channel: grpc.Channel,
    make: Callable[[], tuple[str, Any]],
    field: str,
) -> None:
    """INVALID_ARGUMENT, INVALID_FIELD, a BadRequest with exactly this field; the server unharmed."""
    rpc, request = make()
    failure = refused(getattr(api, rpc), request, StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert failure.fields == (field,)
    assert_unharmed(server, channel)


def test_deep_nesting(api: Any, server: Server, channel: grpc.Channel) -> None:
    """25 levels where 24 are allowed; the 24 are."""

    def nested(levels: int) -> Any:
        value: Any = 1
        for _ in range(levels):
            value = [value]
        return struct(a=value)

    _, request = creating(state=nested(25))
    failure = refused(api.CreateSession, request, StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert failure.fields == ("state",)
    assert failure.metadata == {"limit": "state_depth", "maximum": "24", "asked": "25"}
    _, request = creating(state=nested(24))
    assert api.CreateSession(request).session.state == nested(24)
    assert_unharmed(server, channel)


def test_a_text_never_repeats_what_was_sent(api: Any) -> None:
    """A refused id may be somebody's real one."""
    _, request = creating(session_id="canary id with spaces", request_id=new_request_id())
    failure = refused(api.CreateSession, request, StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert b"canary" not in failure.details


def test_unknown_namespace_where_namespaces_are_strict(tmp_path: Path) -> None:
    """`strict_namespaces`: only those that the configuration lists."""
    config = "strict_namespaces = true\n[namespaces.shop]\n"
    with serving(tmp_path, config) as server, server.channel() as channel:
        api = SessionServiceStub(channel)
        create = calls.CreateSessionRequest(namespace="shop", owner=new_owner())
        assert api.CreateSession(create).created
        create.namespace = "unlisted"
        refused(api.CreateSession, create, StatusCode.INVALID_ARGUMENT, "NAMESPACE_UNKNOWN")
