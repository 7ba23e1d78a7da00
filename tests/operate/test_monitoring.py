"""Alerts and dashboard: they name metrics that there are, and the alerts fire when they should."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from paths import CHART, REPOSITORY

ALERTS = CHART / "files" / "alerts.yaml"
DASHBOARD = json.loads((CHART / "files" / "dashboard.json").read_text())
RULES = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
# What a scrape adds.
OF_TARGETS = {"job", "instance"}


def table() -> dict[str, tuple[str, set[str]]]:
    """Kind and labels of each metric of docs/METRICS.md."""
    text = (REPOSITORY / "docs" / "METRICS.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ([^|]*) \|", text, re.MULTILINE)
    return {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}


METRICS = table()


def faults(query: str) -> Iterator[str]:
    """What a query names that there is not."""
    known: set[str] = set()
    for name, selector in re.findall(r"\b((?:tenure|rpc)_\w+)(?:\{([^}]*)\})?(?=[\[\]{} ),]|$)", query):
        if name in known_labels():
            continue
        metric = name if name in METRICS else re.sub(r"_(bucket|sum|count)$", "", name)
        if metric not in METRICS or (METRICS[metric][0] == "histogram") != (metric != name):
            yield f"no metric {name}"
            continue
        labels = METRICS[metric][1] | OF_TARGETS
        if name.endswith("_bucket"):
            labels |= {"le"}
        known |= labels
        for label in re.findall(r"(\w+)\s*[=!]~?", selector):
            if label not in labels:
                yield f"{name} has no label {label}"
    for by in re.findall(r"\bby \(([^)]*)\)", query):
        for label in re.split(r",\s*", by):
            if label not in known:
                yield f"nothing has the label {label}"


def known_labels() -> set[str]:
    return {label for _, labels in METRICS.values() for label in labels}


def queries() -> list[str]:
    asked = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", [])]
    lists = [
        variable["definition"] for variable in DASHBOARD["templating"]["list"] if "definition" in variable
    ]
    # A variable's list is no PromQL: what it looks at is.
    return asked + [re.sub(r"^label_values\((.*), \w+\)$", r"\1", text) for text in lists]


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ("rate(tenure_calls_shed[5m])", "no metric tenure_calls_shed"),
        ("tenure_store_duration_seconds", "no metric tenure_store_duration_seconds"),
        ("tenure_store_ready_count", "no metric tenure_store_ready_count"),
        ('tenure_store_servers{braker="open"}', "tenure_store_servers has no label braker"),
        ("sum by (method) (rpc_server_call_duration_seconds_count)", "nothing has the label method"),
    ],
)
def test_a_query_for_what_is_not_there_is_found(query: str, fault: str) -> None:
    assert list(faults(query)) == [fault]


@pytest.mark.parametrize("query", [rule["expr"] for rule in RULES] + queries())
def test_what_is_asked_for_is_there(query: str) -> None:
    assert list(faults(query)) == []


def test_every_metric_is_on_the_dashboard() -> None:
    shown = "\n".join(queries())
    assert [name for name in METRICS if not re.search(rf"\b{name}(_count|_bucket)?\b", shown)] == []


def test_operations_says_what_to_do() -> None:
    text = (REPOSITORY / "docs" / "OPERATIONS.md").read_text()
    rows = "\n".join(line.split("|")[1] for line in text.splitlines() if line.startswith("| "))
    assert [rule["alert"] for rule in RULES if f"`{rule['alert']}`" not in rows] == []


def promtool(*arguments: str | Path, cwd: Path | None = None) -> None:
    ended = subprocess.run(
        ["promtool", *map(str, arguments)], capture_output=True, text=True, check=False, cwd=cwd
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_dashboards_queries_are_sound(tmp_path: Path) -> None:
    rules = [
        {"record": f"query:{number}", "expr": query.replace("$__rate_interval", "5m")}
        for number, query in enumerate(queries())
    ]
    path = tmp_path / "queries.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    promtool("check", "rules", path)


def test_panels_do_not_cover_each_other() -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert taken.setdefault((x, y), panel["title"]) == panel["title"]
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(numbers) == len(set(numbers))


def test_the_alerts_are_sound_and_fire() -> None:
    promtool("check", "rules", ALERTS)
    promtool("test", "rules", "alerts_test.yaml", cwd=Path(__file__).parent)
    cases: Any = yaml.safe_load((Path(__file__).parent / "alerts_test.yaml").read_text())["tests"]
    told = [case for test in cases for case in test["alert_rule_test"]]
    for rule in RULES:
        name = rule["alert"]
        assert any(case["alertname"] == name and case["exp_alerts"] for case in told), f"{name} never fires"
        assert any(case["alertname"] == name and not case["exp_alerts"] for case in told), (
            f"{name} never rests"
        )
