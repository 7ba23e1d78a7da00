"""Lets each pair of languages write and read the same sessions; see tests/vectors/README.md.

    TENURE_BIN=… python tests/vectors/interop/pairs.py

drivers.json says how each language's program is started: `command` from `directory`, with the address added; a first
word with a slash is relative to the repository. A program that does not start is a failure.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[2]
TARGET = os.environ.get("CARGO_TARGET_DIR", "target")
STATE: dict[str, Any] = {
    "null": None,
    "true": True,
    "false": False,
    "largest": 9007199254740991,
    "smallest": -9007199254740991,
    "half": 0.5,
    "huge": 1e300,
    "tiny": 5e-324,
    "text": "Grüße, 世界, 👩‍👩‍👧‍👦, \u0000\u007f\ufeff",
    "ключ": {"": [[], {}, [None, {"a": [1, "b", False]}]]},
    "empty list": [],
    "empty map": {},
    "__proto__": {"x": 1},
    "n": 41,
    "log": ["a"],
}
AFTER: dict[str, Any] = {**STATE, "n": 42, "log": ["a", {"by": "reader"}], "added": [1.5, "ü"]}
del AFTER["half"]


class Driver:
    """One language's program."""

    def __init__(self, name: str, how: dict[str, Any], address: str) -> None:
        first, *rest = how["command"]
        if "/" in first:
            built = first.startswith("target/")
            first = str(REPOSITORY / (first.replace("target", TARGET, 1) if built else first))
        command = [first, *rest, address]
        self.name = name
        self._process = subprocess.Popen(
            command,
            cwd=REPOSITORY / how.get("directory", "."),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def ask(self, do: str, owner: dict[str, str], **arguments: Any) -> dict[str, Any]:
        """A call, and what the program answered."""
        call = {"do": do, "namespace": "interop", "owner": owner, "with": arguments}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(call, ensure_ascii=False) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError(f"{self.name} ended")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """Ends its stdin, and waits."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(20)


def expect(what: str, actual: Any, expected: Any) -> None:
    """Equality of values; 1 and 1.0 are one number."""
    if not same(actual, expected):
        raise AssertionError(f"{what}: {actual!r}, expected {expected!r}")


def same(one: Any, other: Any) -> bool:
    """Equality that tells booleans from numbers."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def exchange(writer: Driver, reader: Driver) -> None:
    """One session that both use, and one that both share a conversation in."""
    owner = {"tenant": f"acme-{uuid.uuid4().hex}", "user": "ada ü", "issuer": "https://id.example"}
    made = writer.ask(
        "create",
        owner,
        state=STATE,
        conversation_id="both",
        labels=["one", "two"],
        mcp={"protocol_version": "2025-11-25", "initialized": True, "resource_subscriptions": ["file:///a"]},
        idle_ttl=90.5,
        provider_session_id="sid",
    )["answer"]
    read = reader.ask("get", owner, session_id=made["id"], peek=True)["answer"]
    for name in ("id", "owner", "conversation_id", "labels", "revision", "idle_ttl", "provider_session_id", "mcp"):
        expect(name, read[name], made[name])
    expect("state", read["state"], STATE)
    updated = reader.ask(
        "update",
        owner,
        session_id=made["id"],
        set={"added": [1.5, "ü"]},
        remove=["half"],
        increment={"n": 1},
        append={"log": {"values": [{"by": "reader"}], "max_length": 3}},
        if_revision=made["revision"],
    )["answer"]
    expect("increments", updated["increments"], {"n": 42})
    expect("state after the update", updated["state"], AFTER)
    expect("state for the writer", writer.ask("get", owner, session_id=made["id"])["answer"]["state"], AFTER)
    stale = writer.ask("update", owner, session_id=made["id"], set={"x": 1}, if_revision=1)
    expect("stale", stale, {"error": {"reason": "REVISION_MISMATCH", "code": "ABORTED", "revision": 2}})
    shared = reader.ask("get_or_create", owner, conversation_id="both")["answer"]
    expect("conversation", (shared["id"], shared["created"]), (made["id"], False))

    request_id = str(uuid.uuid4())
    first = writer.ask("update", owner, session_id=made["id"], increment={"n": 1}, request_id=request_id)["answer"]
    again = reader.ask("update", owner, session_id=made["id"], increment={"n": 1}, request_id=request_id)["answer"]
    expect("repeated", (first["replayed"], again["replayed"]), (False, True))
    expect("repeated", again["increments"], {"n": 43})

    claims = [
        driver.ask("claim_once", owner, key="nonce", ttl=60)["answer"]["claimed"] for driver in (writer, reader)
    ]
    expect("claims", claims, [True, False])
    moved = reader.ask("rotate", owner, session_id=made["id"])["answer"]
    expect("listed", [each["id"] for each in writer.ask("list", owner)["answer"]["sessions"]], [moved["id"]])
    expect("ended", writer.ask("invalidate_owner", owner, reason="PASSWORD_CHANGED")["answer"], {"ended_count": 1})
    expect(
        "told",
        reader.ask("get", owner, session_id=moved["id"]),
        {"error": {"reason": "SESSION_INVALIDATED", "code": "NOT_FOUND", "end_reason": "PASSWORD_CHANGED"}},
    )


def main() -> int:
    """All pairs, each language with itself too."""
    binary = os.environ.get("TENURE_BIN") or str(REPOSITORY / TARGET / "debug" / "tenure")
    command = [binary, "serve", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--store", "memory:"]
    failures = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as service:
        try:
            assert service.stdout is not None
            found = re.search(r"grpc=(\S+)", service.stdout.readline())
            if not found:
                sys.exit("tenure did not start")
            known = json.loads((HERE / "drivers.json").read_text())
            drivers = [Driver(name, how, found[1]) for name, how in known.items()]
            for writer in drivers:
                for reader in drivers:
                    try:
                        exchange(writer, reader)
                    except (AssertionError, KeyError, OSError) as error:
                        failures += 1
                        print(f"{writer.name} writes, {reader.name} reads: FAILED: {error!r}")
                    else:
                        print(f"{writer.name} writes, {reader.name} reads: passed")
            for driver in drivers:
                driver.close()
        finally:
            service.terminate()
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
