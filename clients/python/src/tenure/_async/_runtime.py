"""What the two kinds of client do differently: here with asyncio."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any, TypeVar

import grpc
from grpc import aio

from .._settings import TokenSource

Result = TypeVar("Result")

Channel = aio.Channel
Cancelled = asyncio.CancelledError
sleep = asyncio.sleep


def open_channel(
    target: str,
    credentials: grpc.ChannelCredentials | None,
    options: tuple[tuple[str, Any], ...],
) -> aio.Channel:
    """A channel; it connects at the first call, and again by itself."""
    if credentials is None:
        return aio.insecure_channel(target, options=options)
    return aio.secure_channel(target, credentials, options=options)


class _Headers(aio.Metadata):
    """Metadata that is made once, and read by every call without being made again."""

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        super().__init__(*pairs)
        self._pairs = tuple(pairs)

    def __len__(self) -> int:
        return len(self._pairs)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._pairs)


def fixed_headers(pairs: Sequence[tuple[str, str]]) -> Any:
    """What goes with every call, as grpcio takes it fastest."""
    return _Headers(pairs)


async def read_message(call: Any, timeout: float | None) -> Any:
    """The next message of a stream, or None at its end. TimeoutError if there is none in time."""
    try:
        message = await asyncio.wait_for(call.read(), timeout)
    except asyncio.TimeoutError:
        raise TimeoutError from None
    return None if message is aio.EOF else message


async def resolve(source: TokenSource) -> object:
    """The token of a source: a text, a function, or a coroutine function."""
    if isinstance(source, str):
        return source
    token = source()
    return await token if inspect.isawaitable(token) else token


async def run(function: Callable[..., Any], argument: object) -> Any:
    """Calls a function that may be a coroutine function."""
    result = function(argument)
    return await result if inspect.isawaitable(result) else result


_unfinished: set[asyncio.Task[Any]] = set()


async def to_the_end(work: Coroutine[Any, Any, Result]) -> Result:
    """Waits for what goes on even if nobody waits any more: in a task of its own, which no cancelling reaches."""
    task = asyncio.ensure_future(work)
    _unfinished.add(task)
    task.add_done_callback(_finished)
    return await asyncio.shield(task)


def _finished(task: asyncio.Task[Any]) -> None:
    _unfinished.discard(task)
    # Looked at, so that asyncio does not log what nobody waits for.
    if not task.cancelled():
        task.exception()
