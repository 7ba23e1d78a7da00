"""with_fresh_token against a scripted service: who refreshes, who waits, and what a failure leaves behind."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import grpc
import pytest

import tenure
from tenure._requests import credential_message

from .scripted import Fail, Script, credential_pb, scripted

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
    assert script.requests("AbandonRefresh")[0].lease_id == "l-1"
    assert script.requests("CompleteRefresh") == []


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
