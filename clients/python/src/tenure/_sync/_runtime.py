"""What the two kinds of client do differently: here with blocking calls."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Sequence
from threading import Timer
from typing import Any, TypeVar

import grpc

from .._settings import TokenSource
from ..errors import InvalidConfiguration

Result = TypeVar("Result")

Channel = grpc.Channel

sleep = time.sleep


class Cancelled(Exception):
    """What cancels a task with asyncio. Nothing raises it here."""


def open_channel(
    target: str,
    credentials: grpc.ChannelCredentials | None,
    options: tuple[tuple[str, Any], ...],
) -> grpc.Channel:
    """A channel; it connects at the first call, and again by itself."""
    if credentials is None:
        return grpc.insecure_channel(target, options=options)
    return grpc.secure_channel(target, credentials, options=options)


def fixed_headers(pairs: Sequence[tuple[str, str]]) -> Any:
    """What goes with every call, as grpcio takes it fastest."""
    return tuple(pairs)


def read_message(call: Any, timeout: float | None) -> Any:
    """The next message of a stream, or None at its end. TimeoutError if there is none in time."""
    if timeout is None:
        return next(call, None)
    late: list[bool] = []

    def give_up() -> None:
        late.append(True)
        call.cancel()

    timer = Timer(timeout, give_up)
    timer.daemon = True
    timer.start()
    try:
        return next(call, None)
    except grpc.RpcError:
        if late:
            raise TimeoutError from None
        raise
    finally:
        timer.cancel()


def resolve(source: TokenSource) -> object:
    """The token of a source: a text, or a function."""
    token = source if isinstance(source, str) else source()
    return _plain(token, "the token callback")


def run(function: Callable[..., Any], argument: object) -> Any:
    """Calls a function, which must not be a coroutine function."""
    return _plain(function(argument), "the refresh function")


def to_the_end(result: Result) -> Result:
    """What asyncio protects from being cancelled is done by now."""
    return result


def _plain(value: Any, what: str) -> Any:
    if inspect.iscoroutine(value):
        value.close()
        raise InvalidConfiguration(f"{what} is a coroutine function, and this is the blocking client")
    return value
