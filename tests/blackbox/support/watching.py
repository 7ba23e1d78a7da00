"""A watcher that reads one message after another."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from support.wire import calls

WATCH_AT_MOST = 60.0


class Watch:
    """An open stream. `cursor` is where it could be resumed."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        first = next(stream)
        assert not first.HasField("event"), "the first message is a heartbeat"
        assert first.cursor
        self.cursor: str = first.cursor

    def next_event(self) -> Any:
        """The next event; heartbeats in between are passed over."""
        for message in self._stream:
            self.cursor = message.cursor
            assert message.cursor
            if message.HasField("event"):
                return message.event
        raise AssertionError("the stream ended without an error")

    def events_until(self, last: Callable[[Any], bool]) -> list[Any]:
        """All events up to the first for which `last` is true, that one included."""
        events: list[Any] = []
        while not events or not last(events[-1]):
            events.append(self.next_event())
        return events

    def to_the_end(self, told: list[Any]) -> None:
        """Reads on until the stream breaks; raises what broke it."""
        while True:
            told.append(self.next_event())


@contextmanager
def watching(api: Any, namespace: str, **fields: Any) -> Iterator[Watch]:
    stream = api.WatchSessions(
        calls.WatchSessionsRequest(namespace=namespace, **fields), timeout=WATCH_AT_MOST
    )
    try:
        yield Watch(stream)
    finally:
        stream.cancel()
