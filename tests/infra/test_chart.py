"""The Helm chart as helm renders it: valid, restricted, closed to what it does not know, and named by digests."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.custom_kinds import bad_quantities, images

pytestmark = [pytest.mark.integration, pytest.mark.clusters]

ROOT = Path(__file__).parents[2]
CHART, VALUES = ROOT / "infra" / "helm" / "falaj", ROOT / "infra" / "kubernetes" / "values.yaml"
HELM = ROOT / ".tools" / "kube" / "helm"
BIN = Path(sys.executable).parent
KUBERNETES = "1.37"


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    if not HELM.exists():
        pytest.skip("helm is not there: `make tools` could not get it")
    return subprocess.run([HELM, *arguments], capture_output=True, text=True, check=False, timeout=600)


def render(*options: str) -> subprocess.CompletedProcess[str]:
    return helm("template", "falaj", str(CHART), "--namespace", "falaj", "--values", str(VALUES), *options)


@pytest.fixture(scope="module")
def objects() -> list[dict[str, Any]]:
    rendered = render()
    assert rendered.returncode == 0, rendered.stderr
    return [each for each in yaml.safe_load_all(rendered.stdout) if each]


def pods(objects: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from ((o["metadata"]["name"], o["spec"]["template"]["spec"]) for o in objects if "template" in o["spec"])


def containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [*pod.get("initContainers", []), *pod["containers"]]


def test_it_is_linted_strictly_and_every_object_is_valid(objects: list[dict[str, Any]]) -> None:
    linted = helm("lint", "--strict", str(CHART), "--values", str(VALUES))
    assert linted.returncode == 0, linted.stdout
    assert sorted(o["kind"] for o in objects) == ["NetworkPolicy"] * 5 + ["Service"] * 2 + ["StatefulSet"] * 3
    for each in objects:
        kubernetes_validate.validate(each, KUBERNETES, strict=True)
        assert bad_quantities(each) == [] and each["metadata"]["namespace"] == "falaj"


def test_the_check_of_objects_finds_what_is_wrong(objects: list[dict[str, Any]]) -> None:
    broken = yaml.safe_load(yaml.safe_dump(objects[-1]))
    broken["spec"]["replica"] = 1
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, KUBERNETES, strict=True)


def test_every_image_is_named_by_its_digest(objects: list[dict[str, Any]]) -> None:
    names = [name for each in objects for name in images(each)]
    assert len(names) == 5
    assert all("@sha256:" in name and ":" not in name.partition("@")[0] for name in names)


def test_every_pod_is_restricted_and_has_no_token(objects: list[dict[str, Any]]) -> None:
    for name, pod in pods(objects):
        assert pod["automountServiceAccountToken"] is False and "serviceAccountName" not in pod, name
        assert pod["securityContext"]["runAsNonRoot"] is True and pod["securityContext"]["runAsUser"] == 65532
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
        assert all(volume.keys() <= {"name", "emptyDir", "configMap"} for volume in pod["volumes"])
        for container in containers(pod):
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False and context["readOnlyRootFilesystem"] is True
            assert context["capabilities"] == {"drop": ["ALL"]} and "privileged" not in context
            assert container["resources"]["limits"].keys() == {"cpu", "memory"}


def test_secrets_are_named_and_never_written(objects: list[dict[str, Any]]) -> None:
    for _, pod in pods(objects):
        for container in containers(pod):
            plain = {each["name"] for each in container["env"] if "value" in each}
            assert plain <= {"FALAJ_HOME", "HOME", "FALAJ_PLATFORM_FILE"}
            assert not any("TOKEN" in word or "token" in word for word in container["command"])


def test_nothing_goes_in_or_out_but_what_is_named(objects: list[dict[str, Any]]) -> None:
    policies = {
        o["metadata"]["name"].removeprefix("falaj-"): o["spec"] for o in objects if o["kind"] == "NetworkPolicy"
    }
    deny = policies["default-deny"]
    assert deny["policyTypes"] == ["Ingress", "Egress"] and not {"ingress", "egress"} & deny.keys()
    for _, labels in ((o, o["spec"]["template"]["metadata"]["labels"]) for o in objects if "template" in o["spec"]):
        assert deny["podSelector"]["matchLabels"].items() <= labels.items()
    for policy in policies.values():
        for rule in (*policy.get("ingress", ()), *policy.get("egress", ())):
            assert rule.get("ports") and (rule.get("from") or rule.get("to")), (
                "a rule without an end lets everything through"
            )
    assert not any(rule for rule in policies["worker"].get("ingress", ()))
    databases = [name for name, spec in policies.items() if "192.0.2.10/32" in yaml.safe_dump(spec)]
    assert databases == ["control-plane"], "only the control plane reaches the database"


def test_what_containers_start_is_there(objects: list[dict[str, Any]]) -> None:
    commands = [container["command"] for _, pod in pods(objects) for container in containers(pod)]
    commands += [
        c["livenessProbe"]["exec"]["command"] for _, p in pods(objects) for c in p["containers"] if "livenessProbe" in c
    ]
    assert len(commands) == 6
    for program, *arguments in commands:
        parsed = subprocess.run([BIN / program, *arguments, "--help"], capture_output=True, text=True, check=False)
        assert parsed.returncode == 0 and "sage: " in parsed.stdout, parsed.stderr


WRONG = [
    "image.tag=latest", "image.digest=latest", "image.repository=", "image.repository=Registry.example.org/falaj",
    "image.repository=registry.example.org/falaj:1", "controlPlane.replicas=2", "controlPlane.storage.size=10GB",
    "controlPlane.server.cpu=0", "workers.replicas=0", "workers.replicas=two", "workers.join=http://falaj:8443",
    "workers.join=", "agent.doorPort=0", "agent.doorPort=70000", "agent.location=", "agent.caFingerprint=12",
    "network.database.cidrs={anywhere}", "network.open=true", "extra=1", "securityContext.privileged=true",
]  # fmt: skip


@pytest.mark.parametrize("value", WRONG)
def test_values_that_are_unknown_or_wrong_are_refused(value: str) -> None:
    refused = render("--set", value)
    assert refused.returncode != 0 and value.partition("=")[0].split(".")[0] in refused.stderr


def test_parts_can_be_left_out() -> None:
    alone = render("--set", "controlPlane.enabled=false", "--set", "workers.enabled=false")
    kinds = [
        each["metadata"]["name"] for each in yaml.safe_load_all(alone.stdout) if each and each["kind"] == "StatefulSet"
    ]
    assert kinds == ["falaj-agent"]


def test_the_manifests_beside_are_the_rendered_ones() -> None:
    written = (ROOT / "infra" / "kubernetes" / "falaj.yaml").read_text().partition("\n")[2]
    assert written == render().stdout, "render them again: docs/how-to/install-on-kubernetes.md says how"
