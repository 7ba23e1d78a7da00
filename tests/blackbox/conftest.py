"""One server for all tests that do not need their own."""

from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from support.server import Server, serving
from support.wire import SessionServiceStub, new_owner

# Small limits, each in a namespace of its own, so that no test needs many calls to reach one.
CONFIG = """
[namespaces.small-state]
state_bytes = 512
state_keys = 4
state_key_bytes = 16
state_depth = 4

[namespaces.few-sessions]
sessions_per_owner = 2

[namespaces.evicting]
sessions_per_owner = 2
at_session_limit = "end_least_recent"

[namespaces.few-claims]
claims_per_owner = 2

[namespaces.short-lives]
idle_ttl = "2m"
max_lifetime = "4m"
idle_ttl_max = "5m"
max_lifetime_max = "10m"

[namespaces.forgetful]
tombstone_ttl = "1s"

[namespaces.public]
allow_anonymous = true
anonymous_sessions = 2

[namespaces.chatty]
watch_updates = true
"""


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("server"), CONFIG) as running:
        yield running
        assert running.is_running(), f"the server died:\n{running.log.read_text()}"
        assert running.stop() == 0


@pytest.fixture(scope="session")
def channel(server: Server) -> Iterator[grpc.Channel]:
    with server.channel() as connected:
        yield connected


@pytest.fixture(scope="session")
def api(channel: grpc.Channel) -> Any:
    return SessionServiceStub(channel)


@pytest.fixture
def owner() -> Any:
    return new_owner()
