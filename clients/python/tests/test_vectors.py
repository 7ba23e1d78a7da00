"""All shared vectors, through both kinds of client."""

from __future__ import annotations

import json
from collections.abc import Callable

import jsonschema
import pytest

import tenure
from tenure import testing

from .vectors import VECTORS, Case, Run, load

CASES = load()


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
async def test_asyncio(case: Case, server_of: Callable[[str], testing.Server]) -> None:
    async with tenure.connect(server_of(case.server).address) as client:
        await Run(client, case).play()


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
async def test_blocking(case: Case, server_of: Callable[[str], testing.Server]) -> None:
    with tenure.sync.connect(server_of(case.server).address) as client:
        await Run(client, case).play()


def test_files_match_the_schema() -> None:
    schema = json.loads((VECTORS / "schema.json").read_text())
    names: list[str] = []
    for path in sorted((VECTORS / "cases").glob("*.json")):
        content = json.loads(path.read_text())
        jsonschema.validate(content, schema)
        names += [case["name"] for case in content["cases"]]
    assert names
    assert len(names) == len(set(names))
