"""with_fresh_token against a scripted service: who refreshes, who waits, and what a failure leaves behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import grpc
import pytest
import pytest_asyncio

import tenure
from tenure._requests import credential_message

from .scripted import Fail, Script, credential_pb, scripted, until

ID = "session-0123456789"
SOON = tenure.TokenSet("old", "r-1", expires_at=datetime.now(timezone.utc) + timedelta(seconds=5))
FRESH = tenure.TokenSet("new", "r-2", expires_at=datetime.now(timezone.utc) + timedelta(hours=1))


@pytest.fixture
def script() -> Script:
    script = Script()
    script.last["GetCredential"] = lambda _: stored(SOON, 1)
    script.last["BeginRefresh"] = lambda _: lease(SOON, 1)
    script.last["CompleteRefresh"] = lambda _: credential_pb.CompleteRefreshResponse(version=2)
    script.last["AbandonRefresh"] = lambda _: credential_pb.AbandonRefreshResponse()
    return script


@pytest.fixture
def credentials(script: Script) -> Iterator[tenure.sync.Credentials]:
    with scripted(script) as address, tenure.sync.connect(address) as client:
        yield client.namespace("crm").owner("acme", "ada").credentials(ID)


@pytest_asyncio.fixture
async def awaited(script: Script) -> AsyncIterator[tenure.Credentials]:
    with scripted(script) as address:
        async with tenure.connect(address) as client:
            yield client.namespace("crm").owner("acme", "ada").credentials(ID)


def stored(token: tenure.TokenSet, version: int) -> Any:
    return credential_pb.GetCredentialResponse(credential=credential_message(token), version=version)


def lease(token: tenure.TokenSet, version: int, uncertain: bool = False) -> Any:
    return credential_pb.BeginRefreshResponse(
        lease=credential_pb.RefreshLease(
            lease_id="l-1", credential=credential_message(token), version=version, uncertain=uncertain
        )
    )


def never(_: tenure.RefreshLease) -> tenure.TokenSet:
    raise AssertionError("must not refresh")


def test_a_fresh_one_is_used(script: Script, credentials: tenure.sync.Credentials) -> None:
    script.last["GetCredential"] = lambda _: stored(FRESH, 4)
    assert credentials.with_fresh_token("github", never).token.access_token == "new"
    assert [name for name, *_ in script.asked] == ["GetCredential"]


def test_one_with_a_lease_refreshes(script: Script, credentials: tenure.sync.Credentials) -> None:
    seen: list[tenure.RefreshLease] = []

    def refresh(lease: tenure.RefreshLease) -> tenure.TokenSet:
        seen.append(lease)
        return FRESH

    result = credentials.with_fresh_token("github", refresh)
    assert result.token.access_token == "new"
    assert result.version == 2
    assert seen[0].token.refresh_token == "r-1"
    (complete,) = script.requests("CompleteRefresh")
    assert complete.lease_id == "l-1"
    assert complete.credential.oauth.refresh_token == "r-2"


def test_another_ones_result_is_used(script: Script, credentials: tenure.sync.Credentials) -> None:
    script.last["BeginRefresh"] = lambda _: credential_pb.BeginRefreshResponse(
        refreshed=credential_pb.RefreshedCredential(credential=credential_message(FRESH), version=2)
    )
    assert credentials.with_fresh_token("github", never).version == 2
    (begin,) = script.requests("BeginRefresh")
    assert begin.stale_version == 1


def test_a_rejected_one_is_refreshed_without_a_look(script: Script, credentials: tenure.sync.Credentials) -> None:
    rejected = tenure.Stored(FRESH, 7)
    credentials.with_fresh_token("github", lambda _: FRESH, rejected=rejected)
    assert script.requests("GetCredential") == []
    assert script.requests("BeginRefresh")[0].stale_version == 7


def test_a_failed_refresh_gives_the_lease_back(script: Script, credentials: tenure.sync.Credentials) -> None:
    def refresh(_: tenure.RefreshLease) -> tenure.TokenSet:
        raise RuntimeError("the provider is away")

    with pytest.raises(RuntimeError, match="provider"):
        credentials.with_fresh_token("github", refresh)
    given_back = script.requests("AbandonRefresh")[0]
    assert given_back.lease_id == "l-1"
    assert given_back.uncertain
    assert script.requests("CompleteRefresh") == []


async def test_a_cancelled_refresh_gives_the_lease_back(script: Script, awaited: tenure.Credentials) -> None:
    begun = asyncio.Event()

    async def refresh(_: tenure.RefreshLease) -> tenure.TokenSet:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    refreshing = asyncio.create_task(awaited.with_fresh_token("github", refresh))
    await asyncio.wait_for(begun.wait(), 10)
    refreshing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await refreshing
    given_back = script.requests("AbandonRefresh")[0]
    assert given_back.lease_id == "l-1"
    assert given_back.uncertain
    assert script.requests("CompleteRefresh") == []


async def test_a_result_is_stored_although_the_caller_gives_up(script: Script, awaited: tenure.Credentials) -> None:
    script.answers["CompleteRefresh"] = [Fail(grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE", 0.3)]

    async def refresh(_: tenure.RefreshLease) -> tenure.TokenSet:
        return FRESH

    refreshing = asyncio.create_task(awaited.with_fresh_token("github", refresh))
    await until(lambda: len(script.requests("CompleteRefresh")) == 1)
    refreshing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await refreshing
    await until(lambda: len(script.requests("CompleteRefresh")) == 2)
    assert script.requests("AbandonRefresh") == []


def test_the_wait_ends_before_the_deadline(script: Script, credentials: tenure.sync.Credentials) -> None:
    script.last["BeginRefresh"] = Fail(grpc.StatusCode.ABORTED, "REFRESH_IN_PROGRESS")
    for timeout, low, high in ((None, 50.0, 59.8), (20.0, 10.0, 19.8)):
        script.asked.clear()
        with pytest.raises(tenure.RefreshInProgress):
            if timeout is None:
                credentials.with_fresh_token("github", never)
            else:
                credentials.with_fresh_token("github", never, timeout=timeout)
        (begin,) = script.requests("BeginRefresh")
        wait = begin.wait.ToTimedelta().total_seconds()
        assert low < wait <= high
        assert begin.lease_ttl.seconds == 30


def test_the_new_token_is_not_lost_to_a_hiccup(script: Script, credentials: tenure.sync.Credentials) -> None:
    script.answers["CompleteRefresh"] = [
        Fail(grpc.StatusCode.UNAVAILABLE),
        Fail(grpc.StatusCode.ABORTED, "REFRESH_LEASE_LOST"),
    ]
    script.answers["GetCredential"] = [lambda _: stored(SOON, 1), lambda _: stored(FRESH, 2)]
    result = credentials.with_fresh_token("github", lambda _: FRESH)
    assert result.version == 2


def test_a_lost_lease_is_an_error(script: Script, credentials: tenure.sync.Credentials) -> None:
    script.last["CompleteRefresh"] = Fail(grpc.StatusCode.ABORTED, "REFRESH_LEASE_LOST")
    with pytest.raises(tenure.RefreshLeaseLost):
        credentials.with_fresh_token("github", lambda _: FRESH)


def test_secrets_are_not_shown() -> None:
    assert "old" not in repr(SOON)
    assert "old" not in repr(tenure.Stored(SOON, 1))
    assert "r-1" not in repr(SOON)
