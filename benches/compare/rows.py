"""The rows of the table: each says what it compares, measures both in turns, and holds the result against its goal."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass

import load
import machine
from load import Shot, Target
from machine import HERE, NODE, PYTHON, Machine


@dataclass
class Effort:
    """How thoroughly to measure."""

    rounds: int
    seconds: float


@dataclass
class Figure:
    """A measured figure beside its goal."""

    name: str
    measured: str
    goal: str = ""
    reached: bool | None = None

    def line(self) -> str:
        verdict = {None: "", True: "reached", False: "NOT REACHED"}[self.reached]
        return f"| {self.name} | {self.measured} | {self.goal} | {verdict} |"


Row = Callable[[Machine, Effort], list[Figure]]
ROWS: dict[str, Row] = {}


def row(name: str) -> Callable[[Row], Row]:
    def keep(measure: Row) -> Row:
        ROWS[name] = measure
        return measure

    return keep


def in_turns(
    box: Machine, targets: list[Target], effort: Effort, connections: int = 4, in_flight: int = 16, each: bool = False
) -> dict[str, list[Shot]]:
    """Shots at each target, one after the other, round for round; the first round only warms up."""
    calls = {}
    for target in targets:
        quick = target.shoot(box, 4000, connections, in_flight)
        calls[target.name] = max(1000, int(quick.per_second * effort.seconds))
    shots: dict[str, list[Shot]] = {target.name: [] for target in targets}
    for _ in range(effort.rounds):
        for target in targets:
            shots[target.name].append(target.shoot(box, calls[target.name], connections, in_flight, each))
    return shots


def ratio(ours: list[float], theirs: list[float]) -> float:
    """The median of the rounds' ratios: what disturbs a round disturbs both."""
    return statistics.median(mine / other for mine, other in zip(ours, theirs, strict=True))


def rates(shots: list[Shot]) -> list[float]:
    return [shot.per_second for shot in shots]


def cpu(shots: list[Shot], process: str = "server") -> list[float]:
    return [shot.cpu_us[process] for shot in shots]


def described(name: str, shots: list[Shot]) -> Figure:
    spent = ", ".join(f"{process} {statistics.median(cpu(shots, process)):.1f} us" for process in shots[0].cpu_us)
    return Figure(f"- {name}", f"{statistics.median(rates(shots)) / 1000:.1f} k/s; {spent} of CPU")


def at_least(name: str, value: float, goal: float) -> Figure:
    return Figure(name, f"{value:.2f}x", f">= {goal}x", value >= goal)


def at_most(name: str, value: float, goal: float, unit: str = "x") -> Figure:
    return Figure(
        name,
        f"{value:.2f}{unit}" if unit == "x" else f"{value:.1f} {unit}",
        f"<= {goal:g}{unit if unit == 'x' else ' ' + unit}",
        value <= goal,
    )


@row("memory-get")
def memory_get(box: Machine, effort: Effort) -> list[Figure]:
    """Get from the memory store against a bare echo."""
    echo, ours = load.echo(box.compare("echo")), load.get(box.tenure())
    shots = in_turns(box, [echo, ours], effort)
    mine, theirs = shots[ours.name], shots[echo.name]
    return [
        at_least("memory Get against echo: requests", ratio(rates(mine), rates(theirs)), 1.6),
        at_most("memory Get against echo: CPU", ratio(cpu(mine), cpu(theirs)), 0.65),
        *(described(name, found) for name, found in shots.items()),
    ]


@row("redis-get")
def redis_get(box: Machine, effort: Effort) -> list[Figure]:
    """Get from Redis against a bare echo and against a pool-per-request service."""
    redis = box.redis()
    server = box.tenure(f"redis://127.0.0.1:{redis.port}")
    echo = load.echo(box.compare("echo"))
    pool = load.pool(box.compare("pool", f"redis://127.0.0.1:{redis.port}"), redis)
    ours = load.get(server, redis=redis)
    shots = in_turns(box, [echo, ours, pool], effort)
    mine, theirs, pooled = shots[ours.name], shots[echo.name], shots[pool.name]
    return [
        at_least("Redis Get against echo: requests", ratio(rates(mine), rates(theirs)), 0.9),
        at_least("Redis Get against pool per request: requests", ratio(rates(mine), rates(pooled)), 4),
        at_most("Redis Get against pool per request: CPU of the service", ratio(cpu(mine), cpu(pooled)), 0.25),
        *(described(name, found) for name, found in shots.items()),
    ]


@row("raw-redis")
def raw_redis(box: Machine, effort: Effort) -> list[Figure]:
    """Get from Redis against redis-benchmark's plain GET on as many connections as there are calls in flight."""
    redis = box.redis()
    ours = load.get(box.tenure(f"redis://127.0.0.1:{redis.port}"), redis=redis)
    subprocess.run(
        ["redis-cli", "-p", str(redis.port), "SET", "key:__rand_int__", "x" * 1024],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    raw = []
    mine = []
    for _ in range(effort.rounds):
        mine += in_turns(box, [ours], Effort(1, effort.seconds))[ours.name]
        command = [
            "redis-benchmark",
            "-p",
            str(redis.port),
            "-c",
            "64",
            "-n",
            "200000",
            "-q",
            "--csv",
            "GET",
            "key:__rand_int__",
        ]
        out = subprocess.check_output(command, text=True)
        raw.append(float(out.splitlines()[-1].split('","')[1].strip('"')))
    return [
        Figure(
            "Redis Get against raw Redis (64 connections, one GET each): requests", f"{ratio(rates(mine), raw):.2f}x"
        ),
        Figure("- raw Redis GET", f"{statistics.median(raw) / 1000:.1f} k/s"),
        described(ours.name, mine),
    ]


@row("one-in-flight")
def one_in_flight(box: Machine, effort: Effort) -> list[Figure]:
    """The median latency of one call at a time over that of a bare echo."""
    redis = box.redis()
    echo = load.echo(box.compare("echo"))
    memory = load.get(box.tenure(), "memory")
    over_redis = load.get(box.tenure(f"redis://127.0.0.1:{redis.port}"), "redis", redis)
    shots = in_turns(box, [echo, memory, over_redis], effort, 1, 1, each=True)

    def over(name: str) -> float:
        pairs = zip(shots[name], shots[echo.name], strict=True)
        return statistics.median(mine.p50_us - theirs.p50_us for mine, theirs in pairs)

    base = statistics.median(shot.p50_us for shot in shots[echo.name])
    return [
        at_most("one in flight, p50 over echo: memory", over("memory"), 10, "us"),
        at_most("one in flight, p50 over echo: Redis", over("redis"), 50, "us"),
        Figure("- stock tonic echo", f"p50 {base:.0f} us"),
    ]


@row("update")
def update(box: Machine, effort: Effort) -> list[Figure]:
    """Update against Get, over 1,000 sessions, with and without request ids."""
    figures = []
    redis = box.redis()
    stores = {"Redis": box.tenure(f"redis://127.0.0.1:{redis.port}"), "memory": box.tenure()}
    for store, server in stores.items():
        kinds = {"Get": ["get"], "Update": ["update", "--no-request-ids"], "Update with request ids": ["update"]}
        found: dict[str, list[tuple[float, float]]] = {kind: [] for kind in kinds}
        for _ in range(effort.rounds):
            for kind, arguments in kinds.items():
                length = ["--duration", f"{int(effort.seconds * 1000)}ms", "--warm-up", "300ms"]
                result = load.bench(server, *arguments, *length)
                one = result["all"]["per_second"], result["cpu"][0]["us_per_call"]
                found[kind].append(one)
        base = [rate for rate, _ in found["Get"]]
        for kind in ["Update", "Update with request ids"]:
            share = ratio([rate for rate, _ in found[kind]], base)
            name = f"{kind} against Get on {store}: requests"
            judged = store == "Redis"
            figures.append(at_least(name, share, 0.7) if judged else Figure(name, f"{share:.2f}x"))
        for kind, shots in found.items():
            middle = [statistics.median(values) for values in zip(*shots, strict=True)]
            figures.append(Figure(f"- {store} {kind}", f"{middle[0] / 1000:.1f} k/s; server {middle[1]:.1f} us of CPU"))
    return figures


@row("features")
def features(box: Machine, effort: Effort) -> list[Figure]:
    """What can be switched off, and what it costs or spares a Get from the memory store."""
    whole = load.get(box.tenure(), "all on")
    audit = ("audit.sink=file", f"audit.directory={box.folder / 'audit'}")
    targets = [
        whole,
        load.get(box.tenure(without=("keys",)), "without callers' keys and policy"),
        load.get(box.tenure(without=("log",)), "with a log of level warn"),
        load.get(box.tenure(without=("traces",)), "without traces"),
        load.get(box.tenure(without=("keys", "log", "traces")), "without all three"),
        load.get(box.tenure(more=("grpc.coalesce_writes=false",)), "without coalesced writes"),
        load.get(box.tenure(threads=2), "with two threads"),
        load.get(box.tenure(more=audit), "with an audit, a line for each call"),
    ]
    shots = in_turns(box, targets, effort)
    base = cpu(shots[whole.name])
    figures = [described("Get, memory, all on", shots[whole.name])]
    for target in targets[1:]:
        spared = statistics.median(mine - other for mine, other in zip(base, cpu(shots[target.name]), strict=True))
        share = ratio(rates(shots[target.name]), rates(shots[whole.name]))
        figures.append(Figure(f"- {target.name}", f"{-spared:+.2f} us of CPU; {share:.2f}x requests"))
    return figures


@row("session-bytes")
def session_bytes(box: Machine, effort: Effort) -> list[Figure]:
    """What a session takes beside its payload, in the service with its memory store, and in Redis."""
    count = 100_000
    # Keys and values; their frames in a message count as the session's own.
    payload = 10 * (len("key-0") + 102)
    arguments = [
        "get",
        "--keep",
        "--tenant",
        "counted",
        "--sessions",
        str(count),
        "--duration",
        "100ms",
        "--warm-up",
        "0ms",
        "--no-request-ids",
    ]
    memory = box.tenure()
    # The log of events has its full length before anything is counted.
    load.bench(
        memory, "get", "--keep", "--sessions", "70000", "--duration", "100ms", "--warm-up", "0ms", "--no-request-ids"
    )
    before = memory.resident_bytes()
    load.bench(memory, *arguments)
    in_memory = (memory.resident_bytes() - before) / count - payload
    redis = box.redis()
    server = box.tenure(f"redis://127.0.0.1:{redis.port}")

    def used() -> int:
        """Without the logs of events, which have a length of their own."""
        script = """local sum = 0
            for _, key in ipairs(redis.call('KEYS', '*:e')) do
                sum = sum + redis.call('MEMORY', 'USAGE', key, 'SAMPLES', '0')
            end
            return sum"""
        logs = int(subprocess.check_output(["redis-cli", "-p", str(redis.port), "EVAL", script, "0"]))
        whole = machine.ask_redis(redis.port, b"INFO memory\r\n").split(b"used_memory:")[1].split(b"\r")[0]
        return int(whole) - logs

    load.bench(server, "get", "--sessions", "10", "--duration", "500ms", "--warm-up", "0ms", "--no-request-ids")
    before = used()
    load.bench(server, *arguments)
    in_redis = (used() - before) / count - payload
    return [
        at_most("a session over its payload: memory store", in_memory, 250, "B"),
        at_most("a session of 10 keys over its payload: Redis", in_redis, 1024, "B"),
    ]


@row("invalidate")
def invalidate(box: Machine, effort: Effort) -> list[Figure]:
    """How long it takes until a tenant's sessions are dead."""
    figures = []
    redis = box.redis()
    for store, count in [("memory:", 300_000), (f"redis://127.0.0.1:{redis.port}", 100_000)]:
        server = box.tenure(store)
        length = ["--duration", "100ms", "--warm-up", "0ms", "--payload", "100", "--keys", "1", "--no-request-ids"]
        load.bench(server, "get", "--keep", "--sessions", str(count), *length)
        arguments = ["session", "invalidate", "--tenant", "bench", "--reason", "password-changed"]
        started = time.monotonic()
        server.call(*arguments)
        took = (time.monotonic() - started) * 1000
        kind = "Redis" if "redis" in store else "memory"
        figures.append(
            at_most(f"a tenant's {count} sessions are dead after (command and all): {kind}", took, 100, "ms")
        )
    return figures


@row("start")
def start(box: Machine, effort: Effort) -> list[Figure]:
    """From starting the process to ready, with the memory store."""
    times = []
    for _ in range(max(effort.rounds, 11)):
        started = time.monotonic()
        server = box.tenure(threads=None)
        started = max(started, server.started)
        ready = f"http://127.0.0.1:{server.http_port}/readyz"
        while True:
            try:
                urllib.request.urlopen(ready, timeout=1).close()
                break
            except urllib.error.HTTPError:
                continue
        times.append((time.monotonic() - started) * 1000)
        server.end()
    return [at_most("start to ready, memory store", statistics.median(times), 50, "ms")]


@row("python")
def python(box: Machine, effort: Effort) -> list[Figure]:
    """The Python client against the patterns with redis-py, 64 at once."""
    redis, store = box.redis(), box.redis()
    server = box.tenure(f"redis://127.0.0.1:{store.port}", threads=None)
    theirs = [PYTHON, HERE / "clients" / "redis_py.py", f"redis://127.0.0.1:{redis.port}", str(effort.seconds)]
    ours = [PYTHON, HERE / "clients" / "tenure_py.py", str(effort.seconds)]
    found: dict[str, list[float]] = {}
    for _ in range(effort.rounds):
        for kind, rate in [*load.program(theirs, {}).items(), *load.program(ours, server.env()).items()]:
            found.setdefault(kind, []).append(rate)
    return [
        at_least(
            "Python client, 64 at once: get against redis-py GET+SET",
            ratio(found["tenure get"], found["redis-py GET+SET"]),
            2,
        ),
        at_least(
            "Python client, 64 at once: get against redis-py GET+SET+index",
            ratio(found["tenure get"], found["redis-py GET+SET+index"]),
            3,
        ),
        *(Figure(f"- {kind}", f"{statistics.median(rate):.0f}/s") for kind, rate in found.items()),
    ]


@row("node")
def node(box: Machine, effort: Effort) -> list[Figure]:
    """The Node client against the patterns with ioredis: 64 at once, and one at a time."""
    redis, store = box.redis(), box.redis()
    server = box.tenure(f"redis://127.0.0.1:{store.port}", threads=None)
    env = {"IOREDIS": str(NODE / "node_modules" / "ioredis" / "built" / "index.js")}
    theirs: list[object] = [
        "node",
        HERE / "clients" / "ioredis.mjs",
        f"redis://127.0.0.1:{redis.port}",
        str(effort.seconds),
    ]
    ours: list[object] = ["node", HERE / "clients" / "tenure_node.mjs", str(effort.seconds)]
    found: dict[str, list[float]] = {}
    for _ in range(effort.rounds):
        for kind, value in [*load.program(theirs, env).items(), *load.program(ours, server.env()).items()]:
            found.setdefault(kind, []).append(value)
    return [
        Figure(
            "Node client, 64 at once: get against ioredis GET+SET",
            f"{ratio(found['tenure get'], found['ioredis GET+SET']):.2f}x",
            "later",
        ),
        Figure(
            "Node client, 64 at once: get and update against ioredis GET+SET",
            f"{ratio(found['tenure get and update'], found['ioredis GET+SET']):.2f}x",
            "later",
        ),
        Figure(
            "Node client, one at a time: p50 of get against ioredis GET+SET",
            f"{ratio(found['tenure get, p50 us'], found['ioredis GET+SET, p50 us']):.2f}x",
            "later",
        ),
        *(
            Figure(f"- {kind}", f"{statistics.median(values):.0f}{'' if 'us' in kind else '/s'}")
            for kind, values in found.items()
        ),
    ]


@row("store")
def store(box: Machine, effort: Effort) -> list[Figure]:
    """The memory store with 1,000 and with 1,000,000 sessions (COMPARE_SESSIONS=5000000 for more), and its sweep."""
    large = int(os.environ.get("COMPARE_SESSIONS", "1000000"))
    server = box.tenure()
    length = ["--duration", f"{int(effort.seconds * 1000)}ms", "--warm-up", "300ms", "--no-request-ids"]
    none = ["--duration", "1ms", "--warm-up", "0ms", "--no-request-ids"]
    load.bench(server, "get", "--keep", "--tenant", "before", "--sessions", "70000", *none)

    def among_few() -> list[float]:
        """Measured before and after the others: a machine's speed changes in the minutes between."""
        return [float(load.bench(server, "get", *length)["all"]["per_second"]) for _ in range(effort.rounds)]

    few = among_few()
    before = server.resident_bytes()
    found = load.bench(server, "get", "--keep", "--tenant", "many", "--sessions", str(large), *length)
    taken = (server.resident_bytes() - before) / large - 10 * (len("key-0") + 102)
    many = float(found["all"]["per_second"])
    few += among_few()
    started = time.monotonic()
    server.call("session", "invalidate", "--tenant", "many", "--reason", "password-changed")
    took = (time.monotonic() - started) * 1000
    # The sweep clears all of it away meanwhile; whoever calls while it holds a thread or a lock waits.
    probe = ["--tenant", "probe", "--rate", "2000", "--connections", "1", "--sessions", "100", *length]
    waited = max(float(load.bench(server, "get", *probe)["all"]["latency_us"]["max"]) for _ in range(2)) / 1000
    return [
        at_least(f"memory store, Get among {large} sessions against 1000", many / statistics.median(few), 0.75),
        at_most(f"a tenant's {large} sessions are dead after (command and all)", took, 100, "ms"),
        at_most("longest wait of any call while the sweep clears them away", waited, 5, "ms"),
        Figure(f"- a session over its payload, of {large}", f"{taken:.0f} B"),
    ]
