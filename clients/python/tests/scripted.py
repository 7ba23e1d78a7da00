"""A gRPC server in this process that answers what a test tells it: failures that a healthy service never shows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from typing import Any, cast

import grpc
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2

from tenure.v1 import credential_service_pb2 as credential_pb
from tenure.v1 import session_pb2
from tenure.v1 import session_service_pb2 as pb
from tenure.v1.credential_service_pb2_grpc import add_CredentialServiceServicer_to_server
from tenure.v1.session_service_pb2_grpc import add_SessionServiceServicer_to_server


class Fail:
    """An error to answer with."""

    def __init__(
        self, code: grpc.StatusCode, reason: str = "", retry_after: float | None = None, **metadata: str
    ) -> None:
        self.code = code
        self.reason = reason
        self.retry_after = retry_after
        self.metadata = metadata

    def abort(self, context: grpc.ServicerContext) -> None:
        """Answers with it."""
        status = status_pb2.Status(code=self.code.value[0], message="told to fail")
        if self.reason:
            info = error_details_pb2.ErrorInfo(reason=self.reason, domain="tenure", metadata=self.metadata)
            status.details.append(_packed(info))
        if self.retry_after is not None:
            delay = Duration()
            delay.FromMilliseconds(int(self.retry_after * 1000))
            status.details.append(_packed(error_details_pb2.RetryInfo(retry_delay=delay)))
        context.set_trailing_metadata(
            (
                ("grpc-status-details-bin", status.SerializeToString()),
                ("tenure-correlation-id", "correlation-1"),
            )
        )
        context.abort(self.code, "told to fail")


def _packed(message: Any) -> Packed:
    packed = Packed()
    packed.Pack(message)
    return packed


def session(session_id: str, revision: int = 1, **state: int) -> session_pb2.Session:
    """A session to answer with."""
    message = session_pb2.Session(id=session_id, revision=revision)
    message.state.update(state)
    return message


Answer = Callable[[Any], Any] | Fail


class Script:
    """What the server answers, and what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Answer]] = {}
        self.last: dict[str, Answer] = {
            "GetSession": lambda request: pb.GetSessionResponse(session=session(request.session_id)),
            "UpdateSession": lambda request: pb.UpdateSessionResponse(session=session(request.session_id)),
        }
        self.asked: list[tuple[str, Any, dict[str, str], float]] = []

    def requests(self, method: str) -> list[Any]:
        """What was asked of a method."""
        return [request for name, request, _, _ in self.asked if name == method]

    def _answer(self, method: str, request: Any, context: grpc.ServicerContext) -> Any:
        self.asked.append((method, request, _headers(context), time.monotonic()))
        waiting = self.answers.get(method)
        answer = waiting.pop(0) if waiting else self.last[method]
        if isinstance(answer, Fail):
            answer.abort(context)
            raise AssertionError
        return answer(request)

    def __getattr__(self, method: str) -> Callable[[Any, Any], Any]:
        """Every method of both services."""
        return lambda request, context: self._answer(method, request, context)


def _headers(context: grpc.ServicerContext) -> dict[str, str]:
    return {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}


@contextmanager
def scripted(script: Script) -> Iterator[str]:
    """Serves a script; gives the address."""
    server = grpc.server(futures.ThreadPoolExecutor(8))
    add_SessionServiceServicer_to_server(cast(Any, script), server)
    add_CredentialServiceServicer_to_server(cast(Any, script), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None)


async def until(condition: Callable[[], bool]) -> None:
    """Waits for what the server's threads do."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


__all__ = ["Fail", "Script", "credential_pb", "pb", "scripted", "session", "session_pb2", "until"]
