"""TLS on the gRPC port, with and without a client's certificate."""

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from support.pki import Authority, write_files
from support.server import Server, serving, tenure
from support.tls import config, connect, refuses, secure_channel
from support.wire import NAMESPACE, SessionServiceStub, calls, new_owner


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority("Tenure test CA")


@pytest.fixture(scope="module")
def mutual(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that wants a client certificate."""
    directory = tmp_path_factory.mktemp("mutual")
    write_files(directory, authority.server(), authority.certificate)
    with serving(directory, config(directory)) as server:
        yield server


def create_works(channel: grpc.Channel) -> bool:
    request = calls.CreateSessionRequest(namespace=NAMESPACE, owner=new_owner())
    return bool(SessionServiceStub(channel).CreateSession(request, timeout=30).created)


def test_a_client_with_a_certificate_is_served(mutual: Server, authority: Authority) -> None:
    with secure_channel(mutual, authority, authority.client()) as channel:
        assert create_works(channel)


def test_others_are_refused_and_do_no_harm(mutual: Server, authority: Authority) -> None:
    """No certificate, another authority's, and one that is not for clients."""
    stranger = Authority("Somebody else")
    for identity in (None, stranger.client(), authority.server()):
        assert refuses(mutual, authority, identity)
    with secure_channel(mutual, authority, authority.client()) as channel:
        assert create_works(channel)


def test_plain_text_is_refused(mutual: Server, authority: Authority) -> None:
    request = calls.CreateSessionRequest(namespace=NAMESPACE, owner=new_owner())
    with mutual.channel() as channel, pytest.raises(grpc.RpcError) as raised:
        SessionServiceStub(channel).CreateSession(request, timeout=30)
    assert raised.value.code() == grpc.StatusCode.UNAVAILABLE
    with secure_channel(mutual, authority, authority.client()) as channel:
        assert create_works(channel)


def test_without_a_client_authority_no_certificate_is_asked_for(authority: Authority, tmp_path: Path) -> None:
    identity = authority.server()
    write_files(tmp_path, identity, authority.certificate)
    with serving(tmp_path, config(tmp_path, client_ca=False)) as server:
        assert connect(server, authority, None) == identity.serial
        with secure_channel(server, authority, None) as channel:
            assert create_works(channel)


@pytest.mark.parametrize("missing", ["tls_cert", "tls_key"])
def test_half_a_configuration_refuses_to_start(authority: Authority, tmp_path: Path, missing: str) -> None:
    """Never open by mistake: the start fails, and says which setting is missing."""
    write_files(tmp_path, authority.server(), authority.certificate)
    kept = [line for line in config(tmp_path).splitlines() if not line.startswith(missing)]
    file = tmp_path / "half.toml"
    file.write_text("\n".join(kept))
    ended = tenure("serve", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--config", str(file))
    assert ended.returncode != 0
    assert missing in ended.stderr
    assert ended.stdout == ""
