"""One object that serves an image in a cluster: for KServe or for Knative.

They share requests by weights and count none of them, so that no rollout can be judged there: what Falaj gives them is
one release, by digest, behind the probe of the model server, in a restricted pod.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from falaj.build.images.documents import Config, Manifest, decode
from falaj.build.images.errors import ImageError
from falaj.build.images.image import DIGEST
from falaj.build.images.registry import Registry
from falaj.build.images.serving import PORT
from falaj.core.errors import UsageError
from falaj.supply_chain.attestations import BundledRelease

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | bool"
_LABEL = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_QUANTITY = re.compile(r"[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?")


@dataclass(frozen=True)
class ClusterSettings:
    """How much of a cluster a release may have.

    Attributes:
        least: Fewest replicas; 0 lets it sleep.
        most: Most replicas.
        cpu: Requested, and the limit.
        memory: Likewise.
    """

    least: int = 1
    most: int = 1
    cpu: str = "1"
    memory: str = "512Mi"

    def require(self) -> ClusterSettings:
        """Return self.

        Raises:
            UsageError: `image.bad-resources`.
        """
        if not (0 <= self.least <= self.most and self.most >= 1):
            raise _wrong(
                f"{self.least} to {self.most} replicas", "--min is at least 0, --max at least 1 and at least --min"
            )
        for name, value in (("cpu", self.cpu), ("memory", self.memory)):
            if not _QUANTITY.fullmatch(value) or not float(re.sub("[a-zA-Z]", "", value)):
                raise _wrong(f"the {name} {value!r}", "a quantity is a number such as 500m, 2 or 512Mi")
        return self


def require_image_of(registry: Registry, claim: BundledRelease) -> None:
    """Make sure that an image in a registry says that it is of a release, and that it answers.

    Args:
        registry: With a digest in its reference.
        claim: The release.

    Raises:
        UsageError: It is named without a digest, or does not answer.
        ImageError: It is of another release.
    """
    name, digest = registry.reference.repository, registry.reference.digest
    if not digest:
        raise UsageError(
            "the image is not named by its digest", where=name,
            hint="write HOST/REPOSITORY@sha256:..., as push printed it", code="image.without-digest",
        )  # fmt: skip
    manifest = decode(registry.manifest(digest)[0], Manifest, where=digest)
    if manifest.annotations.get(DIGEST) != claim.digest:
        raise ImageError(f"the image is not of {claim.model}@{claim.number}", where=name, code="image.other-release")
    config = decode(registry.blob(manifest.config), Config, where=digest)
    if f"{PORT}/tcp" not in (config.config.exposed_ports or {}):
        raise UsageError(
            "the image holds the model alone and does not answer", where=name,
            hint="push one with --serve", code="image.not-serving",
        )  # fmt: skip


def kserve(release: BundledRelease, image: str, settings: ClusterSettings) -> dict[str, Json]:
    """An InferenceService.

    Args:
        release: What is served.
        image: Its reference, by digest.
        settings: How much it may have.
    """
    predictor: dict[str, Json] = {
        "minReplicas": settings.least, "maxReplicas": settings.most, "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{"name": "kserve-container", **_container(image, settings)}],
    }  # fmt: skip
    return _object("serving.kserve.io/v1beta1", "InferenceService", release, {"predictor": predictor})


def knative(release: BundledRelease, image: str, settings: ClusterSettings) -> dict[str, Json]:
    """A Service of Knative.

    Args:
        release: What is served.
        image: Its reference, by digest.
        settings: How much it may have.
    """
    scale: dict[str, Json] = {
        "autoscaling.knative.dev/min-scale": str(settings.least),
        "autoscaling.knative.dev/max-scale": str(settings.most),
    }
    pod: dict[str, Json] = {"automountServiceAccountToken": False, "containers": [_container(image, settings)]}
    template: dict[str, Json] = {"metadata": {"annotations": scale}, "spec": pod}
    return _object("serving.knative.dev/v1", "Service", release, {"template": template})


def _object(version: str, kind: str, release: BundledRelease, spec: dict[str, Json]) -> dict[str, Json]:
    labels: dict[str, Json] = {
        "app.kubernetes.io/managed-by": "falaj", "app.kubernetes.io/name": _name(release.model),
        "app.kubernetes.io/version": str(release.number),
    }  # fmt: skip
    annotations: dict[str, Json] = {DIGEST: release.digest, "dev.falaj.commit": release.commit}
    metadata: dict[str, Json] = {"name": _name(release.model), "labels": labels, "annotations": annotations}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}


def _container(image: str, settings: ClusterSettings) -> dict[str, Json]:
    resources: dict[str, Json] = {"cpu": settings.cpu, "memory": settings.memory}
    return {
        "image": image,
        "ports": [{"containerPort": PORT, "protocol": "TCP"}],
        "readinessProbe": {"httpGet": {"path": "/v2/health/ready", "port": PORT}},
        "resources": {"requests": resources, "limits": {**resources}},
        "securityContext": {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"},
        },
    }  # fmt: skip


def _name(model: str) -> str:
    """The model's name as a cluster spells names."""
    name = re.sub(r"[^a-z0-9-]", "-", model.lower())
    if not _LABEL.fullmatch(name):
        raise UsageError(
            f"{model!r} cannot be a name in a cluster", hint="63 letters, digits and hyphens, a letter first",
            code="image.bad-name",
        )  # fmt: skip
    return name


def _wrong(what: str, hint: str) -> UsageError:
    return UsageError(f"{what} cannot be given to a cluster", hint=hint, code="image.bad-resources")
