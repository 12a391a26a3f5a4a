"""The image below a serving image: named by digest, never by a tag, and taken as it is."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from falaj.build.images.documents import (
    DOCKER_INDEX,
    INDEX,
    Config,
    Descriptor,
    Index,
    Manifest,
    decode,
)
from falaj.build.images.errors import ImageError
from falaj.build.images.layers import Hashed
from falaj.build.images.layout import ImageLayout
from falaj.build.images.reference import parse_reference
from falaj.build.images.registry import Registry
from falaj.core.errors import UsageError
from falaj.supply_chain.artifacts.digest import digest_from_hash

_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
_LAYER_TYPES = {
    "application/vnd.docker.image.rootfs.diff.tar.gzip": "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.docker.image.rootfs.diff.tar": "application/vnd.oci.image.layer.v1.tar",
}


@dataclass(frozen=True)
class BaseImage:
    """An image to put layers on.

    Attributes:
        name: Where it came from, without a digest.
        digest: Of what was named.
        config: Its configuration.
        layers: Its layers.
        open: Opens a layer.
    """

    name: str
    digest: str
    config: Config
    layers: tuple[Descriptor, ...]
    open: Callable[[Descriptor], BinaryIO]

    def copy_layers(self, layout: ImageLayout) -> None:
        """Put the layers into a layout.

        Raises:
            ImageError: The bytes of one are not those of its digest.
        """
        for layer in self.layers:
            path = layout.path(layer.digest)
            path.parent.mkdir(parents=True, exist_ok=True)
            with self.open(layer) as stream, path.open("wb") as file:
                hashed = Hashed(file)
                shutil.copyfileobj(stream, hashed)
            if digest_from_hash(hashed.hasher) != layer.digest:
                path.unlink()
                raise ImageError("a layer of the base image does not have its digest", where=layer.digest)


def read_base(source: str, registry_of: Callable[[str], Registry]) -> BaseImage:
    """Read a base image.

    Args:
        source: `FOLDER@sha256:...` of an image layout, or `HOST/REPOSITORY@sha256:...`.
        registry_of: Opens the registry of a reference.

    Raises:
        UsageError: `image.base-without-digest`, where it is named by a tag or by nothing.
        ImageError: It is not an image for this machine.
    """
    name, _, digest = source.partition("@")
    if not digest:
        raise UsageError(
            f"the base image {name!r} is not named by its digest", hint="write NAME@sha256:...; a tag can move",
            code="image.base-without-digest",
        )  # fmt: skip
    if Path(name).is_dir():
        return _of_layout(ImageLayout(Path(name)), name, digest)
    return _of_registry(registry_of(source), str(parse_reference(source).repository), digest)


def _of_layout(layout: ImageLayout, name: str, digest: str) -> BaseImage:
    manifest = decode(layout.bytes_of(Descriptor("", digest, 0)), Manifest, where=digest)
    config = layout.read(manifest.config, Config)
    return BaseImage(name, digest, config, _layers(manifest), layout.open)


def _of_registry(registry: Registry, name: str, digest: str) -> BaseImage:
    data, media_type = registry.manifest(digest)
    if media_type in (INDEX, DOCKER_INDEX):
        data, _ = registry.manifest(_of_this_machine(decode(data, Index, where=digest), digest).digest)
    manifest = decode(data, Manifest, where=digest)
    config = decode(registry.blob(manifest.config), Config, where=manifest.config.digest)
    return BaseImage(name, digest, config, _layers(manifest), registry.open)


def _layers(manifest: Manifest) -> tuple[Descriptor, ...]:
    """Layers by the names of OCI; Docker's differ in the name alone."""
    return tuple(
        Descriptor(_LAYER_TYPES.get(layer.media_type, layer.media_type), layer.digest, layer.size)
        for layer in manifest.layers
    )


def _of_this_machine(index: Index, digest: str) -> Descriptor:
    architecture = _MACHINES.get(platform.machine(), platform.machine())
    for each in index.manifests:
        if each.platform and (each.platform.os, each.platform.architecture) == ("linux", architecture):
            return each
    raise ImageError(f"the base image is not there for linux/{architecture}", where=digest)
