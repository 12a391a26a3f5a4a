"""The image of a release: its layers, its configuration, its manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from falaj.build.images.base import BaseImage
from falaj.build.images.content import ReleaseContent
from falaj.build.images.documents import CONFIG, MANIFEST, Config, Descriptor, Execution, Manifest, RootFs
from falaj.build.images.layers import OWNER
from falaj.build.images.layout import ImageLayout
from falaj.build.images.serving import ServingEnvironment, execution, image_bill

EPOCH = "1970-01-01T00:00:00Z"
CONTENT = "dev.falaj.content"
DIGEST = "dev.falaj.release.digest"


@dataclass(frozen=True)
class Serving:
    """What makes an image answer by itself.

    Attributes:
        base: The image below, which has a Python.
        environment: The packages.
    """

    base: BaseImage
    environment: ServingEnvironment


def build_image(content: ReleaseContent, layout: ImageLayout, serving: Serving | None = None) -> Descriptor:
    """Write the image of a release into a layout.

    Args:
        content: The release.
        layout: An empty one.
        serving: For an image that answers by itself; None for one that holds the model and its evidence alone.

    Returns:
        The manifest's descriptor.

    Raises:
        ImageError: A file is not what it must be.
        UsageError: The model cannot answer by itself.
    """
    if serving is not None:
        content.require_servable()
    below, layers = _below(layout, serving)
    bill = content.bill if serving is None else image_bill(content.bill, serving.base, serving.environment)
    layers += [
        _of(layout.add_layer(content.model_members()), "model"),
        _of(layout.add_layer(content.evidence_members(bill)), "evidence"),
    ]
    started = Execution(user=f"{OWNER}:{OWNER}") if serving is None else execution(content.release, serving.base)
    own = [layer.digest for layer in layers[len(below.layers) if below else 0 :]]
    config = _config(serving, started, own, labels(content))
    image = Manifest(2, MANIFEST, layout.add_document(config, CONFIG), layers, annotations=labels(content))
    descriptor = layout.add_document(image, MANIFEST)
    layout.name(descriptor, f"{content.release.model}-{content.release.number}")
    return descriptor


def labels(content: ReleaseContent) -> dict[str, str]:
    """What an image says of itself to people and other tools; nothing here believes it."""
    release = content.release
    return {
        "org.opencontainers.image.title": release.model,
        "org.opencontainers.image.version": str(release.number),
        "org.opencontainers.image.revision": release.commit,
        "org.opencontainers.image.created": EPOCH,
        DIGEST: release.digest,
    }


def _below(layout: ImageLayout, serving: Serving | None) -> tuple[BaseImage | None, list[Descriptor]]:
    """The base, copied into the layout, and the layers up to the environment."""
    if serving is None:
        return None, []
    serving.base.copy_layers(layout)
    environment = layout.add_layer(serving.environment.members())
    return serving.base, [*serving.base.layers, _of(environment, "environment")]


def _of(layer: Descriptor, content: str) -> Descriptor:
    return Descriptor(layer.media_type, layer.digest, layer.size, {CONTENT: content})


def _config(serving: Serving | None, started: Execution, own: Sequence[str], words: Mapping[str, str]) -> Config:
    base = serving.base.config if serving else None
    layers = [*(base.rootfs.diff_ids if base else ()), *own]
    architecture, system = (base.architecture, base.os) if base else ("amd64", "linux")
    started = _labelled(started, {**(started.labels or {}), **words})
    return Config(architecture, system, RootFs("layers", layers), started, EPOCH)


def _labelled(started: Execution, words: dict[str, Any]) -> Execution:
    return Execution(
        started.user, started.exposed_ports, started.env, started.entrypoint, started.cmd, started.working_dir, words
    )
