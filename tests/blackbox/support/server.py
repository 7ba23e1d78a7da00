"""The real binary, started and ended."""

import functools
import os
import queue
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from grpc import Channel, insecure_channel

from support.paths import binary

LISTENING = re.compile(r"tenure listening grpc=(\S+) http=(\S+) store=(\S+)")
START_WITHIN = 30.0
END_WITHIN = 60.0


def clean_environment(**variables: str) -> dict[str, str]:
    """This process's environment without settings that are meant for somebody else's Tenure."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TENURE_")} | variables


def tenure(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs a command that ends by itself."""
    return subprocess.run(
        [str(binary()), *arguments],
        env=clean_environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=END_WITHIN,
        check=False,
    )


@dataclass
class Server:
    """A running `tenure serve`."""

    process: subprocess.Popen[str]
    log: Path
    grpc: str
    http: str
    store: str

    def channel(self, *options: tuple[str, str | int]) -> Channel:
        """A connection of its own: channels with equal options share one otherwise."""
        return insecure_channel(self.grpc, options=[("grpc.use_local_subchannel_pool", 1), *options])

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        """Waits for the end and returns the exit code."""
        return self.process.wait(END_WITHIN)

    def stop(self) -> int:
        """Asks it to end, as an orchestrator does, and returns the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def is_running(self) -> bool:
        return self.process.poll() is None


@functools.cache
def key() -> str:
    """A key-encryption key, the same for all servers of a run."""
    return tenure("keys", "new").stdout.strip()


@contextmanager
def serving(directory: Path, config: str = "", *arguments: str, **variables: str) -> Iterator[Server]:
    """A server on free ports with this configuration. It is ended with the block, if it has not ended."""
    config_file = directory / "tenure.toml"
    config_file.write_text(config)
    log = directory / "tenure.log"
    command = [str(binary()), "serve", "--config", str(config_file)]
    store_under_test = os.environ.get("TENURE_TESTS_STORE", "memory:")
    defaults = {"--listen": "127.0.0.1:0", "--http": "127.0.0.1:0", "--store": store_under_test}
    for flag, value in defaults.items():
        if flag not in arguments:
            command += [flag, value]
    if "[keys]" not in config:
        # Any store but the one in memory needs a key for credentials.
        variables.setdefault("TENURE_KEYS__INLINE", key())
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [*command, *arguments],
            env={name: value for name, value in clean_environment(**variables).items() if value},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    try:
        grpc_address, http_address, store = _announced(process, log)
        yield Server(process, log, grpc_address, http_address, store)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(END_WITHIN)
        if process.stdout:
            process.stdout.close()


def _announced(process: subprocess.Popen[str], log: Path) -> tuple[str, str, str]:
    """The line that says that it serves, and where."""
    assert process.stdout
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=lambda out=process.stdout: lines.put(out.readline()), daemon=True).start()
    try:
        line = lines.get(timeout=START_WITHIN)
    except queue.Empty:
        line = ""
    found = LISTENING.fullmatch(line.strip())
    if not found:
        raise AssertionError(f"the server did not start; stdout {line!r}, stderr:\n{log.read_text()}")
    return found[1], found[2], found[3]
