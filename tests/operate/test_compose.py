"""examples/compose.yaml: sound by the specification's own loader, with settings that work together."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from image import container
from paths import REPOSITORY
from test_pods import START_WITHIN, free_port

FILE = REPOSITORY / "examples" / "compose.yaml"


def load(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["composefile", str(path)], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    ended = load(FILE)
    assert ended.returncode == 0, ended.stderr
    return dict(json.loads(ended.stdout)["services"])


def test_a_fault_is_found(tmp_path: Path) -> None:
    faulty = tmp_path / "compose.yaml"
    faulty.write_text(FILE.read_text().replace("read_only: true", "read_onyl: true"))
    ended = load(faulty)
    assert ended.returncode == 1
    assert "read_onyl" in ended.stderr


def test_what_is_mounted_and_built_is_there(services: dict[str, Any]) -> None:
    assert Path(services["tenure"]["build"]["context"]) == REPOSITORY
    for service in services.values():
        for volume in service.get("volumes", []):
            if volume["type"] == "bind":
                assert Path(volume["source"]).is_file(), volume["source"]


def test_nothing_is_reached_from_other_machines(services: dict[str, Any]) -> None:
    """Callers are not known, so the ports are this machine's; nobody but Tenure shares a network with Redis."""
    for name, service in services.items():
        assert all(port["host_ip"] == "127.0.0.1" for port in service.get("ports", [])), name
    near_redis = {name for name, service in services.items() if "store" in service["networks"]}
    assert near_redis == {"redis", "tenure"}
    assert set(services["redis"]["networks"]) == {"store"}


def options(services: dict[str, Any], **others: str) -> list[str]:
    environment = services["tenure"]["environment"] | others
    return [word for name, value in environment.items() for word in ("-e", f"{name}={value}")]


def test_the_environment_is_sound(services: dict[str, Any], image: Path) -> None:
    command = container(image, ["/usr/local/bin/tenure", "config", "check"], *options(services))
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def test_stopping_leaves_time_for_the_drain(services: dict[str, Any]) -> None:
    tenure = services["tenure"]
    seconds = re.compile(r"(\d+)s")
    grace, drain = tenure["stop_grace_period"], tenure["environment"]["TENURE_GRPC__DRAIN_GRACE"]
    (granted,), (needed,) = seconds.findall(grace), seconds.findall(drain)
    assert int(granted) > int(needed) + 2


@contextmanager
def redis(command: list[str], directory: Path) -> Iterator[int]:
    """The Redis of the file, on another port."""
    port = free_port()
    server = subprocess.Popen(
        [*command, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(directory)],
        stdout=subprocess.DEVNULL,
    )
    try:
        asked = ["redis-cli", "-p", str(port), "ping"]
        while subprocess.run(asked, capture_output=True, text=True, check=False).stdout != "PONG\n":
            assert server.poll() is None
        yield port
    finally:
        server.terminate()
        server.wait(START_WITHIN)


def test_redis_is_set_up_as_the_documentation_says(services: dict[str, Any], tmp_path: Path) -> None:
    documented = (REPOSITORY / "docs" / "REDIS.md").read_text()
    rows = dict(re.findall(r"^\| `([a-z-]+)` \| `?([a-z0-9]+)", documented, re.MULTILINE))
    with redis(services["redis"]["command"], tmp_path) as port:
        for name in ("maxmemory-policy", "hash-max-listpack-value", "appendonly", "appendfsync"):
            asked = ["redis-cli", "-p", str(port), "config", "get", name]
            told = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()
            assert told == [name, rows[name]]


def test_tenure_serves_over_that_redis(services: dict[str, Any], image: Path, tmp_path: Path) -> None:
    """Ready at once, without a warning about the store's settings; healthy by the image's own check."""
    log = tmp_path / "log"
    with redis(services["redis"]["command"], tmp_path) as port, log.open("w") as stderr:
        url = services["tenure"]["environment"]["TENURE_STORE__URL"]
        moved = {
            "TENURE_STORE__URL": url.replace("redis:6379", f"127.0.0.1:{port}"),
            "TENURE_GRPC__LISTEN": "127.0.0.1:0",
            "TENURE_HTTP__LISTEN": "127.0.0.1:0",
        }
        command = container(image, ["/usr/local/bin/tenure", "serve"], *options(services, **moved))
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True)
        try:
            assert process.stdout
            line = process.stdout.readline()
            http = re.search(r"http=(\S+)", line)
            assert http, log.read_text()
            asking = container(image, ["/usr/local/bin/tenure", "health", "--http", http[1]])
            while subprocess.run(asking, capture_output=True, check=False).returncode:
                assert process.poll() is None, log.read_text()
        finally:
            process.terminate()
            assert process.wait(START_WITHIN) == 0
            process.stdout.close() if process.stdout else None
    warnings = [
        line for line in log.read_text().splitlines() if json.loads(line)["level"] not in ("INFO", "DEBUG")
    ]
    assert [line for line in warnings if "redis" in line.lower() or "store" in line.lower()] == []


def test_prometheus_scrapes_it(services: dict[str, Any], tmp_path: Path) -> None:
    path = REPOSITORY / "examples" / "prometheus.yml"
    assert shutil.which("promtool"), "tests/run installs it"
    # With what it names beside it, as in the container.
    for volume in services["prometheus"]["volumes"]:
        if volume["type"] == "bind":
            shutil.copy(volume["source"], tmp_path / Path(volume["target"]).name)
    subprocess.run(["promtool", "check", "config", str(tmp_path / path.name)], check=True)
    (job,) = yaml.safe_load(path.read_text())["scrape_configs"]
    (found,) = job["dns_sd_configs"]
    assert found["names"] == ["tenure"]
    listens = services["tenure"]["environment"]["TENURE_HTTP__LISTEN"]
    assert listens == f"0.0.0.0:{found['port']}"
    mounted = {volume["target"]: volume["source"] for volume in services["prometheus"]["volumes"]}
    assert mounted["/etc/prometheus/prometheus.yml"] == str(path)
    assert set(services["prometheus"]["networks"]) & set(services["tenure"]["networks"])
