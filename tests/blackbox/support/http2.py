"""A gRPC call by hand over HTTP/2, to see what the server itself does."""

import socket
import struct
import time
from collections.abc import Iterable

import h2.config
import h2.connection
import h2.events

ENDED_WITHIN = 20.0


def frame(message: bytes, *, compressed: int = 0, length: int | None = None) -> bytes:
    """A gRPC message with its prefix, which may lie about the length."""
    return struct.pack(">BI", compressed, len(message) if length is None else length) + message


def call(address: str, path: str, body: bytes, headers: Iterable[tuple[str, str]] = ()) -> dict[str, str]:
    """Makes a call and returns the headers and trailers of the answer, once the server has ended it."""
    deadline = time.monotonic() + ENDED_WITHIN
    host, _, port = address.rpartition(":")
    connection = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
    with socket.create_connection((host, int(port)), timeout=ENDED_WITHIN) as sock:
        connection.initiate_connection()
        connection.send_headers(1, [*_request_headers(address, path), *headers])
        connection.send_data(1, body, end_stream=True)
        sock.sendall(connection.data_to_send())
        answer: dict[str, str] = {}
        while True:
            sock.settimeout(max(0.001, deadline - time.monotonic()))
            received = sock.recv(65536)
            assert received, "the server closed the connection without an answer"
            for event in connection.receive_data(received):
                if isinstance(event, h2.events.ResponseReceived | h2.events.TrailersReceived):
                    answer |= {_text(name): _text(value) for name, value in event.headers}
                elif isinstance(event, h2.events.DataReceived):
                    connection.acknowledge_received_data(event.flow_controlled_length, 1)
                elif isinstance(event, h2.events.StreamReset):
                    raise AssertionError(f"the server reset the stream: {event.error_code}")
                elif isinstance(event, h2.events.StreamEnded):
                    return answer
            sock.sendall(connection.data_to_send())


def _request_headers(address: str, path: str) -> list[tuple[str, str]]:
    return [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", address),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ]


def _text(raw: bytes | str) -> str:
    return raw if isinstance(raw, str) else raw.decode()
