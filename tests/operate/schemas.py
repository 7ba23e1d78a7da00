"""JSON schemas of what the chart makes: of Kubernetes itself, and of the kinds that others have added."""

import json
import subprocess
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

# The Go modules that have the definitions of the added kinds.
_OPERATOR = "github.com/prometheus-operator/prometheus-operator@v0.85.0"
DEFINITIONS = [
    ("github.com/cert-manager/cert-manager@v1.21.2", "deploy/crds/cert-manager.io_certificates.yaml"),
    (_OPERATOR, "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml"),
    (_OPERATOR, "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml"),
]


def faults(manifest: dict[str, Any], kubernetes: str) -> list[str]:
    """What a strict API server of this version would find."""
    kind = (manifest["apiVersion"], manifest["kind"])
    validator = _added().get(kind) or _own(kubernetes, *kind)
    name = manifest["metadata"]["name"]
    return [
        f"{kind[1]} {name}: {fault.json_path}: {fault.message}" for fault in validator.iter_errors(manifest)
    ]


@cache
def _definitions(kubernetes: str) -> dict[str, Any]:
    package = find_spec("kubernetes_validate")
    assert package
    assert package.origin
    schemas = Path(package.origin).parent / "kubernetes-json-schema"
    text = (schemas / f"v{kubernetes}-local-strict" / "_definitions.json").read_text()
    return dict(json.loads(text)["$defs"])


@cache
def _own(kubernetes: str, api_version: str, kind: str) -> Draft202012Validator:
    group, _, version = api_version.rpartition("/")
    wanted = {"group": group, "version": version, "kind": kind}
    definitions = _definitions(kubernetes)
    (name,) = (
        name
        for name, schema in definitions.items()
        if wanted in schema.get("x-kubernetes-group-version-kind", [])
    )
    return Draft202012Validator({"$defs": definitions, "$ref": f"#/$defs/{name}"})


@cache
def _added() -> dict[tuple[str, str], Draft202012Validator]:
    found = {}
    for module, path in DEFINITIONS:
        definition = yaml.safe_load((_module(module) / path).read_text())["spec"]
        for version in definition["versions"]:
            schema = version["schema"]["openAPIV3Schema"]
            _close(schema)
            kind = (f"{definition['group']}/{version['name']}", definition["names"]["kind"])
            found[kind] = Draft202012Validator(schema)
    return found


@cache
def _module(name: str) -> Path:
    """The directory of a Go module; fetched if need be."""
    command = ["go", "mod", "download", "-json", name]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return Path(json.loads(told)["Dir"])


def _close(schema: Any) -> None:
    """An API server drops what a definition does not know. Here it is an error."""
    if isinstance(schema, list):
        for part in schema:
            _close(part)
    elif isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict) and "type" in schema:
            schema.setdefault(
                "additionalProperties", bool(schema.get("x-kubernetes-preserve-unknown-fields"))
            )
        for part in schema.values():
            _close(part)
