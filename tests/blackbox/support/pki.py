"""Certificates, made for one test."""

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


@dataclass(frozen=True)
class Identity:
    """A certificate with its key, as PEM."""

    certificate: bytes
    key: bytes
    serial: int


class Authority:
    """A certificate authority."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        self._certificate = (
            _builder(self._name, self._name, self._key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )

    @property
    def certificate(self) -> bytes:
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    def server(self) -> Identity:
        """A server on loopback."""
        return self._issue("tenure", ExtendedKeyUsageOID.SERVER_AUTH)

    def client(self, name: str = "client") -> Identity:
        return self._issue(name, ExtendedKeyUsageOID.CLIENT_AUTH)

    def _issue(self, name: str, usage: x509.ObjectIdentifier) -> Identity:
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        certificate = (
            _builder(_name(name), self._name, key)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return Identity(
            certificate.public_bytes(serialization.Encoding.PEM),
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
            certificate.serial_number,
        )


def mount(directory: Path, version: str, identity: Identity, client_ca: bytes) -> None:
    """Writes the files as Kubernetes mounts a secret: `..data` is a link that is swapped in one step."""
    version_directory = directory / f"..{version}"
    version_directory.mkdir(parents=True)
    write_files(version_directory, identity, client_ca)
    fresh = directory / "..data_tmp"
    fresh.symlink_to(version_directory.name)
    fresh.replace(directory / "..data")
    for name in ("tls.crt", "tls.key", "ca.crt"):
        link = directory / name
        if not link.is_symlink():
            link.symlink_to(f"..data/{name}")


def write_files(directory: Path, identity: Identity, client_ca: bytes) -> None:
    """Writes the three files plainly."""
    key = directory / "tls.key"
    key.touch(mode=0o600)
    key.write_bytes(identity.key)
    (directory / "tls.crt").write_bytes(identity.certificate)
    (directory / "ca.crt").write_bytes(client_ca)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
    )
