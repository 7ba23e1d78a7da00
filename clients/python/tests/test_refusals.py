"""Errors that take more than one call to provoke, from the real service."""

from __future__ import annotations

import asyncio
import subprocess
from datetime import datetime, timedelta, timezone

import pytest

import tenure
from tenure import testing

SOON = tenure.TokenSet("old", "r-1", expires_at=datetime.now(timezone.utc) + timedelta(seconds=5))
FRESH = tenure.TokenSet("new", "r-2", expires_at=datetime.now(timezone.utc) + timedelta(hours=1))


async def never(_: tenure.RefreshLease) -> tenure.TokenSet:
    raise AssertionError("must not refresh")


async def test_who_waits_too_long_for_anothers_refresh(server: testing.Server) -> None:
    async with tenure.connect(server.address) as client:
        sessions = client.namespace("refusals").owner("acme", "ada")
        session = await sessions.create(credentials={"t": SOON})
        credentials = sessions.credentials(session.id)

        async def refresh(_: tenure.RefreshLease) -> tenure.TokenSet:
            with pytest.raises(tenure.RefreshInProgress):
                await credentials.with_fresh_token("t", never, timeout=5.0)
            return FRESH

        assert (await credentials.with_fresh_token("t", refresh)).token.access_token == "new"


async def test_a_refresh_that_is_given_up_leaves_its_place_to_others(server: testing.Server) -> None:
    async with tenure.connect(server.address) as client:
        sessions = client.namespace("refusals").owner("acme", "ada")
        session = await sessions.create(credentials={"t": SOON})
        credentials = sessions.credentials(session.id)
        begun = asyncio.Event()

        async def hang(_: tenure.RefreshLease) -> tenure.TokenSet:
            begun.set()
            await asyncio.Event().wait()
            raise AssertionError

        async def refresh(_: tenure.RefreshLease) -> tenure.TokenSet:
            return FRESH

        hanging = asyncio.create_task(credentials.with_fresh_token("t", hang, lease_ttl=300.0))
        await begun.wait()
        waiting = asyncio.create_task(credentials.with_fresh_token("t", refresh))
        hanging.cancel()
        assert (await waiting).token.access_token == "new"


async def test_a_service_with_too_much_to_do(binary: None) -> None:
    with testing.serve("--set", "grpc.max_in_flight=1") as server:
        async with tenure.connect(server.address) as client:
            sessions = client.namespace("refusals").owner("acme", "ada")
            session = await sessions.create(credentials={"t": SOON})
            credentials = sessions.credentials(session.id)

            async def refresh(_: tenure.RefreshLease) -> tenure.TokenSet:
                # Whoever waits for this refresh takes the only place.
                waiting = asyncio.create_task(credentials.with_fresh_token("t", never, rejected=stale))
                with pytest.raises(tenure.Overloaded) as raised:
                    async with asyncio.timeout(20):
                        while True:
                            await sessions.get(session.id)
                assert raised.value.retry_after is not None
                waiting.cancel()
                async with asyncio.timeout(20):
                    while True:
                        try:
                            await sessions.get(session.id)
                        except tenure.Overloaded:
                            continue
                        return FRESH

            stale = await credentials.get("t")
            assert (await credentials.with_fresh_token("t", refresh)).token.access_token == "new"


def test_what_a_destroyed_key_sealed(binary: None) -> None:
    with testing.serve() as server, tenure.sync.connect(server.address) as client:
        sessions = client.namespace("refusals").owner("acme", "ada")
        session = sessions.create(credentials={"k": b"secret"})
        destroy = [
            "keys",
            "destroy",
            "--server",
            server.address,
            "--namespace",
            "refusals",
            "--tenant",
            "acme",
            "--yes",
        ]
        subprocess.run([str(testing.binary()), *destroy], check=True, capture_output=True, timeout=60)
        with pytest.raises(tenure.DataUnreadable):
            sessions.credentials(session.id).get("k")
