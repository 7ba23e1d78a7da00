"""The servers that the tests talk to."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tenure import testing

from .vectors import VECTORS

BUILT = Path(__file__).resolve().parents[3] / "target" / "debug" / "tenure"


@pytest.fixture(autouse=True, scope="session")
def binary() -> Iterator[None]:
    """The binary: that of TENURE_BIN, or the one of a debug build."""
    with pytest.MonkeyPatch.context() as patch:
        if not os.environ.get("TENURE_BIN"):
            patch.setenv("TENURE_BIN", str(BUILT))
        yield


@pytest.fixture(scope="session")
def server_of(binary: None) -> Iterator[Callable[[str], testing.Server]]:
    """The server with a configuration of the vectors, started once."""
    running: dict[str, testing.Server] = {}

    def started(name: str) -> testing.Server:
        if name not in running:
            running[name] = testing.serve(config=f"{name}.toml", cwd=VECTORS / "servers")
        return running[name]

    yield started
    for server in running.values():
        server.stop()


@pytest.fixture(scope="session")
def server(server_of: Callable[[str], testing.Server]) -> testing.Server:
    """The standard server."""
    return server_of("standard")
