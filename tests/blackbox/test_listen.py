"""Where the service listens: loopback only, as long as nobody has to say who calls."""

import socket
from pathlib import Path

import pytest

from support.healthy import assert_unharmed
from support.server import serving, tenure

ANYWHERE = "0.0.0.0:0"


def test_another_address_is_refused() -> None:
    """Open by mistake does not happen: the start fails, and says what would allow it."""
    ended = tenure("serve", "--listen", ANYWHERE, "--http", "127.0.0.1:0", "--store", "memory:")
    assert ended.returncode != 0
    assert "--insecure" in ended.stderr
    assert ended.stdout == ""


@pytest.mark.parametrize("said", ["flag", "file", "environment"])
def test_insecure_has_to_be_said(tmp_path: Path, said: str) -> None:
    """In any of the three places that settings come from."""
    arguments = ["--listen", ANYWHERE] + (["--insecure"] if said == "flag" else [])
    config = "[grpc]\ninsecure = true\n" if said == "file" else ""
    variables = {"TENURE_GRPC__INSECURE": "true"} if said == "environment" else {}
    with serving(tmp_path, config, *arguments, **variables) as server:
        server.grpc = server.grpc.replace("0.0.0.0", "127.0.0.1")  # noqa: S104
        with server.channel() as channel:
            assert_unharmed(server, channel)


@pytest.mark.parametrize("flag", ["--listen", "--http"])
def test_a_port_in_use(flag: str) -> None:
    """The start fails with the address in the text, not with a stack trace."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        other = "--http" if flag == "--listen" else "--listen"
        ended = tenure("serve", flag, address, other, "127.0.0.1:0", "--store", "memory:")
    assert ended.returncode != 0
    assert address in ended.stderr
    assert "panicked" not in ended.stderr


def test_ipv6_loopback(tmp_path: Path) -> None:
    if not socket.has_ipv6:
        pytest.fail("this machine has no IPv6")
    with (
        serving(tmp_path, "", "--listen", "[::1]:0") as server,
        server.channel() as channel,
    ):
        assert server.grpc.startswith("[::1]:")
        assert_unharmed(server, channel)
