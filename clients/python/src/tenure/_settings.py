"""How to connect: arguments over `TENURE_*` environment variables, checked before anything is opened."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from ._version import VERSION
from .errors import InvalidConfiguration

Pem = str | bytes | os.PathLike[str]
"""A PEM file's path, or its content as bytes."""

TokenSource = str | Callable[[], Any]
"""A token, or a function that gives one. It is called for each request."""

_MAX_MESSAGE_BYTES = 256 * 1024 * 1024
_TOKEN = re.compile(r"[!-~]+")


@dataclass(frozen=True)
class Settings:
    """A checked set of settings."""

    targets: tuple[str, ...]
    credentials: grpc.ChannelCredentials | None
    token: TokenSource | None
    confidential: bool
    """Whether nobody on the way can read what is sent."""
    timeout: float
    retries: int
    options: tuple[tuple[str, Any], ...]


def settings(
    *,
    server: str | Sequence[str] | None,
    tls: bool | None,
    ca: Pem | None,
    cert: Pem | None,
    key: Pem | None,
    server_name: str | None,
    token: TokenSource | None,
    api_key: str | None,
    allow_plaintext_token: bool,
    timeout: float,
    retries: int,
    keepalive: float,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Reads what is not given from the environment, and checks the whole."""
    env = os.environ if environment is None else environment
    if server is None:
        server = env.get("TENURE_SERVER") or "127.0.0.1:7070"
    ca = ca if ca is not None else env.get("TENURE_TLS_CA") or None
    if cert is None and key is None:
        cert, key = env.get("TENURE_TLS_CERT") or None, env.get("TENURE_TLS_KEY") or None
    if token is not None and api_key is not None:
        raise InvalidConfiguration("give a token or an API key, not both")
    if token is None and api_key is None:
        token, api_key = env.get("TENURE_TOKEN") or None, env.get("TENURE_API_KEY") or None
        if token is not None and api_key is not None:
            raise InvalidConfiguration(
                "TENURE_TOKEN is set beside TENURE_API_KEY, and only one of them can be sent: unset one"
            )
    given = token if token is not None else api_key
    if (cert is None) != (key is None):
        raise InvalidConfiguration("a client certificate needs its key, and a key its certificate")
    if timeout <= 0:
        raise InvalidConfiguration("timeout must be more than 0 seconds")

    texts = [each.strip() for each in (server.split(",") if isinstance(server, str) else server)]
    addresses = [_address(text) for text in texts if text]
    if not addresses:
        raise InvalidConfiguration("give at least one address")
    schemes = {secure for secure, _ in addresses if secure is not None}
    wanted = tls if tls is not None else (True if ca or cert else None)
    if len(schemes) > 1 or (wanted is not None and schemes - {wanted}):
        raise InvalidConfiguration("the addresses and the TLS settings disagree: use TLS for all or for none")
    secure = wanted if wanted is not None else (schemes.pop() if schemes else False)
    if not secure and (ca or cert):
        raise InvalidConfiguration("certificates are given, but TLS is off")
    targets = tuple(target for _, target in addresses)
    confidential = secure or allow_plaintext_token or all(map(_is_local, targets))
    if given is not None and not confidential:
        raise unencrypted()

    options: list[tuple[str, Any]] = [
        ("grpc.primary_user_agent", f"tenure-python/{VERSION}"),
        ("grpc.enable_retries", 0),  # the one retry layer is the client's own
        ("grpc.lb_policy_name", "round_robin"),
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
        ("grpc.initial_reconnect_backoff_ms", 200),
        ("grpc.min_reconnect_backoff_ms", 1000),
        ("grpc.max_reconnect_backoff_ms", 5000),
    ]
    if keepalive > 0:
        options += [
            ("grpc.keepalive_time_ms", int(keepalive * 1000)),
            ("grpc.keepalive_timeout_ms", 10_000),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.max_pings_without_data", 0),
        ]
    if server_name:
        options.append(("grpc.ssl_target_name_override", server_name))
    return Settings(
        targets=targets,
        credentials=(
            grpc.ssl_channel_credentials(
                root_certificates=_pem(ca, "ca"),
                private_key=_pem(key, "key"),
                certificate_chain=_pem(cert, "cert"),
            )
            if secure
            else None
        ),
        token=given,
        confidential=confidential,
        timeout=timeout,
        retries=retries,
        options=tuple(options),
    )


def checked_token(token: object) -> str:
    """The token. One that would not fit into a header is refused without being shown."""
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise InvalidConfiguration("a token must be a text of visible ASCII characters")
    return token


def unencrypted() -> InvalidConfiguration:
    """A token would be readable on the way."""
    return InvalidConfiguration(
        "a token would travel unencrypted: use TLS, or allow_plaintext_token=True where something else encrypts "
        "the connection"
    )


def _address(text: str) -> tuple[bool | None, str]:
    secure: bool | None = None
    rest = text
    if text.startswith("https://"):
        secure, rest = True, text[len("https://") :]
    elif text.startswith("http://"):
        secure, rest = False, text[len("http://") :]
    elif text.startswith("unix:"):
        return None, text
    rest = rest.rstrip("/")
    host, colon, port = rest.rpartition(":")
    if not colon or not host or not port.isdigit() or "/" in host:
        raise InvalidConfiguration(f"{text!r} is not an address: write host:port, or https://host:port")
    try:
        ip = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return secure, f"dns:///{host}:{port}"
    return secure, f"ipv{ip.version}:{host}:{port}"


def _is_local(target: str) -> bool:
    if target.startswith("unix:"):
        return True
    scheme, _, rest = target.partition(":")
    host = rest.removeprefix("///").rpartition(":")[0].strip("[]")
    if scheme == "dns":
        return host == "localhost"
    return ipaddress.ip_address(host).is_loopback


def _pem(pem: Pem | None, what: str) -> bytes | None:
    if pem is None or isinstance(pem, bytes):
        return pem
    try:
        return Path(pem).read_bytes()
    except OSError as error:
        raise InvalidConfiguration(f"{what}: {error.strerror or 'cannot be read'}: {pem}") from None
