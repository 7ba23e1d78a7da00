"""`tenure health`: what container engines, `helm test` and people ask."""

import socket
from pathlib import Path

from support.pki import Authority, write_files
from support.server import Server, serving, tenure
from support.tls import config


def test_a_serving_server_says_so_on_both_ports(server: Server) -> None:
    for arguments in (["--server", server.grpc], ["--http", server.http]):
        ended = tenure("health", *arguments)
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "serving\n", ""), arguments


def test_nobody_is_there() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for arguments in (["--server", address], ["--http", address]):
            ended = tenure("health", *arguments)
            assert (ended.returncode, ended.stdout) == (5, ""), arguments
            assert f"{address} cannot be reached" in ended.stderr


def test_a_server_whose_store_is_away_is_not_ready(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        away = f"redis://127.0.0.1:{taken.getsockname()[1]}"
        with serving(tmp_path, "", "--store", away) as server:
            asked = tenure("health", "--http", server.http)
            assert asked.returncode == 5
            assert "is not ready: 503" in asked.stderr
            asked = tenure("health", "--server", server.grpc)
            assert asked.returncode == 5
            assert "is not serving" in asked.stderr


def test_over_tls(tmp_path: Path) -> None:
    """Health wants the port's authority trusted, and a certificate where the port wants one; the HTTP port neither."""
    authority = Authority("Tenure test CA")
    write_files(tmp_path, authority.server(), authority.certificate)
    ca = tmp_path / "authority.pem"
    ca.write_bytes(authority.certificate)
    client = authority.client()
    (tmp_path / "client.pem").write_bytes(client.certificate)
    (tmp_path / "client.key").write_bytes(client.key)
    identity = ["--tls-cert", str(tmp_path / "client.pem"), "--tls-key", str(tmp_path / "client.key")]
    with serving(tmp_path, config(tmp_path)) as server:
        trusting = ["health", "--server", server.grpc, "--tls-ca", str(ca)]
        assert tenure(*trusting, *identity).stdout == "serving\n"
        assert tenure(*trusting).returncode == 5
        assert tenure("health", "--server", f"https://{server.grpc}", *identity).returncode == 5
        assert tenure("health", "--http", server.http).stdout == "serving\n"


def test_an_address_that_is_none() -> None:
    assert tenure("health", "--server", "http://a b").returncode == 2
