"""Load, and what it cost whom."""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from machine import TENURE, Machine, Process, Tenure

PAYLOAD = 1024
KEYS = 10


@dataclass
class Shot:
    """One measurement."""

    per_second: float
    cpu_us: dict[str, float]
    p50_us: float = 0.0


def field(number: int, value: bytes) -> bytes:
    """A protobuf field of texts, bytes or a message."""
    length, rest = b"", len(value)
    while rest > 127:
        length += bytes([rest & 127 | 128])
        rest >>= 7
    return bytes([number << 3 | 2]) + length + bytes([rest]) + value


def framed(message: bytes) -> bytes:
    """As gRPC sends it."""
    return b"\0" + len(message).to_bytes(4, "big") + message


@dataclass
class Target:
    """One RPC of one server, with the same request over and over."""

    name: str
    server: Process
    path: str
    message: bytes
    key: str = ""
    # Whose CPU counts beside the server's.
    beside: tuple[tuple[str, Process], ...] = ()
    # Fewer bytes per answer are an error: h2load takes every gRPC status for success.
    answer_bytes: int = PAYLOAD

    def shoot(self, box: Machine, calls: int, connections: int = 4, in_flight: int = 16, each: bool = False) -> Shot:
        body = box.folder / "body"
        body.write_bytes(framed(self.message))
        log = box.folder / "times"
        log.unlink(missing_ok=True)
        command: list[object] = ["h2load", "-n", calls, "-c", connections, "-m", in_flight, "-t", 1, "-d", body]
        command += ["-H", "content-type: application/grpc", "-H", "te: trailers"]
        if self.key:
            command += ["-H", f"authorization: Bearer {self.key}"]
        if each:
            command += [f"--log-file={log}"]
        command += [f"http://127.0.0.1:{self.server.port}{self.path}"]
        watched = (("server", self.server), *self.beside)
        before = [process.cpu() for _, process in watched]
        out = subprocess.check_output([str(word) for word in command], text=True, stderr=subprocess.STDOUT)
        spent = [process.cpu() - was for (_, process), was in zip(watched, before, strict=True)]
        rate = re.search(r"finished in \S+, ([\d.]+) req/s", out)
        succeeded = re.search(r"(\d+) succeeded, 0 failed, 0 errored", out)
        data = re.search(r"headers \(space savings [\d.-]+%\), \S+ \((\d+)\) data", out)
        if not (rate and succeeded and data) or int(data[1]) < calls * self.answer_bytes:
            raise SystemExit(f"{self.name}: not all calls were answered as they should be:\n{out}")
        cpu = {name: used / calls * 1e6 for (name, _), used in zip(watched, spent, strict=True)}
        times = [int(line.split("\t")[2]) for line in log.read_text().splitlines()] if each else []
        return Shot(float(rate[1]), cpu, statistics.median(times) if times else 0.0)


def echo(server: Process) -> Target:
    return Target("stock tonic echo", server, "/compare.Echo/Say", field(1, bytes(PAYLOAD)))


def session(server: Tenure) -> str:
    """A session of 1 KiB in 10 keys."""
    state = json.dumps({f"key-{n}": "x" * (PAYLOAD // KEYS) for n in range(KEYS)})
    owner = ["--tenant", "acme", "--user", "ada"]
    return str(server.call("session", "create", *owner, "--state", state)["session"]["id"])


def get(server: Tenure, name: str = "tenure Get", redis: Process | None = None) -> Target:
    owner = field(1, b"acme") + field(2, b"ada")
    message = field(1, b"bench") + field(2, owner) + field(3, session(server).encode())
    beside = (("redis", redis),) if redis else ()
    return Target(name, server, "/tenure.v1.SessionService/GetSession", message, server.key, beside)


def pool(server: Process, redis: Process) -> Target:
    with_redis = ["redis-cli", "-p", str(redis.port), "-x", "SET", "session:1"]
    subprocess.run(with_redis, input=bytes(PAYLOAD), check=True, stdout=subprocess.DEVNULL)
    return Target("pool per request", server, "/compare.Pool/Get", field(1, b"session:1"), "", (("redis", redis),))


def bench(server: Tenure, *arguments: str, redis: Process | None = None) -> dict[str, Any]:
    """What `tenure bench` finds."""
    command = [str(TENURE), "bench", *arguments, "-o", "json"]
    if redis:
        command += ["--server-pid", str(redis.child.pid)]
    out = subprocess.check_output(command, env={**os.environ, **server.env()}, stderr=subprocess.PIPE)
    found = json.loads(out)
    if found["errors"]:
        raise SystemExit(f"tenure bench {arguments}: {found['errors']}")
    return dict(found)


def program(command: Sequence[object], env: dict[str, str]) -> dict[str, float]:
    """What a client program prints: JSON, on its last line."""
    out = subprocess.check_output([str(word) for word in command], env={**os.environ, **env}, text=True)
    return dict(json.loads(out.splitlines()[-1]))
