"""Starts the real binary for tests: there is no fake to keep in step with it.

from tenure import sync, testing

with testing.serve() as server, sync.connect(server.address) as client:
    ...
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections import deque
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import IO

_LISTENING = re.compile(r"tenure listening grpc=(\S+) http=(\S+) store=(\S+)")


class StartFailed(RuntimeError):
    """The binary is not there, or ended before it served; the text ends with what it said."""


def binary() -> Path:
    """The binary that `TENURE_BIN` names, or the one on the path."""
    named = os.environ.get("TENURE_BIN")
    found = named if named and Path(named).is_file() else None if named else shutil.which("tenure")
    if found is None:
        raise StartFailed("no tenure binary: set TENURE_BIN, or put one on the path")
    return Path(found)


class Server:
    """A running service on free loopback ports, with its store in memory unless told otherwise."""

    def __init__(
        self,
        config: os.PathLike[str] | str | None,
        arguments: tuple[str, ...],
        listen: str,
        cwd: os.PathLike[str] | str | None,
    ) -> None:
        command = [
            str(binary().absolute()),
            "serve",
            "--listen",
            listen,
            "--http",
            "127.0.0.1:0",
            *(() if config is None else ("--config", os.fspath(config))),
            *arguments,
        ]
        # Settings of this process's own environment are not the tested service's.
        environment = {key: value for key, value in os.environ.items() if not key.startswith("TENURE_")}
        self._said: deque[str] = deque(maxlen=40)
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=cwd,
        )
        self._drain(self._process.stderr)
        self.address, self.http_address = self._addresses()

    def _addresses(self) -> tuple[str, str]:
        stdout = self._process.stdout
        for line in stdout or ():
            found = _LISTENING.search(line)
            if found:
                self._drain(stdout)
                return found[1], found[2]
        self.stop()
        raise StartFailed("tenure did not start:\n" + "".join(self._said))

    def _drain(self, pipe: IO[str] | None) -> None:
        """Keeps the last lines, so that the service never waits for a full pipe."""
        Thread(target=lambda: self._said.extend(pipe or ()), daemon=True).start()

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def kill(self) -> None:
        """Ends it at once, as a crash would."""
        self._process.kill()
        self._process.wait()

    def stop(self, timeout: float = 10.0) -> None:
        """Asks it to go, and waits."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()

    @property
    def log(self) -> str:
        """The last lines that it wrote."""
        return "".join(self._said)


def serve(
    *arguments: str,
    config: os.PathLike[str] | str | None = None,
    listen: str = "127.0.0.1:0",
    cwd: os.PathLike[str] | str | None = None,
) -> Server:
    """Starts `tenure serve` and returns when it serves. It ends with the `with` block.

    `cwd`: where it runs; paths in its configuration are relative to that.
    """
    return Server(config, arguments, listen, cwd)
