"""Errors as the contract promises them: taken apart, and checked for what holds for every one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

CORRELATION = "tenure-correlation-id"


@dataclass(frozen=True)
class Failure:
    """One failed call."""

    code: grpc.StatusCode
    message: str
    reason: str
    metadata: dict[str, str]
    fields: tuple[str, ...]
    retry_after: float | None
    details: bytes
    trailing: dict[str, str | bytes]

    def as_a_stranger_sees_it(self) -> tuple[Any, ...]:
        """All that came back, the correlation id aside."""
        rest = {name: value for name, value in self.trailing.items() if name != CORRELATION}
        return (self.code, self.message, self.details, rest)


def trailing_of(error: grpc.RpcError) -> dict[str, str | bytes]:
    """The trailing metadata; empty if the error was made by the client itself."""
    return {str(item.key): item.value for item in error.trailing_metadata() or ()}


def take_apart(error: grpc.RpcError) -> Failure:
    """Decodes an error, and checks rule 7: one ErrorInfo of the domain `tenure`, and a correlation id."""
    trailing = trailing_of(error)
    code, message = error.code(), error.details() or ""
    details = trailing.get("grpc-status-details-bin")
    assert isinstance(details, bytes), f"an error without details: {code} {message!r}"
    status = status_pb2.Status.FromString(details)
    assert (status.code, status.message) == (code.value[0], message)
    assert trailing.get(CORRELATION), f"an error without a correlation id: {code} {message!r}"

    infos = _of_type(status, error_details_pb2.ErrorInfo)
    assert len(infos) == 1, f"{len(infos)} ErrorInfo in {code} {message!r}"
    assert infos[0].domain == "tenure"
    assert infos[0].reason == infos[0].reason.upper() != ""
    violations = [v for bad in _of_type(status, error_details_pb2.BadRequest) for v in bad.field_violations]
    retries = _of_type(status, error_details_pb2.RetryInfo)
    return Failure(
        code=code,
        message=message,
        reason=infos[0].reason,
        metadata=dict(infos[0].metadata),
        fields=tuple(violation.field for violation in violations),
        retry_after=retries[0].retry_delay.ToTimedelta().total_seconds() if retries else None,
        details=details,
        trailing=trailing,
    )


def failed(call: Callable[..., Any], *arguments: Any, **options: Any) -> Failure:
    """Makes a call that has to fail."""
    try:
        answer = call(*arguments, **options)
    except grpc.RpcError as error:
        return take_apart(error)
    raise AssertionError(f"this should have failed, and answered {answer}")


def refused(
    call: Callable[..., Any], request: Message | bytes, code: grpc.StatusCode, reason: str, **options: Any
) -> Failure:
    """Makes a call that has to fail with this code and this reason."""
    failure = failed(call, request, **options)
    assert (failure.code, failure.reason) == (code, reason), failure.message
    return failure


def _of_type(status: status_pb2.Status, kind: type[Any]) -> list[Any]:
    found = []
    for detail in status.details:
        message = kind()
        if detail.Unpack(message):
            found.append(message)
    return found
