"""Every value does something, is documented, and is tried."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from paths import CHART, REPOSITORY

VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
# Their inside is Kubernetes', and handed on as a whole.
WHOLE = {
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "resources",
    "podSecurityContext",
    "securityContext",
    "tls.certManager.privateKey",
}


def leaves(values: dict[str, Any], above: str = "") -> Iterator[str]:
    for key, value in values.items():
        path = f"{above}{key}"
        if isinstance(value, dict) and value and path not in WHOLE:
            yield from leaves(value, f"{path}.")
        else:
            yield path


LEAVES = list(leaves(VALUES))


def texts(pattern: str) -> str:
    return "\n".join(path.read_text() for path in sorted(CHART.glob(pattern)))


def given(test: Any, above: str = "") -> Iterator[str]:
    """The paths that a unit test's `set` gives, with everything above them."""
    for key, value in test.items():
        path = f"{above}{key}"
        yield path
        if isinstance(value, dict):
            yield from given(value, f"{path}.")


def tried() -> set[str]:
    found: set[str] = set()
    for path in sorted((CHART / "tests").glob("*_test.yaml")):
        for suite in yaml.safe_load_all(path.read_text()):
            for test in [suite, *suite["tests"]]:
                found.update(given(test.get("set", {})))
    return found


TRIED = tried()


@pytest.mark.parametrize("path", LEAVES)
def test_a_value_is_used(path: str) -> None:
    """By its path, or part by part: where a template has gone into what is above, or names it in a list."""
    templates = texts("templates/**/*.*")
    parts = path.split(".")
    whole = rf"Values\.{re.escape(path)}\b"
    stepwise = all(re.search(rf"(\.|\"){re.escape(part)}\b", templates) for part in parts)
    assert re.search(whole, templates) or stepwise, f"no template uses {path}"


@pytest.mark.parametrize("path", LEAVES)
def test_a_value_is_tried(path: str) -> None:
    """A unit test gives it."""
    below = f"{path}."
    assert path in TRIED or any(tried.startswith(below) for tried in TRIED), f"no unit test gives {path}"


@pytest.mark.parametrize("path", LEAVES)
def test_a_value_is_documented(path: str) -> None:
    readme = (CHART / "README.md").read_text()
    row = re.search(rf"^\| {re.escape(path)} \| [^|]+ \| .+ \| (.+) \|$", readme, re.MULTILINE)
    assert row, f"README.md has no row about {path}"
    assert row[1].strip(), f"{path} has no description"


def test_the_schema_knows_exactly_the_values() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())

    def compare(part: dict[str, Any], values: Any, path: str) -> None:
        name = part.get("$ref", "").removeprefix("#/definitions/")
        part = schema["definitions"][name] if name else part
        if not values or "properties" not in part:
            return
        assert part["additionalProperties"] is False, f"{path} lets unknown values through"
        # Helm has "global" in every chart.
        assert set(part["properties"]) - {"global"} == set(values), path
        for key, value in values.items():
            compare(part["properties"][key], value, f"{path}.{key}")

    compare(schema, VALUES, "values")


def test_the_versions_are_those_of_the_service() -> None:
    cargo = (REPOSITORY / "Cargo.toml").read_text()
    version = re.search(r'^version = "([^"]+)"', cargo, re.MULTILINE)
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    dockerfile = (REPOSITORY / "Dockerfile").read_text()
    assert version
    assert chart["appVersion"] == version[1]
    assert f"ARG VERSION={version[1]}\n" in dockerfile


def test_each_values_file_is_told_of() -> None:
    readme = (CHART / "README.md").read_text()
    for path in CHART.glob("values-*.yaml"):
        assert f"`{Path(path).name}`" in readme
