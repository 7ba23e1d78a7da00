"""The chart, rendered by Helm."""

import subprocess
from dataclasses import dataclass
from typing import Any

import yaml

from paths import CHART

RELEASE = "sessions"
NAMESPACE = "platform"
# The oldest Kubernetes that the chart takes, and the one whose schemas the manifests are held to.
OLDEST_KUBERNETES = "1.30.0"
KUBERNETES = "1.37.0"

VALUES_FILES = sorted(path.name for path in CHART.glob("values-*.yaml"))


class OnceOnly(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML has no types
    """YAML in which no key stands twice: Kubernetes would take one of them."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.YAMLError(f"{key} stands twice{node.start_mark}")
        return dict(super().construct_mapping(node, deep))


@dataclass(frozen=True)
class Release:
    """What an installation comes to."""

    text: str

    @property
    def manifests(self) -> list[dict[str, Any]]:
        return [manifest for manifest in yaml.load_all(self.text, OnceOnly) if manifest]

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        return [manifest for manifest in self.manifests if manifest["kind"] == kind]

    def the(self, kind: str) -> dict[str, Any]:
        (only,) = self.of_kind(kind)
        return only


def render(values_file: str, values: dict[str, Any] | None = None, kubernetes: str = KUBERNETES) -> Release:
    """Renders the chart with one of its values files, and these values over it."""
    command = ["helm", "template", RELEASE, str(CHART), "--namespace", NAMESPACE]
    command += ["--kube-version", kubernetes, "--values", str(CHART / values_file), "--values", "-"]
    ended = subprocess.run(
        command, input=yaml.safe_dump(values or {}), capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return Release(ended.stdout)


# Switches of the values, each over the file that it makes sense with.
SWITCHES: dict[str, tuple[str, dict[str, Any]]] = {
    "api-keys": (
        "values-standalone.yaml",
        {
            "auth": {
                "kubernetes": {"enabled": False},
                "apiKeys": {
                    "crm": {"hashes": ["sha256:" + "1" * 64]},
                    "ops": {"existingSecret": "ops", "key": "hash"},
                },
                "policy": {"servers": {"callers": ["apikey:*"]}},
            }
        },
    ),
    "issuers": (
        "values-standalone.yaml",
        {
            "auth": {
                "kubernetes": {"enabled": False},
                "jwt": {
                    "idp": {
                        "issuer": "https://idp.example",
                        "audiences": ["tenure"],
                        "algorithms": ["ES256", "EdDSA"],
                        "leeway": "10s",
                        "jwksUrl": "https://idp.example/keys",
                        "jwksCa": {"existingSecret": "idp", "key": "ca.crt"},
                        "jwksToken": {"existingSecret": "idp", "key": "token"},
                    }
                },
                "users": {
                    "okta": {
                        "issuer": "https://okta.example",
                        "audiences": ["mcp"],
                        "jwks": {"existingSecret": "okta", "key": "jwks.json"},
                    }
                },
                "policy": {"servers": {"callers": ["jwt:idp:*"], "tenants": ["acme"]}},
            },
            "config": {"namespaces": {"crm": {"owner_proof": ["okta"]}}},
        },
    ),
    "certificates-by-subject": (
        "values-cluster.yaml",
        {
            "auth": {"certificates": "subject", "policy": {"servers": {"callers": ["subject:CN=crm"]}}},
            "test": {"cert": {"existingSecret": "tester"}},
        },
    ),
    "certificate-or-token": (
        "values-cluster.yaml",
        {
            "tls": {"clientOptional": True},
            "auth": {
                "kubernetes": {"enabled": True},
                "policy": {"servers": {"callers": ["spiffe://prod/**", "jwt:k8s:**"]}},
            },
        },
    ),
    "url-from-a-secret": (
        "values-memory.yaml",
        {"store": {"url": "", "urlFrom": {"existingSecret": "redis"}}, "replicaCount": 3},
    ),
    "audit-on-stdout": ("values-sentinel.yaml", {"audit": {"sink": "stdout"}}),
    "audit-in-files": (
        "values-sentinel.yaml",
        {
            "audit": {
                "sink": "file",
                "volume": {"persistentVolumeClaim": {"claimName": "audit"}},
                "signingKey": {"existingSecret": "audit"},
                "encryptionKeys": {"existingSecret": "audit"},
                "hashKey": {"existingSecret": "audit"},
            },
            "config": {"defaults": {"audit": "required"}},
        },
    ),
    "telemetry": (
        "values-standalone.yaml",
        {
            "telemetry": {
                "otlp": {
                    "endpoint": "https://collector:4317",
                    "headers": {"existingSecret": "collector"},
                    "tls": {
                        "ca": {"existingSecret": "collector"},
                        "cert": {"existingSecret": "collector-client"},
                    },
                },
                "traceRatio": 1,
            }
        },
    ),
    "every-store-setting": (
        "values-sentinel.yaml",
        {"store": {"keyPrefix": "crm:", "replicas": 2, "replicasToWait": 1}},
    ),
    "any-setting": (
        "values-standalone.yaml",
        {
            "listenAddress": "[::]",
            "maxConnectionAge": "none",
            "shutdown": {"drainGrace": "1m30s", "preStopSeconds": 10},
            "log": {"filter": "info,tenure=debug", "format": "text"},
            "config": {
                "strict_namespaces": True,
                "grpc": {"max_message_bytes": "2MiB", "threads": 2},
                "store": {"max_sessions": 1000000},
                "defaults": {"idle_ttl": "30m", "sessions_per_tenant": "none"},
                "namespaces": {"crm": {"encrypt_state": True}, "a.b": {"state_bytes": 4096}},
            },
        },
    ),
    "every-object": (
        "values-standalone.yaml",
        {
            "autoscaling": {"enabled": True, "targetMemoryUtilizationPercentage": 80},
            "ingress": {
                "enabled": True,
                "className": "nginx",
                "hosts": ["tenure.example"],
                "tls": [{"hosts": ["tenure.example"], "secretName": "web"}],
            },
            "networkPolicy": {"enabled": True, "egress": {"enabled": True}},
            "metrics": {
                "serviceMonitor": {"enabled": True, "relabelings": [{"action": "labeldrop", "regex": "x"}]},
                "prometheusRule": {"enabled": True},
                "dashboard": {"enabled": True},
            },
            "podDisruptionBudget": {"minAvailable": 1, "maxUnavailable": None},
            "service": {"type": "LoadBalancer", "loadBalancerSourceRanges": ["10.0.0.0/8"]},
            "imagePullSecrets": [{"name": "registry"}],
            "extraObjects": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "more"}}],
        },
    ),
    "nothing-optional": (
        "values-memory.yaml",
        {
            "serviceAccount": {"create": False},
            "headlessService": {"enabled": False},
            "networkPolicy": {"enabled": False},
            "startupProbe": None,
            "topologySpreadConstraints": [],
            "shutdown": {"preStopSeconds": 0},
            "test": {"enabled": False},
        },
    ),
}

# Every values file as it is, and every switch.
CASES: dict[str, tuple[str, dict[str, Any]]] = {name: (name, {}) for name in VALUES_FILES} | SWITCHES
