"""A watch: events as an iterator that resumes by itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from time import monotonic
from types import TracebackType
from typing import Any

import grpc

from .. import _requests
from .._retry import is_transient, pause
from ..errors import CursorExpired, DeadlineExceeded, TenureError, Unavailable, from_rpc_error
from ..types import Event, EventKind, StartedAnew, to_event
from ..v1 import session_pb2, session_service_pb2
from ._connection import AnyConnection
from ._runtime import Cancelled, read_message, sleep


class Watch:
    """Lifecycle events, at least once and ordered per owner.

    It opens at the first iteration, or at `async with`: what happens after that is seen. When the stream
    breaks it is opened again after the last cursor, for as long as it takes. Where the service's log no
    longer reaches back, the iterator gives `StartedAnew`: drop what you hold, read again what you need, and go on.
    """

    def __init__(
        self,
        connection: AnyConnection,
        namespace: str,
        owner: session_pb2.Owner | None,
        kinds: Sequence[EventKind | str],
        cursor: str,
    ) -> None:
        self._connection = connection
        self._namespace = namespace
        self._owner = owner
        self._kinds = tuple(kinds)
        self._cursor = cursor
        self._position = cursor  # where a broken stream is resumed: after what was read, told or not
        self._stream: Any = None
        self._ready: deque[tuple[Event | StartedAnew, str]] = deque()
        self._started = False
        self._anew = False
        self._breaks = 0
        self._closed = False

    @property
    def cursor(self) -> str:
        """Where to resume after what the iterator gave last. Give it to `watch` to go on there later."""
        return self._cursor

    async def __aenter__(self) -> Watch:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __aiter__(self) -> Watch:
        return self

    async def start(self, timeout: float | None = None) -> None:
        """Opens the stream, inside a deadline. What happens after this is seen."""
        if not self._started:
            await self._open(monotonic() + (self._connection.timeout if timeout is None else timeout))

    async def close(self) -> None:
        """Ends the watch; an iteration in progress ends too."""
        self._closed = True
        if self._stream is not None:
            self._stream.cancel()

    async def __anext__(self) -> Event | StartedAnew:
        try:
            await self.start()
            while True:
                if self._over():
                    raise StopAsyncIteration
                if self._ready:
                    item, self._cursor = self._ready.popleft()
                    return item
                await self._read()
        except (grpc.RpcError, TenureError, Cancelled):
            # Closing shows itself as one of these, and so does a client that is closed.
            if self._over():
                raise StopAsyncIteration from None
            raise

    def _over(self) -> bool:
        return self._closed or self._connection.closed

    async def _read(self) -> None:
        """Reads one message. A broken stream is opened again."""
        if self._stream is None:
            await self._open(None)
            return
        try:
            message = await read_message(self._stream, None)
        except grpc.RpcError as failure:
            if self._over():
                raise
            error: TenureError | None = from_rpc_error(failure)
        except BaseException:
            # Cancelling a read ends the stream: the next iteration resumes after the cursor.
            self._stream = None
            raise
        else:
            if message is not None:
                self._breaks = 0
                self._take(message)
                return
            error = None
        if isinstance(error, CursorExpired):
            self._position, self._anew = "", True
        self._stream = None
        self._breaks += 1
        await sleep(pause(self._breaks, error.retry_after if error else None))
        await self._open(None)

    async def _open(self, deadline: float | None) -> None:
        """Opens the stream and waits for its first message, which says where it starts."""
        attempt = 0
        while not self._over():
            attempt += 1
            try:
                await self._try_to_open(deadline)
            except CursorExpired as error:
                if not self._position:
                    raise
                self._position, self._anew = "", True
                wait = error.retry_after or 0.0
            except TenureError as error:
                if self._over() or not is_transient(error):
                    raise
                wait = pause(attempt, error.retry_after)
                if deadline is not None and monotonic() + wait >= deadline:
                    raise
            else:
                return
            await sleep(wait)

    async def _try_to_open(self, deadline: float | None) -> None:
        request = _requests.watch(
            namespace=self._namespace, owner=self._owner, kinds=self._kinds, cursor=self._position
        )
        self._stream = await self._connection.stream("WatchSessions", request)
        try:
            left = None if deadline is None else max(deadline - monotonic(), 0.0)
            message = await read_message(self._stream, left)
        except TimeoutError:
            raise DeadlineExceeded("the watch did not open in time", reason="DEADLINE_EXCEEDED") from None
        except grpc.RpcError as failure:
            raise from_rpc_error(failure) from None
        if message is None:
            raise Unavailable("the watch ended before it began", code="UNAVAILABLE")
        # Only now is nothing missed any more: whoever reads anew after this marker sees what follows.
        if self._anew:
            # With an event behind it, only that event's cursor leads past both.
            cursor = self._cursor if message.HasField("event") else message.cursor
            self._ready.append((StartedAnew(), cursor))
            self._anew = False
        self._started = True
        self._take(message)

    def _take(self, message: session_service_pb2.WatchSessionsResponse) -> None:
        self._position = message.cursor
        if message.HasField("event"):
            self._ready.append((to_event(message.event), message.cursor))
        elif not self._ready:
            self._cursor = message.cursor
