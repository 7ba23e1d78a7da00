"""Every reason that the service gives is an error class of its own, or one of a family that is named."""

from __future__ import annotations

import json
from typing import Any

import grpc
import pytest

import tenure

from .scripted import Fail, Script, scripted
from .vectors import VECTORS

REASONS: list[dict[str, Any]] = json.loads((VECTORS / "reasons.json").read_text())["reasons"]


def named(kind: str) -> type[tenure.TenureError]:
    """The class of a kind; few would hide something else without the ending."""
    found: type[tenure.TenureError] = getattr(tenure, kind, None) or getattr(tenure, f"{kind}Error")
    return found


async def raised_by(failure: Fail) -> tenure.TenureError:
    script = Script()
    script.last["GetSession"] = failure
    with scripted(script) as address:
        async with tenure.connect(address, retries=0) as client:
            with pytest.raises(tenure.TenureError) as raised:
                await client.namespace("crm").owner("acme", "ada").get("session-0123456789")
    return raised.value


@pytest.mark.parametrize("row", REASONS, ids=[row["reason"] for row in REASONS])
async def test_each_reason_has_its_class(row: dict[str, Any]) -> None:
    error = await raised_by(Fail(grpc.StatusCode[row["code"]], row["reason"]))
    assert type(error) is named(row["kind"])
    assert all(isinstance(error, named(family)) for family in row.get("of", ()))
    assert (error.reason, error.code) == (row["reason"], row["code"])


async def test_an_unknown_reason_falls_back_to_the_code() -> None:
    error = await raised_by(Fail(grpc.StatusCode.UNAVAILABLE, "SOMETHING_NEW"))
    assert type(error) is tenure.Unavailable
    limit = await raised_by(Fail(grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MUCH_NEW", limit="new", maximum="7"))
    assert type(limit) is tenure.LimitExceeded
    assert (limit.limit, limit.maximum) == ("new", 7)
    other = await raised_by(Fail(grpc.StatusCode.FAILED_PRECONDITION, "SOMETHING_NEW"))
    assert type(other) is tenure.TenureError
    assert other.reason == "SOMETHING_NEW"
