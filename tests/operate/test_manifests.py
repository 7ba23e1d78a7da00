"""What the chart makes is what Kubernetes takes, and hangs together."""

import subprocess
from typing import Any

import pytest
import yaml

from chart import CASES, KUBERNETES, NAMESPACE, OLDEST_KUBERNETES, Release, render
from paths import CHART
from schemas import faults


@pytest.fixture(params=CASES)
def release(request: pytest.FixtureRequest) -> Release:
    values_file, values = CASES[request.param]
    return render(values_file, values)


def all_faults(release: Release, kubernetes: str = KUBERNETES) -> list[str]:
    return [fault for manifest in release.manifests for fault in faults(manifest, kubernetes)]


@pytest.mark.parametrize("kubernetes", [OLDEST_KUBERNETES, KUBERNETES])
def test_manifests_fit_the_schemas(release: Release, kubernetes: str) -> None:
    assert all_faults(release, kubernetes) == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("automountServiceAccountToken: false", "automountServiceAccountTokn: false"),
        ("replicas: 2", "replicas: two"),
        ("renewBefore:", "renewBefor:"),
        ("path: /metrics", "pathh: /metrics"),
        ("targetPort: grpc", "targetPort: [grpc]"),
    ],
)
def test_the_schemas_find_faults(right: str, wrong: str) -> None:
    release = render("values-standalone.yaml", {"metrics": {"serviceMonitor": {"enabled": True}}})
    assert right in release.text
    assert all_faults(release) == []
    assert all_faults(Release(release.text.replace(right, wrong))) != []


def test_a_key_that_stands_twice_is_found() -> None:
    text = render("values-memory.yaml").text
    with pytest.raises(yaml.YAMLError, match="replicas"):
        _ = Release(text.replace("  replicas: 1\n", "  replicas: 1\n  replicas: 2\n")).manifests


def podsecurity(manifests: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["podsecurity"], input=manifests, capture_output=True, text=True, check=False)


def test_pods_are_restricted(release: Release) -> None:
    """By the code of the admission controller."""
    ended = podsecurity(release.text)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize(
    "values",
    [
        {"securityContext": {"allowPrivilegeEscalation": True}},
        {"podSecurityContext": {"runAsNonRoot": False}},
        {"podSecurityContext": {"seccompProfile": None}},
        {"extraVolumes": [{"name": "host", "hostPath": {"path": "/"}}]},
    ],
)
def test_a_pod_that_is_not_restricted_is_found(values: dict[str, Any]) -> None:
    assert podsecurity(render("values-memory.yaml", values).text).returncode == 1


def test_objects_are_in_the_namespace_and_named_once(release: Release) -> None:
    named = [(manifest["kind"], manifest["metadata"]["name"]) for manifest in release.manifests]
    assert len(named) == len(set(named))
    for manifest in release.manifests:
        if manifest["metadata"].get("labels"):
            assert manifest["metadata"]["namespace"] == NAMESPACE
            assert manifest["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "Helm"


def test_selectors_select_the_pods_and_nothing_else(release: Release) -> None:
    deployment = release.the("Deployment")["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    selectors = [deployment["selector"]["matchLabels"]]
    selectors += [service["spec"]["selector"] for service in release.of_kind("Service")]
    selectors += [
        found["spec"]["selector"]["matchLabels"] for found in release.of_kind("PodDisruptionBudget")
    ]
    selectors += [found["spec"]["podSelector"]["matchLabels"] for found in release.of_kind("NetworkPolicy")]
    for selector in selectors:
        # No more than the Deployment's own: a version in it would lose sight of the old pods during an upgrade.
        assert selector == selectors[0]
        assert selector.items() <= labels.items()
        for pod in release.of_kind("Pod"):
            assert not selector.items() <= pod["metadata"]["labels"].items(), "the test's pod would get calls"
    for monitor in release.of_kind("ServiceMonitor"):
        wanted = monitor["spec"]["selector"]["matchLabels"].items()
        scraped = [
            found for found in release.of_kind("Service") if wanted <= found["metadata"]["labels"].items()
        ]
        assert len(scraped) == 1, "each pod is scraped once"
        ports = {port["name"] for port in scraped[0]["spec"]["ports"]}
        assert {endpoint["port"] for endpoint in monitor["spec"]["endpoints"]} <= ports


def test_ports_and_volumes_that_are_named_are_there(release: Release) -> None:
    pod = release.the("Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    ports = {port["name"] for port in container["ports"]}
    for service in release.of_kind("Service"):
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
    for policy in release.of_kind("NetworkPolicy"):
        for rule in policy["spec"]["ingress"]:
            assert {port["port"] for port in rule["ports"]} <= ports
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if probe in container:
            assert container[probe]["httpGet"]["port"] in ports
    specs = [pod, *(found["spec"] for found in release.of_kind("Pod"))]
    for spec in specs:
        volumes = {volume["name"] for volume in spec.get("volumes", [])}
        mounted = {mount["name"] for each in spec["containers"] for mount in each.get("volumeMounts", [])}
        assert mounted == volumes


@pytest.mark.parametrize(
    ("values", "rolls"),
    [
        ({"config": {"defaults": {"idle_ttl": "31m"}}}, True),
        ({"log": {"filter": "debug"}}, True),
        ({"replicaCount": 5}, False),
        ({"service": {"labels": {"a": "b"}}}, False),
    ],
)
def test_pods_are_rolled_by_their_configuration_alone(values: dict[str, Any], rolls: bool) -> None:
    def template(release: Release) -> dict[str, Any]:
        return dict(release.the("Deployment")["spec"]["template"])

    before, after = render("values-standalone.yaml"), render("values-standalone.yaml", values)
    assert (template(before) != template(after)) == rolls
    assert (before.the("ConfigMap") != after.the("ConfigMap")) == rolls


def test_no_secret_is_made(release: Release) -> None:
    assert release.of_kind("Secret") == []


@pytest.mark.parametrize("release_name", ["a", "a" * 53])
def test_names_of_any_length_fit(release_name: str) -> None:
    command = ["helm", "template", release_name, str(CHART), "--kube-version", KUBERNETES]
    command += ["--values", str(CHART / "values-standalone.yaml")]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for manifest in Release(text).manifests:
        assert len(manifest["metadata"]["name"]) <= 63
        assert all(len(value) <= 63 for value in manifest["metadata"]["labels"].values())
