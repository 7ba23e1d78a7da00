"""Certificates that change under a running server."""

from functools import partial
from pathlib import Path

import pytest

from support.pki import Authority, Identity, mount, write_files
from support.server import Server, serving
from support.tls import config, connect, refuses, secure_channel
from support.wait import eventually
from support.wire import NAMESPACE, SessionServiceStub, calls, new_owner


@pytest.fixture
def authority() -> Authority:
    return Authority("Tenure test CA")


def serves(server: Server, authority: Authority, client: Identity, identity: Identity) -> bool:
    return connect(server, authority, client) == identity.serial


def test_files_that_are_written_anew(authority: Authority, tmp_path: Path) -> None:
    """A new connection gets the new certificate; an open one goes on."""
    client, first, second = authority.client(), authority.server(), authority.server()
    write_files(tmp_path, first, authority.certificate)
    with (
        serving(tmp_path, config(tmp_path)) as server,
        secure_channel(server, authority, client) as channel,
    ):
        api = SessionServiceStub(channel)
        request = calls.CreateSessionRequest(namespace=NAMESPACE, owner=new_owner())
        assert api.CreateSession(request).created
        assert serves(server, authority, client, first)

        write_files(tmp_path, second, authority.certificate)
        eventually(lambda: serves(server, authority, client, second), "the new certificate")
        assert api.CreateSession(request).created


def test_a_secret_that_kubernetes_swaps(authority: Authority, tmp_path: Path) -> None:
    """`..data` is a link that changes in one step; the files themselves never do. Twice."""
    mounted, client = tmp_path / "mounted", authority.client()
    identities = [authority.server() for _ in range(3)]
    mount(mounted, "2026_01", identities[0], authority.certificate)
    with serving(tmp_path, config(mounted)) as server:
        assert serves(server, authority, client, identities[0])
        for number in (1, 2):
            mount(mounted, f"2026_0{number + 1}", identities[number], authority.certificate)
            is_served = partial(serves, server, authority, client, identities[number])
            eventually(is_served, "the new certificate")


def test_a_client_authority_that_is_replaced(authority: Authority, tmp_path: Path) -> None:
    """Its clients are refused from then on, those of the new one are served."""
    mounted, newer = tmp_path / "mounted", Authority("The next CA")
    identity, old_client, new_client = authority.server(), authority.client(), newer.client()
    mount(mounted, "2026_01", identity, authority.certificate)
    with serving(tmp_path, config(mounted)) as server:
        assert refuses(server, authority, new_client)
        mount(mounted, "2026_02", identity, newer.certificate)
        eventually(lambda: not refuses(server, authority, new_client), "the new authority")
        assert refuses(server, authority, old_client)


def test_a_broken_file_leaves_the_good_certificate_in_force(authority: Authority, tmp_path: Path) -> None:
    """Half a rollout must not take the service down; the next good one is taken."""
    client, first, second = authority.client(), authority.server(), authority.server()
    write_files(tmp_path, first, authority.certificate)
    with serving(tmp_path, config(tmp_path)) as server:
        (tmp_path / "tls.crt").write_text("not a certificate")
        eventually(lambda: "tls" in server.log.read_text().lower(), "a line in the log")
        assert serves(server, authority, client, first)
        write_files(tmp_path, second, authority.certificate)
        eventually(lambda: serves(server, authority, client, second), "the good certificate")
