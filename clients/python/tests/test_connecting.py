"""How a client finds its service: arguments, environment, TLS."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme

import tenure
from tenure import testing
from tenure._settings import Settings, settings

from .scripted import Fail, Script, pb, scripted, session


def read(environment: dict[str, str] | None = None, **given: Any) -> Settings:
    arguments: dict[str, Any] = {
        "server": None,
        "tls": None,
        "ca": None,
        "cert": None,
        "key": None,
        "server_name": None,
        "token": None,
        "api_key": None,
        "allow_plaintext_token": False,
        "timeout": 10.0,
        "retries": 4,
        "keepalive": 30.0,
        **given,
    }
    return settings(environment=environment or {}, **arguments)


@pytest.mark.parametrize(
    ("server", "targets", "secure"),
    [
        (None, ["ipv4:127.0.0.1:7070"], False),
        ("tenure:7070", ["dns:///tenure:7070"], False),
        ("https://tenure.example:443/", ["dns:///tenure.example:443"], True),
        ("http://[::1]:7070", ["ipv6:[::1]:7070"], False),
        ("a:1, b:2", ["dns:///a:1", "dns:///b:2"], False),
        (["10.0.0.1:1", "10.0.0.2:1"], ["ipv4:10.0.0.1:1", "ipv4:10.0.0.2:1"], False),
        ("unix:/run/tenure.sock", ["unix:/run/tenure.sock"], False),
    ],
)
def test_addresses(server: str | Sequence[str] | None, targets: list[str], secure: bool) -> None:
    found = read(server=server)
    assert list(found.targets) == targets
    assert (found.credentials is not None) is secure


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"server": "no-port"}, "address"),
        ({"server": "host:http"}, "address"),
        ({"server": ""}, "address"),
        ({"server": "https://a:1,http://b:1"}, "disagree"),
        ({"server": "http://a:1", "tls": True}, "disagree"),
        ({"server": "a:1", "cert": b"x"}, "key"),
        ({"server": "a:1", "tls": False, "ca": b"x"}, "TLS is off"),
        ({"server": "a:1", "ca": "/nowhere/ca.pem"}, "ca:"),
        ({"server": "a:1", "token": "t", "api_key": "k"}, "not both"),
        ({"server": "a:1", "token": "t"}, "unencrypted"),
        ({"server": "127.0.0.1:1,10.0.0.1:1", "api_key": "t"}, "unencrypted"),
        ({"timeout": 0.0}, "timeout"),
    ],
)
def test_what_makes_no_connection_is_refused_at_once(given: dict[str, Any], why: str) -> None:
    with pytest.raises(tenure.InvalidConfiguration, match=why):
        read(**given)


def test_a_token_may_travel_plainly_where_it_stays() -> None:
    for server in ("127.0.0.1:1", "localhost:1", "[::1]:1", "unix:/x"):
        assert read(server=server, token="t").token == "t"
    assert read(server="a:1", token="t", allow_plaintext_token=True).token == "t"


def test_the_environment_fills_in() -> None:
    found = read({"TENURE_SERVER": "https://a:1", "TENURE_TOKEN": "t"})
    assert found.targets == ("dns:///a:1",)
    assert found.token == "t"
    assert read({"TENURE_SERVER": "a:1"}, server="b:1").targets == ("dns:///b:1",)
    assert read({"TENURE_API_KEY": "tnr_x"}).token == "tnr_x"


def test_only_one_secret_of_the_environment_can_be_sent() -> None:
    both = {"TENURE_TOKEN": "canary", "TENURE_API_KEY": "tnr_canary"}
    with pytest.raises(tenure.InvalidConfiguration, match=r"TENURE_TOKEN .* TENURE_API_KEY") as raised:
        read(both)
    assert "canary" not in str(raised.value)
    assert read(both, api_key="k").token == "k"


@pytest.mark.parametrize("token", ["", "two words", "a\n", "caf\u00e9"])
def test_a_token_that_fits_into_no_header_is_refused(token: str) -> None:
    client = tenure.sync.connect("127.0.0.1:1", token=lambda: token)
    with pytest.raises(tenure.InvalidConfiguration):
        client.namespace("crm").owner("acme", "ada").get("session-0123456789")
    with pytest.raises(tenure.InvalidConfiguration):
        tenure.sync.connect("127.0.0.1:1").namespace("crm").owner("acme", "ada", user_token=token)


def test_a_users_token_is_not_sent_where_others_can_read_it() -> None:
    crm = tenure.sync.connect("tenure.example:1").namespace("crm")
    with pytest.raises(tenure.InvalidConfiguration, match="unencrypted"):
        crm.owner("acme", "ada", user_token="canary")
    trusted = tenure.sync.connect("tenure.example:1", allow_plaintext_token=True)
    trusted.namespace("crm").owner("acme", "ada", user_token="t")


async def test_a_users_token_goes_with_each_request_of_its_owner() -> None:
    script = Script()
    script.answers["GetSession"] = [Fail(grpc.StatusCode.UNAVAILABLE)]
    script.last["InvalidateSessions"] = lambda _: pb.InvalidateSessionsResponse()
    numbers = iter(range(9))

    async def current() -> str:
        return f"t-{next(numbers)}"

    with scripted(script) as address:
        async with tenure.connect(address) as client:
            crm = client.namespace("crm")
            ada = crm.owner("acme", "ada", user_token=current)
            await ada.get("session-0123456789")
            await ada.invalidate("LOGGED_OUT")
            await crm.owner("acme", "bob", user_token="bobs").get("session-0123456789")
            await crm.owner("acme", "eve").get("session-0123456789")
    sent = [headers.get("tenure-user-token") for _, _, headers, _ in script.asked]
    assert sent == ["t-0", "t-1", "t-2", "bobs", None]


def test_a_call_has_ten_seconds_unless_told_otherwise() -> None:
    given: list[float] = []

    def answer(request: Any, context: grpc.ServicerContext) -> pb.GetSessionResponse:
        given.append(context.time_remaining())
        return pb.GetSessionResponse(session=session(request.session_id))

    script = Script()
    setattr(script, "GetSession", answer)  # noqa: B010
    with scripted(script) as address, tenure.sync.connect(address) as client:
        client.namespace("crm").owner("acme", "ada").get("session-0123456789")
        client.namespace("crm").owner("acme", "ada").get("session-0123456789", timeout=60.0)
    # gRPC rounds a deadline up on its way, so what arrives may be a little more than what was given.
    assert 5.0 < given[0] < 11.0
    assert 11.0 < given[1] < 61.0


class Certificates:
    """An authority with certificates for a service and a client."""

    def __init__(self, home: Path) -> None:
        authority = trustme.CA()
        server = authority.issue_cert("localhost", "127.0.0.1")
        client = authority.issue_cert("mcp-server.example")
        self.ca, self.server, self.server_key = home / "ca.pem", home / "server.pem", home / "server.key"
        self.client, self.client_key = home / "client.pem", home / "client.key"
        authority.cert_pem.write_to_path(str(self.ca))
        server.private_key_pem.write_to_path(str(self.server_key))
        client.private_key_pem.write_to_path(str(self.client_key))
        for path, chain in ((self.server, server.cert_chain_pems), (self.client, client.cert_chain_pems)):
            path.write_bytes(b"".join(each.bytes() for each in chain))
        for path in (self.server_key, self.client_key):
            path.chmod(0o600)

    def settings(self, *more: str) -> list[str]:
        given = [f"grpc.tls_cert={self.server}", f"grpc.tls_key={self.server_key}", *more]
        return [part for each in given for part in ("--set", each)]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def tls(binary: None, certificates: Certificates) -> Iterator[testing.Server]:
    with testing.serve(*certificates.settings()) as server:
        yield server


@pytest.fixture(scope="module")
def mutual(binary: None, certificates: Certificates) -> Iterator[testing.Server]:
    with testing.serve(*certificates.settings(f"grpc.tls_client_ca={certificates.ca}")) as server:
        yield server


def use(client: tenure.sync.Client) -> None:
    with client:
        sessions = client.namespace("tls").owner("acme", "ada")
        assert sessions.get(sessions.create(state={"a": 1}).id).state == {"a": 1}


def test_tls(tls: testing.Server, certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    use(tenure.sync.connect(tls.address, ca=certificates.ca))
    use(tenure.sync.connect(f"https://{tls.address}", ca=certificates.ca.read_bytes()))
    use(tenure.sync.connect(f"https://localhost:{tls.address.rpartition(':')[2]}", ca=str(certificates.ca)))
    monkeypatch.setenv("TENURE_SERVER", f"https://{tls.address}")
    monkeypatch.setenv("TENURE_TLS_CA", str(certificates.ca))
    use(tenure.sync.connect())


async def test_tls_with_asyncio(tls: testing.Server, certificates: Certificates) -> None:
    async with tenure.connect(f"https://{tls.address}", ca=certificates.ca) as client:
        assert (await client.namespace("tls").owner("acme", "ada").create()).revision == 1


def test_an_unknown_authority_is_refused(tls: testing.Server) -> None:
    with pytest.raises(tenure.Unavailable):
        use(tenure.sync.connect(tls.address, tls=True, retries=0))


def test_mutual_tls(mutual: testing.Server, certificates: Certificates) -> None:
    use(
        tenure.sync.connect(mutual.address, ca=certificates.ca, cert=certificates.client, key=certificates.client_key)
    )
    with pytest.raises(tenure.Unavailable):
        use(tenure.sync.connect(mutual.address, ca=certificates.ca, retries=0))
