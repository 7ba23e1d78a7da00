"""What runs on the machine: programs that are built, servers that are started, and the CPU they take."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time
from types import TracebackType
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
BUILT = TARGET / "compare"
TENURE = pathlib.Path(os.environ.get("TENURE_BIN", TARGET / "release" / "tenure")).resolve()
COMPARE = BUILT / "release" / "compare"
PYTHON = BUILT / "venv" / "bin" / "python"
NODE = BUILT / "node"

IOREDIS = "5.8.2"
REDIS_PY = "6.4.0"
# As docs/REDIS.md advises.
TUNED = ["--maxmemory-policy", "noeviction", "--hash-max-listpack-value", "4096", "--hash-max-listpack-entries", "512"]
TICKS = os.sysconf("SC_CLK_TCK")


def build(rows: list[str]) -> None:
    """Builds and installs what these rows need. What is there already is left alone."""
    for command, package in [("h2load", "nghttp2-client"), ("redis-server", "redis-server")]:
        if not shutil.which(command):
            raise SystemExit(f"{command} is missing: apt-get install {package}")
    own = {**os.environ, "CARGO_TARGET_DIR": str(TARGET)}
    if "TENURE_BIN" not in os.environ:
        subprocess.run(["cargo", "build", "--locked", "--release", "--bin", "tenure"], cwd=ROOT, env=own, check=True)
    theirs = {**os.environ, "CARGO_TARGET_DIR": str(BUILT)}
    subprocess.run(["cargo", "build", "--locked", "--release"], cwd=HERE / "programs", env=theirs, check=True)
    if "python" in rows and not PYTHON.exists():
        subprocess.run(["python3", "-m", "venv", "--clear", PYTHON.parents[1]], check=True)
        pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, f"redis=={REDIS_PY}", str(ROOT / "clients" / "python")], check=True)
    if "node" in rows and not (NODE / "node_modules" / "ioredis").exists():
        NODE.mkdir(parents=True, exist_ok=True)
        (NODE / "package.json").write_text('{"private": true}')
        npm = ["npm", "install", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run([*npm, f"ioredis@{IOREDIS}"], cwd=NODE, check=True)
        client = ROOT / "clients" / "typescript"
        if not (client / "node_modules").exists():
            subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=client, check=True)
        subprocess.run(["npm", "run", "--silent", "compile"], cwd=client, check=True)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


class Process:
    """A server that ends with the machine."""

    def __init__(self, command: list[Any], env: dict[str, str] | None = None, log: pathlib.Path | None = None) -> None:
        self.log = log.open("w") if log else subprocess.DEVNULL
        variables = {name: value for name, value in os.environ.items() if not name.startswith("TENURE_")}
        self.child = subprocess.Popen(
            [str(word) for word in command],
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            env={**variables, **(env or {})},
        )
        self.name = str(command[0])
        self.port = 0
        self.started = time.monotonic()

    def first_line(self) -> str:
        assert self.child.stdout
        line = self.child.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} did not start")
        return line

    def cpu(self) -> float:
        """Seconds so far, of user and system."""
        fields = pathlib.Path(f"/proc/{self.child.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def resident_bytes(self) -> int:
        for line in pathlib.Path(f"/proc/{self.child.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise SystemExit("the process is gone")

    def end(self) -> None:
        self.child.kill()
        self.child.wait()


class Machine:
    """What a row has started. All of it ends with the row."""

    def __init__(self) -> None:
        self.processes: list[Process] = []
        self.sink: Process | None = None
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="compare-"))

    def __enter__(self) -> Machine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self.processes:
            process.end()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self, command: list[Any], env: dict[str, str] | None = None) -> Process:
        log = self.folder / f"{len(self.processes)}.log"
        process = Process(command, env, log)
        self.processes.append(process)
        return process

    def redis(self) -> Process:
        port = free_port()
        process = self._start(
            ["redis-server", "--bind", "127.0.0.1", "--port", port, "--dir", self.folder, "--save", "", *TUNED]
        )
        process.port = port
        while b"PONG" not in ask_redis(port, b"PING\r\n"):
            time.sleep(0.01)
        return process

    def collector(self) -> int:
        """The port of something that speaks gRPC."""
        if not self.sink:
            self.sink = self.compare("echo")
        return self.sink.port

    def compare(self, *arguments: object) -> Process:
        process = self._start([COMPARE, *arguments])
        process.port = int(process.first_line().rpartition(":")[2])
        return process

    def tenure(
        self, store: str = "memory:", threads: int | None = 1, without: tuple[str, ...] = (), more: tuple[str, ...] = ()
    ) -> Tenure:
        """A service with all that production has, except for what is named."""
        tenure = Tenure(self, store, threads, without, more)
        self.processes.append(tenure)
        return tenure


class Tenure(Process):
    """The service, with metrics, limits, traces of 1% of the calls, a log of level info and callers with API keys."""

    def __init__(
        self, box: Machine, store: str, threads: int | None, without: tuple[str, ...], more: tuple[str, ...]
    ) -> None:
        self.key = ""
        # A line for each session that is made or ended would measure the disk; the calls' spans are on.
        lines = ["[log]", 'filter = "warn"' if "log" in without else 'filter = "info,tenure::lifecycle=warn"']
        if "keys" not in without:
            made = json.loads(subprocess.check_output([TENURE, "apikey", "new", "-o", "json"]))
            self.key = made["key"]
            lines += ["[callers.apikey.bench]", f'hashes = ["{made["hash"]}"]']
            lines += [
                "[policy.bench]",
                'callers = ["apikey:bench"]',
                'allow = ["server", "events", "InvalidateWide"]',
                'namespaces = ["bench"]',
            ]
        if "traces" not in without:
            # Whoever listens there refuses what it is sent: what a call costs is to make and to send it.
            lines += ["[telemetry]", f'otlp_endpoint = "http://127.0.0.1:{box.collector()}"', "trace_ratio = 0.01"]
        config = box.folder / f"tenure-{len(box.processes)}.toml"
        config.write_text("\n".join(lines) + "\n")
        settings = ["--set", "store.max_sessions=20000000", "--set", "store.max_bytes=20GiB"]
        if threads:
            settings += ["--set", f"grpc.threads={threads}"]
        for setting in more:
            settings += ["--set", setting]
        super().__init__(
            [
                TENURE,
                "serve",
                "--config",
                config,
                "--listen",
                "127.0.0.1:0",
                "--http",
                "127.0.0.1:0",
                "--store",
                store,
                *settings,
            ],
            log=box.folder / f"tenure-{len(box.processes)}.log",
        )
        self.line = self.first_line()
        self.port = int(self.line.split("grpc=")[1].split()[0].rpartition(":")[2])
        self.http_port = int(self.line.split("http=")[1].split()[0].rpartition(":")[2])
        self.url = f"http://127.0.0.1:{self.port}"

    def env(self) -> dict[str, str]:
        """For a command that calls it."""
        found = {"TENURE_SERVER": self.url, "TENURE_NAMESPACE": "bench"}
        return {**found, "TENURE_API_KEY": self.key} if self.key else found

    def call(self, *arguments: str) -> Any:
        """What a command of `tenure` answers, as JSON."""
        answer = subprocess.check_output([TENURE, *arguments, "-o", "json"], env={**os.environ, **self.env()})
        return json.loads(answer)


def ask_redis(port: int, command: bytes) -> bytes:
    """The first bytes of what Redis says to an inline command."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(command)
            return connection.recv(65536)
    except OSError:
        return b""
