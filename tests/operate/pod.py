"""A pod's container, run as a kubelet would: its volumes with their owners and modes, its variables, its command."""

import json
import secrets
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chart import Release
from image import AS_ROOT, USER, container
from paths import BINARY


@dataclass(frozen=True)
class Pod:
    """A container with all that it sees, ready to be run with other arguments, too."""

    root: Path
    options: list[str]
    arguments: list[str]

    def command(self, *arguments: str) -> list[str]:
        """A command line; without arguments, the pod's own."""
        return container(self.root, ["/usr/local/bin/tenure", *(arguments or self.arguments)], *self.options)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments), capture_output=True, text=True, timeout=60, check=False
        )


def pod(release: Release, image: Path, directory: Path, secret_values: dict[str, str] | None = None) -> Pod:
    """The Deployment's pod. Secrets hold what fits their use, or these values, by key."""
    spec = release.the("Deployment")["spec"]["template"]["spec"]
    (described,) = spec["containers"]
    assert spec["securityContext"]["runAsUser"] == USER
    group = spec["securityContext"]["fsGroup"]
    contents = Contents(directory, secret_values or {})
    options = []
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    # Mount points, which an engine makes in the container's own layer.
    root = directory / "root"
    subprocess.run(["cp", "--archive", "--link", image, root], check=True)
    for mount in described["volumeMounts"]:
        place = root / mount["mountPath"].lstrip("/")
        place.mkdir(parents=True)
        source = directory / "volumes" / mount["name"]
        source.mkdir(parents=True)
        contents.fill(source, volumes[mount["name"]], release)
        hand_over(source, volumes[mount["name"]], group)
        options += ["-m" if mount.get("readOnly") else "-w", str(source), mount["mountPath"]]
    variables: dict[str, str] = {}
    for variable in described.get("env", []):
        value = variable.get("value")
        if value is None:
            origin = variable["valueFrom"]
            value = contents.secret(origin["secretKeyRef"]["key"]) if "secretKeyRef" in origin else "pod-0"
        for name, known in variables.items():
            value = value.replace(f"$({name})", known)
        variables[variable["name"]] = value
    for name, value in variables.items():
        options += ["-e", f"{name}={value}"]
    return Pod(root, options, described["args"])


def hand_over(directory: Path, volume: dict[str, Any], group: int) -> None:
    """As the kubelet does: files are root's, in the group `fsGroup`, which may read them, with the volume's mode."""
    source = volume.get("projected") or volume.get("configMap") or {}
    mode = source.get("defaultMode", 0o644) | 0o440
    if "persistentVolumeClaim" in volume:
        subprocess.run([*AS_ROOT, "chown", f"0:{group}", directory], check=True)
        subprocess.run([*AS_ROOT, "chmod", "2770", directory], check=True)
        return
    subprocess.run([*AS_ROOT, "chown", "--recursive", f"0:{group}", directory], check=True)
    for path in directory.rglob("*"):
        if path.is_file():
            subprocess.run([*AS_ROOT, "chmod", f"{mode:o}", path], check=True)


class Contents:
    """What users put into their Secrets."""

    def __init__(self, directory: Path, values: dict[str, str]) -> None:
        self.pki = directory / "pki"
        self.pki.mkdir()
        openssl = [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
        ]
        openssl += ["-keyout", "tls.key", "-out", "tls.crt", "-days", "1", "-subj", "/CN=sessions-tenure"]
        openssl += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
        subprocess.run(openssl, cwd=self.pki, check=True, capture_output=True)
        self.values = values

    def secret(self, key: str) -> str:
        if key in self.values:
            return self.values[key]
        certificate = (self.pki / "tls.crt").read_text()
        made: dict[str, Callable[[], str]] = {
            "tls.crt": lambda: certificate,
            "tls.key": lambda: (self.pki / "tls.key").read_text(),
            "ca.crt": lambda: certificate,
            "keys": lambda: _tenure("keys", "new"),
            "signing.pem": lambda: self.audit_key("signing"),
            "encryption.keys": lambda: self.audit_key("encryption"),
            "hash.key": lambda: self.audit_key("hash"),
            "jwks.json": lambda: json.dumps({"keys": [_jwk()]}),
            "hash": lambda: "sha256:" + "0" * 64 + "\n",
            "headers": lambda: "authorization=hunter2\n",
            "url": lambda: "redis://tenure:hunter2@redis:6379/0",
        }
        return made.get(key, lambda: secrets.token_urlsafe(16))()

    def audit_key(self, kind: str) -> str:
        path = self.pki / f"audit-{kind}"
        if not path.exists():
            _tenure("audit", "keygen", kind, str(path))
        return path.read_text()

    def fill(self, directory: Path, volume: dict[str, Any], release: Release) -> None:
        if "configMap" in volume:
            (own,) = (
                found
                for found in release.of_kind("ConfigMap")
                if found["metadata"]["name"] == volume["configMap"]["name"]
            )
            for name, text in own["data"].items():
                (directory / name).write_text(text)
        for source in volume.get("projected", {}).get("sources", []):
            if "serviceAccountToken" in source:
                (directory / source["serviceAccountToken"]["path"]).write_text("a.b.c")
            for item in source.get("secret", source.get("configMap", {})).get("items", []):
                place = directory / item["path"]
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(self.secret(item["key"]))


def _tenure(*arguments: str) -> str:
    return subprocess.run([BINARY, *arguments], capture_output=True, text=True, check=True).stdout


def _jwk() -> dict[str, str]:
    """A public key (RFC 8037, appendix A)."""
    return {
        "kty": "OKP",
        "crv": "Ed25519",
        "kid": "k1",
        "alg": "EdDSA",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    }
