"""The bad input table, second half: bytes that no honest client sends."""

import gzip
from typing import Any

import grpc
import pytest
from grpc import StatusCode

from support import http2
from support.errors import refused
from support.healthy import assert_unharmed
from support.protobytes import FIXED64, entry, field, string_value, tag, varint
from support.server import Server
from support.wire import NAMESPACE, SERVICE, calls, native, new_id, new_owner

CREATE = f"/{SERVICE}/CreateSession"
NAMESPACE_FIELD, OWNER_FIELD, ID_FIELD, STATE_FIELD = 1, 2, 3, 5


def place() -> bytes:
    """A sound start of a CreateSessionRequest."""
    return field(NAMESPACE_FIELD, NAMESPACE) + field(OWNER_FIELD, new_owner().SerializeToString())


def raw(channel: grpc.Channel, path: str = CREATE) -> Any:
    """A call that sends and receives bytes as they are."""
    return channel.unary_unary(path, request_serializer=lambda b: b, response_deserializer=lambda b: b)


def nested_value(levels: int) -> bytes:
    """A Value of lists in lists: field 6 of Value, field 1 of ListValue."""
    value = tag(4, 0) + varint(1)
    for _ in range(levels):
        value = field(6, field(1, value))
    return value


NOT_UTF8 = b"\xff\xfe"
TRUNCATED = field(STATE_FIELD, entry("a", string_value("value")))[:-3]

TABLE: list[tuple[str, bytes]] = [
    ("no protobuf at all", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
    ("a JSON text", b'{"namespace":"shop"}'),
    ("field number 0", place() + tag(0, 0) + varint(1)),
    ("wire type 7", place() + tag(STATE_FIELD, 7)),
    ("an unfinished varint", place() + tag(STATE_FIELD, 2) + b"\x80"),
    ("a length beyond the end", place() + TRUNCATED),
    ("a length of 2^63", place() + tag(STATE_FIELD, 2) + varint(2**63)),
    ("a string that is not UTF-8", place() + field(ID_FIELD, NOT_UTF8 * 16)),
    ("a namespace that is not UTF-8", field(NAMESPACE_FIELD, NOT_UTF8)),
    ("an owner cut short", field(NAMESPACE_FIELD, NAMESPACE) + field(OWNER_FIELD, field(1, "acme")[:-1])),
    ("a key that is not UTF-8", place() + field(STATE_FIELD, entry(NOT_UTF8, string_value("x")))),
    ("a value that is not UTF-8", place() + field(STATE_FIELD, entry("a", string_value(NOT_UTF8)))),
    ("a key without a value", place() + field(STATE_FIELD, field(1, field(1, "a")))),
    ("a value of the wrong wire type", place() + field(STATE_FIELD, entry("a", tag(3, 0) + varint(1)))),
    ("a number cut short", place() + field(STATE_FIELD, entry("a", tag(2, FIXED64) + b"\0\0\0"))),
    ("a state cut short", place() + field(STATE_FIELD, entry("a", string_value("value"))[:-1])),
    ("1,000 levels", place() + field(STATE_FIELD, entry("a", nested_value(1000)))),
]


@pytest.mark.parametrize("request_bytes", [row[1] for row in TABLE], ids=[row[0] for row in TABLE])
def test_malformed_message(server: Server, channel: grpc.Channel, request_bytes: bytes) -> None:
    """INVALID_ARGUMENT, INVALID_FIELD; the server unharmed."""
    refused(raw(channel), request_bytes, StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert_unharmed(server, channel)


@pytest.mark.parametrize("rpc", [name for name in dir(calls) if name.endswith("Request")])
def test_every_rpc_takes_garbage_calmly(server: Server, channel: grpc.Channel, rpc: str) -> None:
    """The same for all of them, the stream included."""
    call = raw(channel, f"/{SERVICE}/{rpc.removesuffix('Request')}")
    for garbage in (b"\x0a\xff", field(1, NOT_UTF8), field(2, b"\x0a\x05x")):
        refused(call, garbage, StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert_unharmed(server, channel)


def test_an_empty_message_lacks_everything(server: Server, channel: grpc.Channel) -> None:
    failure = refused(raw(channel), b"", StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert failure.fields
    assert_unharmed(server, channel)


def test_of_duplicate_keys_the_last_wins_at_every_level(api: Any, channel: grpc.Channel) -> None:
    """Rule 6. The answer holds each key once."""
    inner = field(5, entry("k", string_value("first")) + entry("k", string_value("last")))
    state = entry("a", string_value("x")) + entry("b", string_value("only")) + entry("a", inner)
    answer = calls.CreateSessionResponse.FromString(raw(channel)(place() + field(STATE_FIELD, state)))
    session = answer.session
    assert native(session.state) == {"a": {"k": "last"}, "b": "only"}
    get = calls.GetSessionRequest(namespace=NAMESPACE, owner=session.owner, session_id=session.id)
    got = api.GetSession(get)
    assert native(got.session.state) == {"a": {"k": "last"}, "b": "only"}
    assert got.ByteSize() == len(raw(channel, f"/{SERVICE}/GetSession")(get.SerializeToString()))


def test_fields_that_nobody_knows_are_passed_over(channel: grpc.Channel) -> None:
    """A newer client may send more than this server knows; what it knows still counts."""
    unknown = field(999, b"whatever") + tag(1000, 0) + varint(7)
    answer = calls.CreateSessionResponse.FromString(raw(channel)(place() + unknown))
    assert answer.created


def test_a_message_of_5_mib(server: Server, channel: grpc.Channel) -> None:
    """RESOURCE_EXHAUSTED, MESSAGE_TOO_LARGE, before anything is stored."""
    session_id = new_id()
    big = (
        place() + field(ID_FIELD, session_id) + field(STATE_FIELD, entry("a", string_value("x" * (5 << 20))))
    )
    refused(raw(channel), big, StatusCode.RESOURCE_EXHAUSTED, "MESSAGE_TOO_LARGE")
    assert_unharmed(server, channel)


@pytest.mark.parametrize("compression", [grpc.Compression.Deflate, grpc.Compression.Gzip])
def test_a_compression_that_is_not_spoken(
    server: Server, channel: grpc.Channel, compression: grpc.Compression
) -> None:
    """UNIMPLEMENTED, as gRPC says it should be."""
    request = place() + field(STATE_FIELD, entry("a", string_value("x" * 4096)))
    refused(
        raw(channel),
        request,
        StatusCode.UNIMPLEMENTED,
        "COMPRESSION_UNSUPPORTED",
        compression=compression,
    )
    assert_unharmed(server, channel)


FRAMES: list[tuple[str, bytes, StatusCode]] = [
    ("cut short", http2.frame(place(), length=len(place()) + 10), StatusCode.INVALID_ARGUMENT),
    ("half a prefix", b"\0\0", StatusCode.INVALID_ARGUMENT),
    ("no message", b"", StatusCode.INVALID_ARGUMENT),
    ("flag 2", http2.frame(place(), compressed=2), StatusCode.INVALID_ARGUMENT),
    ("compressed, unsaid", http2.frame(gzip.compress(place()), compressed=1), StatusCode.INVALID_ARGUMENT),
    ("4 GiB announced", http2.frame(b"", length=0xFFFF_FFFF), StatusCode.RESOURCE_EXHAUSTED),
]


@pytest.mark.parametrize(("body", "code"), [row[1:] for row in FRAMES], ids=[row[0] for row in FRAMES])
def test_a_frame_that_lies(server: Server, channel: grpc.Channel, body: bytes, code: StatusCode) -> None:
    """The fault is the client's and is called so; the server unharmed."""
    answer = http2.call(server.grpc, CREATE, body)
    assert int(answer["grpc-status"]) == code.value[0], answer
    assert "grpc-status-details-bin" in answer
    assert_unharmed(server, channel)
