#!/usr/bin/env python3
"""Counts what a call costs the real service under load, and fails when it has grown.

    TENURE_BIN=target/release/tenure python3 tests/bench/counts.py

Nothing here is timed. Under load, calls share system calls and round trips: that they do is what is counted. A bound
is about twice what was counted when it was written, where that depends on how busy the machine is, and exact elsewhere.
"""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from typing import Any

TENURE = os.environ["TENURE_BIN"]
SHAPE = ["--connections", "4", "--in-flight", "16", "--sessions", "200", "--warm-up", "0ms"]


@dataclass
class Bound:
    """What was counted, and how much it may be."""

    what: str
    counted: float
    most: float
    least: float = 0.0

    def holds(self) -> bool:
        return self.least <= self.counted <= self.most


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


class Redis:
    """A server of its own."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.port = free_port()
        command = ["redis-server", "--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(folder), "--save", ""]
        self.child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while self.ask("PING") != "PONG":
            if self.child.poll() is not None:
                raise SystemExit("redis-server did not start")
            time.sleep(0.01)

    def ask(self, *words: str) -> str:
        command = ["redis-cli", "-p", str(self.port), *words]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()

    def stats(self) -> dict[str, int]:
        found = {}
        for line in self.ask("INFO", "all").splitlines():
            name, _, value = line.partition(":")
            if name.startswith("cmdstat_"):
                found[name] = int(value.split("calls=")[1].split(",")[0])
            elif name in ("total_net_input_bytes", "total_net_output_bytes", "total_reads_processed"):
                found[name] = int(value)
        return found


class Service:
    """A service of its own."""

    def __init__(self, store: str, *settings: str) -> None:
        command = [TENURE, "serve", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--store", store]
        command += ["--set", "log.filter=warn", "--set", "grpc.threads=1", *settings]
        own = {name: value for name, value in os.environ.items() if not name.startswith("TENURE_")}
        self.child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=own)
        assert self.child.stdout
        self.url = "http://" + self.child.stdout.readline().split("grpc=")[1].split()[0]

    def bench(self, work: str, *more: str, duration: str = "2s") -> dict[str, Any]:
        """What `tenure bench` finds; every call was answered."""
        command = [TENURE, "bench", work, "--server", self.url, *SHAPE, *more, "--duration", duration, "-o", "json"]
        found = json.loads(subprocess.check_output(command, stderr=subprocess.DEVNULL))
        assert found["errors"] == {} and found["all"]["answered"] > 0, found
        return dict(found)


def traced(service: Service, folder: pathlib.Path) -> tuple[dict[str, int], int]:
    """The system calls of a run, by name, and its answers."""
    report = folder / "strace"
    tracer = subprocess.Popen(
        ["strace", "-f", "-c", "-o", str(report), "-p", str(service.child.pid)], stderr=subprocess.PIPE, text=True
    )
    assert tracer.stderr and "attached" in tracer.stderr.readline()
    found = service.bench("get")
    tracer.send_signal(signal.SIGINT)
    tracer.communicate(timeout=30)
    calls = {}
    for line in report.read_text().splitlines():
        words = line.split()
        if len(words) >= 5 and words[3].isdigit() and words[-1] != "total":
            calls[words[-1]] = int(words[3])
    # Making and deleting the sessions are calls, too.
    return calls, found["all"]["answered"] + 2 * found["shape"]["sessions"]


def of_memory(folder: pathlib.Path) -> list[Bound]:
    service = Service("memory:")
    try:
        calls, answers = traced(service, folder)
    finally:
        service.child.kill()
        service.child.wait()
    plain = Service("memory:", "--set", "grpc.coalesce_writes=false")
    try:
        plain_calls, plain_answers = traced(plain, folder)
    finally:
        plain.child.kill()
        plain.child.wait()

    def writes(found: dict[str, int]) -> int:
        return sum(found.get(name, 0) for name in ("write", "writev", "sendto", "sendmsg"))

    return [
        Bound("memory Get: system calls per answer", sum(calls.values()) / answers, 0.6),
        Bound("memory Get: writes per answer", writes(calls) / answers, 0.25),
        # The control: without gathering there is one for each answer at least, so the figure above means something.
        Bound("memory Get without coalesced writes: writes per answer", writes(plain_calls) / plain_answers, 4, 1),
    ]


def of_redis(folder: pathlib.Path) -> list[Bound]:
    redis = Redis(folder)
    service = Service(f"redis://127.0.0.1:{redis.port}")
    bounds = []
    try:
        # Scripts are loaded, and connections made, from here on.
        service.bench("mixed")
        for work, bytes_in, bytes_out in [("get", 700, 1800), ("update", 1100, 1800)]:
            service.bench(work, "--keep", "--no-request-ids", duration="200ms")
            before = redis.stats()
            found = service.bench(work, "--keep", "--no-request-ids")
            spent = {name: value - before.get(name, 0) for name, value in redis.stats().items()}
            answers = found["all"]["answered"]
            made = found["shape"]["sessions"]
            name = f"Redis {work.capitalize()}"
            scripts = spent["cmdstat_evalsha"]
            # One for each call, one for each session that was made, and those of the sweep that ran meanwhile.
            bounds += [
                Bound(f"{name}: scripts per call", (scripts - made) / answers, 1.01, 1),
                Bound(f"{name}: reads of the socket per call", spent["total_reads_processed"] / answers, 0.5),
                Bound(f"{name}: bytes to Redis per call", spent["total_net_input_bytes"] / answers, bytes_in),
                Bound(f"{name}: bytes from Redis per call", spent["total_net_output_bytes"] / answers, bytes_out),
            ]
    finally:
        for child in (service.child, redis.child):
            child.kill()
            child.wait()
    return bounds


def main() -> int:
    folder = pathlib.Path(tempfile.mkdtemp())
    try:
        bounds = of_memory(folder) + of_redis(folder)
    finally:
        shutil.rmtree(folder)
    for bound in bounds:
        within = f"{bound.least:g} to {bound.most:g}" if bound.least else f"at most {bound.most:g}"
        print(f"{'ok    ' if bound.holds() else 'FAILED'} {bound.what}: {bound.counted:.3f}; {within}")
    return 0 if all(bound.holds() for bound in bounds) else 1


if __name__ == "__main__":
    sys.exit(main())
