"""The image: its steps build the service, and what they build runs in what the image holds."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from build import Built, build
from image import assemble, container, stages, steps
from paths import REPOSITORY
from test_pods import START_WITHIN

LONG = bool(os.environ.get("TENURE_TESTS_LONG"))


@pytest.fixture(scope="module")
def built() -> Built:
    """By the Dockerfile's own steps: optimised and from nothing in a long run, else on what cargo has built before."""
    return build("release", fresh=True) if LONG else build("dev", fresh=False)


@pytest.fixture(scope="module")
def root(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    made = assemble(tmp_path_factory.mktemp("built"), built.binary)
    yield made
    shutil.rmtree(made)


@pytest.mark.timeout(3600)
def test_the_dependencies_are_a_layer_of_their_own(built: Built) -> None:
    """The sources' step compiles what is ours and nothing else."""
    dependencies, sources = built.compiled
    assert sources == {"tenure", "tenure-client"}
    if LONG:
        assert {"tokio", "tonic", "aws-lc-sys", "redis"} <= dependencies


def test_it_is_the_service_and_not_the_empty_sources(root: Path) -> None:
    ended = subprocess.run(
        container(root, ["/usr/local/bin/tenure", "--version"]), capture_output=True, text=True, check=False
    )
    (version,) = re.findall(r"^ARG VERSION=(\S+)", (REPOSITORY / "Dockerfile").read_text(), re.MULTILINE)
    assert (ended.returncode, ended.stdout) == (0, f"tenure {version}\n"), ended.stderr


def test_it_needs_nothing_that_the_image_does_not_hold(root: Path) -> None:
    """Not even a loader from this machine: the control is a binary of this machine, which does not start there."""
    shutil.copy2("/bin/bash", root / "home/nonroot/bash")
    ended = subprocess.run(
        container(root, ["/home/nonroot/bash", "-c", ":"]), capture_output=True, text=True, check=False
    )
    assert ended.returncode == 127
    assert "libtinfo" in ended.stderr


def test_it_serves_in_an_empty_environment(root: Path) -> None:
    """As nobody, on a read-only root, with no variable set; it is healthy by the image's own HEALTHCHECK."""
    entrypoint, arguments = words("ENTRYPOINT"), words("CMD")
    # Free ports in place of the image's: the machine has other services.
    free = ["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"]
    process = subprocess.Popen(
        container(root, [*entrypoint, *arguments, *free]),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout
        line = process.stdout.readline()
        http = re.search(r"http=(\S+)", line)
        assert http, line
        status = Path(f"/proc/{process.pid}/status").read_text()
        assert re.search(r"^Uid:\t65532\t65532\t65532\t65532$", status, re.MULTILINE)
        assert re.search(r"^CapEff:\t0+$", status, re.MULTILINE)
        assert re.search(r"^NoNewPrivs:\t1$", status, re.MULTILINE)
        assert Path(f"/proc/{process.pid}/environ").read_bytes() == b""
        mounts = Path(f"/proc/{process.pid}/mountinfo").read_text()
        assert re.search(r"^\d+ \d+ \S+ \S+ / ro,", mounts, re.MULTILINE), mounts
        check = [word.replace("127.0.0.1:7071", http[1]) for word in words("HEALTHCHECK")]
        assert subprocess.run(container(root, check), check=False).returncode == 0
        process.terminate()
        assert process.wait(START_WITHIN) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(START_WITHIN)
        if process.stdout:
            process.stdout.close()
    check = [word.replace("127.0.0.1:7071", http[1]) for word in words("HEALTHCHECK")]
    assert subprocess.run(container(root, check), capture_output=True, check=False).returncode == 5


def words(instruction: str) -> list[str]:
    """The words of a command that is written as a list."""
    (value,) = (step["value"] for step in steps() if step["instruction"] == instruction)
    return re.findall(r'"([^"]*)"', value)


def test_it_is_not_root_and_says_what_it_is() -> None:
    last = stages()[-1]
    assert [step["value"] for step in last if step["instruction"] == "USER"] == ["65532:65532"]
    labels = " ".join(step["value"] for step in last if step["instruction"] == "LABEL")
    for name in ("title", "description", "source", "licenses", "version", "revision"):
        assert f"org.opencontainers.image.{name}=" in labels
    assert last[0]["value"].startswith("gcr.io/distroless/cc-debian12:nonroot")
