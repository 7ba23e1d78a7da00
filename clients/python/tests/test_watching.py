"""A watch over breaks: the real service goes away and comes back, and a scripted one shows the rest."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

import tenure
from tenure import testing

from .scripted import Fail, Script, pb, scripted, until


def message(cursor: str, event_id: str = "") -> pb.WatchSessionsResponse:
    answer = pb.WatchSessionsResponse(cursor=cursor)
    if event_id:
        answer.event.event_id = event_id
    return answer


def shown(item: tenure.Event | tenure.StartedAnew) -> str:
    return "anew" if isinstance(item, tenure.StartedAnew) else item.event_id


def breaking(*messages: pb.WatchSessionsResponse) -> Any:
    def stream(_: object) -> Iterator[pb.WatchSessionsResponse]:
        yield from messages

    return stream


def broken_script() -> Script:
    script = Script()
    script.answers["WatchSessions"] = [
        Fail(grpc.StatusCode.UNAVAILABLE),
        breaking(message("c0"), message("c1", "e1")),
        Fail(grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN", 0.01),
        breaking(message("c1"), message("c2", "e2")),
        Fail(grpc.StatusCode.OUT_OF_RANGE, "CURSOR_EXPIRED"),
        breaking(message("d0"), message("d1", "e7")),
        Fail(grpc.StatusCode.PERMISSION_DENIED, "CALLER_NOT_ALLOWED"),
    ]
    return script


CURSORS = ["", "", "c1", "c1", "c2", "", "d1"]


async def test_it_resumes_and_says_when_it_could_not() -> None:
    script = broken_script()
    seen = []
    with scripted(script) as address:
        async with tenure.connect(address) as client:
            with pytest.raises(tenure.CallerNotAllowed):
                async for item in client.namespace("crm").watch():
                    seen.append(shown(item))
    assert seen == ["e1", "e2", "anew", "e7"]
    assert [request.cursor for request in script.requests("WatchSessions")] == CURSORS


def test_it_resumes_without_asyncio() -> None:
    script = broken_script()
    seen = []
    with scripted(script) as address, tenure.sync.connect(address) as client, pytest.raises(tenure.CallerNotAllowed):
        for item in client.namespace("crm").watch():
            seen.append(shown(item))
    assert seen == ["e1", "e2", "anew", "e7"]
    assert [request.cursor for request in script.requests("WatchSessions")] == CURSORS


async def test_the_cursor_covers_only_what_was_told() -> None:
    script = Script()
    script.answers["WatchSessions"] = [
        breaking(message("c0"), message("c1", "e1"), message("c2")),
        Fail(grpc.StatusCode.OUT_OF_RANGE, "CURSOR_EXPIRED"),
        breaking(message("d1", "e7")),
        Fail(grpc.StatusCode.PERMISSION_DENIED, "CALLER_NOT_ALLOWED"),
    ]
    seen = []
    with scripted(script) as address:
        async with tenure.connect(address) as client, client.namespace("crm").watch() as watch:
            seen.append(watch.cursor)
            with pytest.raises(tenure.CallerNotAllowed):
                async for item in watch:
                    seen += [shown(item), watch.cursor]
    # The event behind the marker was read with it: going on after the marker must not pass over the event.
    assert seen == ["c0", "e1", "c1", "anew", "c2", "e7", "d1"]


async def test_opening_has_a_deadline() -> None:
    script = Script()
    script.last["WatchSessions"] = lambda _: iter(lambda: threading.Event().wait(3) or None, None)
    with scripted(script) as address:
        async with tenure.connect(address) as client:
            with pytest.raises(tenure.DeadlineExceeded):
                await client.namespace("crm").watch().start(timeout=0.3)
        with tenure.sync.connect(address) as blocking, pytest.raises(tenure.DeadlineExceeded):
            blocking.namespace("crm").watch().start(timeout=0.3)


async def test_a_wait_that_is_given_up_loses_nothing(server: testing.Server) -> None:
    async with tenure.connect(server.address) as client:
        sessions = client.namespace("watch-given-up").owner("acme", "ada")
        async with sessions.watch() as watch:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(watch.__anext__(), 0.3)
            made = await sessions.create()
            event = await asyncio.wait_for(watch.__anext__(), 10)
    assert isinstance(event, tenure.Event)
    assert event.session_id == made.id


async def test_closing_ends_an_iteration(server: testing.Server) -> None:
    async with tenure.connect(server.address) as client:
        watch = client.namespace("watch-closed").watch()
        await watch.start()

        seen: list[object] = []

        async def drain() -> None:
            async for event in watch:
                seen.append(event)

        draining = asyncio.create_task(drain())
        await client.namespace("watch-closed").owner("a", "b").create()
        await until(lambda: len(seen) == 1)
        await watch.close()
        await asyncio.wait_for(draining, 10)
        assert len(seen) == 1


async def test_closing_the_client_ends_an_iteration(server: testing.Server) -> None:
    client = tenure.connect(server.address)
    watch = client.namespace("watch-closed-3").watch()
    await watch.start()

    async def drain() -> list[object]:
        return [event async for event in watch]

    draining = asyncio.create_task(drain())
    await asyncio.sleep(0)
    await client.close()
    assert await asyncio.wait_for(draining, 10) == []


def test_closing_ends_an_iteration_without_asyncio(server: testing.Server) -> None:
    with tenure.sync.connect(server.address) as client:
        watch = client.namespace("watch-closed-2").watch()
        watch.start()
        seen: list[object] = []
        draining = threading.Thread(target=lambda: seen.extend(watch))
        draining.start()
        client.namespace("watch-closed-2").owner("a", "b").create()
        while not seen and draining.is_alive():
            draining.join(0.05)
            if watch.cursor:
                break
        watch.close()
        draining.join(10)
        assert not draining.is_alive()


async def test_a_service_that_lost_its_log_starts_anew(binary: None) -> None:
    first = testing.serve()
    async with tenure.connect(first.address, timeout=20.0) as client:
        sessions = client.namespace("crm").owner("acme", "ada")
        async with sessions.watch() as watch:
            await sessions.create()
            assert isinstance(await watch.__anext__(), tenure.Event)
            first.kill()
            with testing.serve(listen=first.address):
                assert isinstance(await asyncio.wait_for(watch.__anext__(), 30), tenure.StartedAnew)
                made = await sessions.create()
                event = await asyncio.wait_for(watch.__anext__(), 10)
                assert isinstance(event, tenure.Event)
                assert event.session_id == made.id


def test_calls_reconnect(binary: None) -> None:
    first = testing.serve()
    with tenure.sync.connect(first.address, timeout=30.0, retries=20) as client:
        sessions = client.namespace("crm").owner("acme", "ada")
        sessions.create()
        first.kill()
        with testing.serve(listen=first.address):
            assert sessions.create().created
