"""One object for KServe or Knative, checked against their definitions; forty broken ones are refused by the check."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from falaj.build.images import ClusterSettings, knative, kserve
from falaj.core.errors import UsageError
from falaj.supply_chain.attestations import BundledRelease
from tests.custom_kinds import bad_quantities, images, problems

pytestmark = [pytest.mark.integration, pytest.mark.clusters]  # large files are read

RELEASE = BundledRelease("flight_delay", 3, "sha256:" + "1" * 64, "run", "2c" * 20)
IMAGE = "registry.example.org/models/flight-delay@sha256:" + "a" * 64
WRITERS = {"kserve": kserve, "knative": knative}


def written(system: str) -> dict[str, Any]:
    return WRITERS[system](RELEASE, IMAGE, ClusterSettings(0, 4, "500m", "1Gi").require())


@pytest.mark.parametrize("system", WRITERS)
def test_the_object_is_as_its_definition_says_and_names_a_digest(system: str) -> None:
    document = written(system)
    assert problems(document) == [] and bad_quantities(document) == []
    assert images(document) == [IMAGE] and document["metadata"]["name"] == "flight-delay"


def container(document: dict[str, Any]) -> dict[str, Any]:
    spec = document["spec"]
    pod = spec["predictor"] if "predictor" in spec else spec["template"]["spec"]
    return dict.__getitem__(pod, "containers")[0]  # type: ignore[no-any-return]


def at(path: str, value: object) -> Callable[[dict[str, Any]], None]:
    """Set what a path names; `-` takes it away; `C.` begins at the container."""

    def change(document: dict[str, Any]) -> None:
        start, *names = path.split(".")
        place: Any = container(document) if start == "C" else document
        *parents, last = names if start == "C" else [start, *names]
        for name in parents:
            place = place[int(name)] if isinstance(place, list) else place[name]
        if value == "-":
            del place[last]
        else:
            place[int(last) if isinstance(place, list) else last] = value

    return change


BOTH = {
    "apiVersion": "serving.example.org/v1", "kind": "Pod", "spec": [], "metadata.name": "Upper",
    "metadata.namespace": "a.b",
    "metadata.labels": {"a": "not a label"}, "metadata.annotations": {"a": 1}, "metadata.label": {}, "spec.unknown": 1,
    "C.image": 5, "C.imagePullPolicies": "Always", "C.ports.0.containerPort": "8080", "C.ports.0.port": 8080,
    "C.readinessProbe.httpGet.port": True, "C.readinessProbe.httpGett": {}, "C.resources.requests": [],
    "C.resources.request": {}, "C.resources.limits": {"cpu": True},
    "C.securityContext.readOnlyRootFileSystem": True, "C.securityContext.runAsNonRoot": "true",
    "C.securityContext.capabilities.drop": "ALL", "C.securityContext.seccompProfile": {"localhostProfile": 1},
    "C.env": [{"value": "x"}], "C.command": "python3", "C.volumeMounts": [{"mountPath": "/x"}],
    "C.ports.0.protocol": 6, "metadata": [], "C.resources.requests.memory": None,
}  # fmt: skip
KSERVE = {
    "spec.predictor": "-", "spec.predictor.minReplicas": "0", "spec.predictor.maxReplicas": 2**31,
    "spec.predictor.scaleMetric": "latency", "spec.predictor.automountServiceAccountToken": "no",
    "spec.predictor.tolerations": {}, "spec.predictor.securityContext.runAsNonRot": True, "spec.predictor.timeout": 1.5,
}  # fmt: skip
KNATIVE = {
    "spec.template": [], "spec.template.metadata": "x", "spec.template.spec.containerConcurrency": "1",
    "spec.traffic": [{"percent": "all"}], "spec.template.spec.timeoutSeconds": 2**63, "spec.template.spec.replicas": 1,
}  # fmt: skip
BROKEN = [
    *(("kserve", path, value) for path, value in {**BOTH, **KSERVE}.items()),
    *(("knative", path, value) for path, value in {**BOTH, **KNATIVE}.items()),
]


@pytest.mark.parametrize(("system", "path", "value"), BROKEN, ids=[f"{s} {p}" for s, p, _ in BROKEN])
def test_a_broken_object_is_refused(system: str, path: str, value: object) -> None:
    document = copy.deepcopy(written(system))
    at(path, value)(document)
    assert problems(document) != []


def test_there_are_forty_broken_objects_and_bad_quantities_are_found() -> None:
    assert len(BROKEN) >= 40
    document = written("knative")
    at("C.resources.limits.memory", "1 GB")(document)
    assert bad_quantities(document) == [".spec.template.spec.containers[0].resources.limits.memory: '1 GB'"]


@pytest.mark.parametrize(
    "settings",
    [ClusterSettings(-1, 1), ClusterSettings(2, 1), ClusterSettings(0, 0), ClusterSettings(1, 1, "two"),
     ClusterSettings(1, 1, "1", "512MB"), ClusterSettings(1, 1, "0"), ClusterSettings(1, 1, "1", "-1Gi")],
)  # fmt: skip
def test_resources_that_no_cluster_takes_are_refused(settings: ClusterSettings) -> None:
    with pytest.raises(UsageError) as caught:
        settings.require()
    assert caught.value.code == "image.bad-resources"


@pytest.mark.parametrize("model", ["9lives", "-", "x" * 64, "ü"])
def test_a_model_whose_name_no_cluster_takes_is_refused(model: str) -> None:
    with pytest.raises(UsageError) as caught:
        kserve(BundledRelease(model, 1, RELEASE.digest, "run", RELEASE.commit), IMAGE, ClusterSettings())
    assert caught.value.code == "image.bad-name"
