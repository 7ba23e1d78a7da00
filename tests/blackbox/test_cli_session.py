"""`tenure session ...`: a client like any other. Data on stdout, everything else on stderr."""

import json
import socket
import subprocess
from typing import Any

import pytest

from support.paths import binary
from support.server import Server, tenure
from support.wire import NAMESPACE, new_id, new_owner

# The documented exit codes.
DONE, MISUSED, NOT_FOUND, REFUSED, UNAVAILABLE = 0, 2, 3, 4, 5


class Shell:
    """Somebody at a terminal, acting for one owner."""

    def __init__(self, server: Server) -> None:
        self.server = f"http://{server.grpc}"
        self.owner = new_owner()
        self.who = ["--tenant", self.owner.tenant, "--user", self.owner.user, "--issuer", self.owner.issuer]

    def session(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return tenure("session", command, "--namespace", NAMESPACE, *arguments, TENURE_SERVER=self.server)

    def mine(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.session(command, *self.who, *arguments)

    def json(self, command: str, *arguments: str) -> Any:
        """What a command that succeeds says to a program."""
        ended = self.mine(command, *arguments, "-o", "json")
        assert (ended.returncode, ended.stderr) == (DONE, "")
        return json.loads(ended.stdout)

    def create(self, *arguments: str) -> str:
        return str(self.json("create", *arguments)["session"]["id"])


@pytest.fixture
def shell(server: Server) -> Shell:
    return Shell(server)


def test_a_life_at_the_command_line(shell: Shell) -> None:
    """Create, get, update, touch, rotate, list, delete, each as JSON."""
    state = {"filter": "open", "calls": 1}
    session_id = shell.create("--conversation", "c1", "--state", json.dumps(state))
    got = shell.json("get", session_id)["session"]
    assert (got["id"], got["state"]) == (session_id, state)

    updated = shell.json("update", session_id, "--set", "page=2", "--increment", "calls=1")
    assert updated["session"]["state"] == {"filter": "open", "calls": 2, "page": 2}
    assert shell.json("touch", session_id)["session"]["id"] == session_id
    rotated = shell.json("rotate", session_id)["session"]["id"]
    assert rotated != session_id
    assert [session["id"] for session in shell.json("list")["sessions"]] == [rotated]
    assert shell.json("delete", rotated) == {"deleted": True}
    assert shell.json("delete", rotated) == {"deleted": False}
    assert shell.json("list")["sessions"] == []


def test_a_table_for_people(shell: Shell) -> None:
    """Without `-o` the same, to be read."""
    session_id = shell.create()
    ended = shell.mine("list")
    assert (ended.returncode, ended.stderr) == (DONE, "")
    assert session_id in ended.stdout
    assert not ended.stdout.startswith("{")


def test_invalidate_by_owner(shell: Shell) -> None:
    """And the owner is told why."""
    session_id = shell.create()
    owner = shell.owner
    selector = ["--owner-tenant", owner.tenant, "--owner-user", owner.user, "--owner-issuer", owner.issuer]
    ended = shell.session("invalidate", *selector, "--reason", "password-changed", "-o", "json")
    assert ended.returncode == DONE, ended.stderr
    assert json.loads(ended.stdout)["ended_count"] == 1
    got = shell.mine("get", session_id)
    assert got.returncode == NOT_FOUND
    assert "SESSION_INVALIDATED" in got.stderr


def test_watch_prints_one_event_per_line(shell: Shell) -> None:
    """From a cursor on, so that nothing has to happen at the right moment."""
    first = shell.create()
    watch = ["watch", *shell.who, "--count", "1", "-o", "json"]
    with subprocess.Popen(
        [str(binary()), "session", *watch, "--namespace", NAMESPACE, "--server", shell.server],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as watching:
        assert watching.stderr
        assert watching.stderr.readline().strip() == "watching"
        assert shell.json("delete", first)["deleted"]
        out, _ = watching.communicate(timeout=30)
    (line,) = out.splitlines()
    event = json.loads(line)["event"]
    assert event["session_id"] == first
    assert watching.returncode == DONE


def test_a_claim_that_was_made_before(shell: Shell) -> None:
    """A script sees by the exit code who was first."""
    assert shell.mine("claim", "nonce", "--ttl", "1m").returncode == DONE
    assert shell.mine("claim", "nonce", "--ttl", "1m").returncode == REFUSED


def test_an_error_is_told_on_stderr(shell: Shell) -> None:
    """The reason that clients branch on is there for people too; stdout stays empty."""
    ended = shell.mine("get", new_id())
    assert ended.returncode == NOT_FOUND
    assert "SESSION_NOT_FOUND" in ended.stderr
    assert ended.stdout == ""


def test_exit_codes(shell: Shell) -> None:
    """Wrong usage, a refusal, and nobody there are three things to a script."""
    assert shell.mine("get").returncode == MISUSED
    assert shell.mine("get", "short-id").returncode == MISUSED
    taken = shell.create()
    assert shell.mine("create", "--session-id", taken).returncode == REFUSED
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    shell.server = f"http://127.0.0.1:{port}"
    ended = shell.mine("get", taken, "--timeout", "2s")
    assert ended.returncode == UNAVAILABLE
    assert ended.stdout == ""


def test_the_server_can_be_a_flag(shell: Shell) -> None:
    """`--server` wins over TENURE_SERVER."""
    address, shell.server = shell.server, "http://127.0.0.1:1"
    assert shell.create("--server", address)
