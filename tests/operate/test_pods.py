"""Pods in the image: their configuration is sound, and the one that needs no Redis serves."""

import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest

from chart import CASES, render
from pod import Pod, pod

START_WITHIN = 60.0


@pytest.mark.parametrize("case", CASES)
def test_the_configuration_is_sound(case: str, image: Path, tmp_path: Path) -> None:
    """`tenure config check` finds no fault where the service would look, as whom it would look."""
    release = render(*CASES[case])
    checked = pod(release, image, tmp_path).run("config", "check")
    assert checked.returncode == 0, checked.stderr
    assert checked.stdout.startswith("ok: ")


def test_every_given_value_arrives(image: Path, tmp_path: Path) -> None:
    release = render(*CASES["any-setting"])
    shown = pod(release, image, tmp_path).run("config", "show").stdout
    for line in (
        'listen = "[::]:7070"',
        'drain_grace = "1m30s"',
        'max_message_bytes = "2MiB"',
        "threads = 2",
        "max_sessions = 1000000",
        "strict_namespaces = true",
        'idle_ttl = "30m"',
        "encrypt_state = true",
    ):
        assert line in shown, shown


def test_a_fault_is_found(image: Path, tmp_path: Path) -> None:
    """The control: a setting that is wrong, and a file that is missing."""
    release = render("values-standalone.yaml", {"config": {"grpc": {"threads": "many"}}})
    faulty = pod(release, image, tmp_path)
    (tmp_path / "volumes/secrets/redis/password").unlink()
    checked = faulty.run("config", "check")
    assert checked.returncode == 2
    assert "grpc.threads" in checked.stderr
    assert "store.redis_password_file" in checked.stderr


def test_keys_for_everybody_to_read_are_refused(image: Path, tmp_path: Path) -> None:
    """The mode of the volume matters: without it the service does not start."""
    checked = pod(render("values-standalone.yaml"), image, tmp_path)
    path = tmp_path / "volumes/secrets/encryption/keys"
    assert path.stat().st_mode & 0o777 == 0o440
    path.chmod(0o444)
    ended = checked.run("config", "check")
    assert ended.returncode == 2
    assert "keys.file" in ended.stderr


@contextmanager
def serving(running: Pod, log: Path) -> Iterator[subprocess.Popen[str]]:
    with log.open("w") as stderr:
        process = subprocess.Popen(running.command(), stdout=subprocess.PIPE, stderr=stderr, text=True)
    try:
        assert process.stdout
        line = process.stdout.readline()
        assert "tenure listening" in line, log.read_text()
        yield process
    finally:
        process.terminate()
        process.wait(START_WITHIN)
        if process.stdout:
            process.stdout.close()


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture
def ports() -> dict[str, int]:
    return {"grpc": free_port(), "http": free_port()}


def test_the_pod_in_memory_serves(image: Path, tmp_path: Path, ports: dict[str, int]) -> None:
    """Probes and the commands of `helm test` succeed; a session can be made; SIGTERM ends it well."""
    release = render("values-memory.yaml", {"ports": ports, "listenAddress": "127.0.0.1"})
    running = pod(release, image, tmp_path)
    with serving(running, tmp_path / "log") as process:
        (container,) = release.the("Deployment")["spec"]["template"]["spec"]["containers"]
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            path = container[probe]["httpGet"]["path"]
            with urlopen(f"http://127.0.0.1:{ports['http']}{path}", timeout=30) as answer:
                assert answer.status == 200, probe
        with urlopen(f"http://127.0.0.1:{ports['http']}/metrics", timeout=30) as answer:
            assert b"tenure_" in answer.read(), "what a ServiceMonitor scrapes"
        tester = release.the("Pod")["spec"]["containers"]
        assert [found["name"] for found in tester] == ["grpc", "http"]
        for asking in tester:
            arguments = [to_loopback(argument, ports) for argument in asking["args"]]
            asked = running.run(*arguments)
            assert (asked.returncode, asked.stdout) == (0, "serving\n"), asked.stderr
        server = [
            "--server",
            f"http://127.0.0.1:{ports['grpc']}",
            "-n",
            "crm",
            "--tenant",
            "acme",
            "--user",
            "ada",
        ]
        made = running.run("session", "create", *server)
        assert made.returncode == 0, made.stderr
        process.terminate()
        assert process.wait(START_WITHIN) == 0, (tmp_path / "log").read_text()


def to_loopback(argument: str, ports: dict[str, int]) -> str:
    """The Services' names are this machine here."""
    argument = re.sub(r"[a-z-]+-headless\.platform\.svc:\d+", f"127.0.0.1:{ports['http']}", argument)
    return re.sub(r"[a-z-]+\.platform\.svc:\d+", f"127.0.0.1:{ports['grpc']}", argument)


def test_the_grace_is_enough(image: Path, tmp_path: Path, ports: dict[str, int]) -> None:
    """A pod with a connection that says nothing ends within what the chart grants after the pause."""
    values = {"ports": ports, "listenAddress": "127.0.0.1", "shutdown": {"drainGrace": "1s"}}
    release = render("values-memory.yaml", values)
    spec = release.the("Deployment")["spec"]["template"]["spec"]
    pause = spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    with (
        serving(pod(release, image, tmp_path), tmp_path / "log") as process,
        socket.create_connection(("127.0.0.1", ports["grpc"])),
    ):
        process.terminate()
        assert process.wait(spec["terminationGracePeriodSeconds"] - pause) == 0
