"""The HTTP port: what an orchestrator asks."""

import pytest

from support.probes import status
from support.server import Server


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_a_serving_server_is_alive_and_ready(server: Server, path: str) -> None:
    assert status(server, path) == 200


def test_an_unknown_page(server: Server) -> None:
    assert status(server, "/nonsense") == 404
