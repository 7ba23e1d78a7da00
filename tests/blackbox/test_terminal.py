"""`tenure admin` as somebody sees it who sits at a terminal."""

import json
import os
import pty
import select
import subprocess
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.paths import binary
from support.server import Server, clean_environment, serving, tenure
from support.wire import SessionServiceStub, calls, new_id, new_owner

WITHIN = 30.0
CTRL_C, CTRL_D = b"\x03", b"\x04"


class Terminal:
    """A command with a terminal of its own, 100 columns wide."""

    def __init__(self, server: Server, *arguments: str) -> None:
        self.ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (30, 100))
        self.process = subprocess.Popen(
            [str(binary()), *arguments],
            env=clean_environment(TENURE_SERVER=f"http://{server.grpc}", TERM="xterm"),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            # So that Ctrl-C reaches it, it has to be its controlling terminal.
            preexec_fn=lambda: os.close(os.open(os.ttyname(0), os.O_RDWR)),
        )
        os.close(theirs)
        self.seen = b""

    def until(self, text: str) -> None:
        while text.encode() not in self.seen:
            assert self._more(), f"{text!r} is not in {self.seen!r}"

    def _more(self) -> bool:
        ready, _, _ = select.select([self.ours], [], [], WITHIN)
        assert ready, f"silent after {self.seen!r}"
        try:
            more = os.read(self.ours, 4096)
        except OSError:
            # Linux says so when the last one has closed the other end.
            return False
        self.seen += more
        return bool(more)

    def types(self, keys: bytes) -> None:
        os.write(self.ours, keys)

    def end(self) -> tuple[int, str]:
        """The exit code, and all that was on the screen."""
        while self._more():
            pass
        os.close(self.ours)
        return self.process.wait(WITHIN), self.seen.decode().replace("\r\n", "\n")


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path, "") as running:
        yield running


@pytest.fixture
def namespace() -> str:
    """One that no other test has: the store may be everybody's."""
    return f"n-{new_id()[:20]}"


def ending(namespace: str) -> list[str]:
    return ["admin", "end", "--namespace", namespace, "--label", "loadtest"]


def make(own: Server, namespace: str, count: int) -> None:
    with own.channel() as channel:
        api: Any = SessionServiceStub(channel)
        for _ in range(count):
            request = calls.CreateSessionRequest(namespace=namespace, owner=new_owner(), labels=["loadtest"])
            api.CreateSession(request)


def left(own: Server, namespace: str) -> int:
    told = tenure("admin", "namespaces", "--output", "json", TENURE_SERVER=f"http://{own.grpc}")
    (count,) = (used["sessions"] for used in json.loads(told.stdout) if used["namespace"] == namespace)
    return int(count)


@pytest.mark.parametrize(
    ("keys", "code", "said"),
    [
        (b"n\n", 4, "n\nnothing was done\n"),
        (b"\n", 4, "\nnothing was done\n"),
        (b"yesterday\n", 4, "yesterday\nnothing was done\n"),
        (CTRL_D, 4, "\nnothing was done\n"),
        (CTRL_C, 130, "^C"),
    ],
)
def test_whoever_does_not_agree_ends_nothing(
    own: Server, namespace: str, keys: bytes, code: int, said: str
) -> None:
    make(own, namespace, 3)
    terminal = Terminal(own, *ending(namespace))
    terminal.until("End 3 sessions? [y/N] ")
    terminal.types(keys)
    ended, screen = terminal.end()
    if keys == CTRL_C:
        # Ended by the signal: what a shell calls 130.
        ended = 128 - ended if ended < 0 else ended
    assert ended == code
    assert screen.split("[y/N] ")[1] == said
    assert left(own, namespace) == 3


@pytest.mark.parametrize("keys", [b"y\n", b"yes\n", b"Y\n"])
def test_whoever_agrees_ends_them(own: Server, namespace: str, keys: bytes) -> None:
    make(own, namespace, 1)
    terminal = Terminal(own, *ending(namespace))
    terminal.until("End 1 session? [y/N] ")
    terminal.types(keys)
    code, screen = terminal.end()
    assert code == 0
    # The bar is gone when the result is there.
    last = screen.split("\x1b[2K")[-1].split("\n")
    assert [line.split() for line in last[-4:-1]] == [
        ["looked", "at", "1"],
        ["matched", "1"],
        ["ended", "1"],
    ]
    assert left(own, namespace) == 0


def test_a_bar_tells_how_far_it_is(own: Server, namespace: str) -> None:
    make(own, namespace, 600)
    terminal = Terminal(own, *ending(namespace), "--dry-run")
    code, screen = terminal.end()
    assert code == 0
    assert " of 600 looked at" in screen
    assert screen.rstrip().endswith("600")


def test_a_long_list_stands_in_columns(own: Server, namespace: str) -> None:
    make(own, namespace, 3)
    terminal = Terminal(own, "admin", "sessions", "--namespace", namespace, "--all")
    code, screen = terminal.end()
    assert code == 0
    header, *rows = screen.splitlines()
    assert len(rows) == 3
    column = header.index("labels")
    assert {row[column:] for row in rows} == {"loadtest"}
    piped = tenure("admin", "sessions", "--namespace", namespace, "--all", TENURE_SERVER=f"http://{own.grpc}")
    assert [line.split("\t")[-1] for line in piped.stdout.splitlines()] == ["labels"] + ["loadtest"] * 3


def test_where_nobody_can_be_asked_nothing_is_done(own: Server, namespace: str) -> None:
    """Neither from a file, nor from a pipe that says yes."""
    make(own, namespace, 1)
    for stdin in (b"", b"yes\n"):
        ended = subprocess.run(
            [str(binary()), *ending(namespace)],
            env=clean_environment(TENURE_SERVER=f"http://{own.grpc}"),
            input=stdin,
            capture_output=True,
            timeout=WITHIN,
            check=False,
        )
        assert ended.returncode == 2
        assert b"--yes" in ended.stderr
    assert left(own, namespace) == 1
