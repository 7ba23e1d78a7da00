"""Connections over TLS."""

import socket
import ssl
import tempfile
from pathlib import Path

import grpc
from cryptography import x509

from support.pki import Authority, Identity
from support.server import Server

HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"


def config(directory: Path, *, client_ca: bool = True) -> str:
    """The settings for files in this directory."""
    lines = [
        "[grpc]",
        f'tls_cert = "{directory}/tls.crt"',
        f'tls_key = "{directory}/tls.key"',
    ]
    if client_ca:
        lines.append(f'tls_client_ca = "{directory}/ca.crt"')
    return "\n".join(lines) + "\n"


def secure_channel(server: Server, authority: Authority, identity: Identity | None) -> grpc.Channel:
    """A gRPC connection of its own."""
    credentials = grpc.ssl_channel_credentials(
        authority.certificate,
        identity.key if identity else None,
        identity.certificate if identity else None,
    )
    return grpc.secure_channel(server.grpc, credentials, options=[("grpc.use_local_subchannel_pool", 1)])


def connect(server: Server, authority: Authority, identity: Identity | None) -> int:
    """Opens one connection until the server speaks HTTP/2, and returns its certificate's serial number."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=authority.certificate.decode())
    context.set_alpn_protocols(["h2"])
    if identity:
        with tempfile.NamedTemporaryFile(suffix=".pem") as file:
            file.write(identity.key + identity.certificate)
            file.flush()
            context.load_cert_chain(file.name)
    host, _, port = server.grpc.rpartition(":")
    with (
        socket.create_connection((host, int(port)), timeout=30) as plain,
        context.wrap_socket(plain, server_hostname=host) as secure,
    ):
        secure.sendall(HTTP2_PREFACE)
        if not secure.recv(1):
            raise ConnectionResetError("closed without a word")
        assert secure.selected_alpn_protocol() == "h2"
        certificate = secure.getpeercert(binary_form=True)
        assert certificate
        return x509.load_der_x509_certificate(certificate).serial_number


def refuses(server: Server, authority: Authority, identity: Identity | None) -> bool:
    """Whether such a client is turned away by the handshake."""
    try:
        connect(server, authority, identity)
    except (ssl.SSLError, ConnectionError):
        return True
    return False
