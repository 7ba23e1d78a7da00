"""All shared vectors, through both kinds of client."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import jsonschema
import pytest

import tenure
from tenure import testing

from .vectors import VECTORS, Case, Run, load

CASES = load()


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
async def test_asyncio(case: Case, server_of: Callable[[str], testing.Server]) -> None:
    async with tenure.connect(server_of(case.server).address, token=case.token) as client:
        await Run(client, case).play()


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
async def test_blocking(case: Case, server_of: Callable[[str], testing.Server]) -> None:
    with tenure.sync.connect(server_of(case.server).address, token=case.token) as client:
        await Run(client, case).play()


def expected_reasons(part: Any) -> Iterator[str]:
    """The reasons that a case, or a part of one, expects."""
    if isinstance(part, dict):
        if "expect_error" in part:
            yield part["expect_error"]["reason"]
        part = list(part.values())
    if isinstance(part, list):
        for inner in part:
            yield from expected_reasons(inner)


def test_every_reason_is_provoked() -> None:
    listed = json.loads((VECTORS / "reasons.json").read_text())
    provoked = {reason for case in CASES for reason in expected_reasons(case.body)} - {"INVALID_VALUE"}
    assert provoked.isdisjoint(listed["unprovoked"])
    assert provoked | set(listed["unprovoked"]) == {row["reason"] for row in listed["reasons"]}


def test_files_match_the_schema() -> None:
    schema = json.loads((VECTORS / "schema.json").read_text())
    names: list[str] = []
    for path in sorted((VECTORS / "cases").glob("*.json")):
        content = json.loads(path.read_text())
        jsonschema.validate(content, schema)
        names += [case["name"] for case in content["cases"]]
    assert names
    assert len(names) == len(set(names))
