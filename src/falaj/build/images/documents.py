"""The JSON documents of an image.

Source: OCI image specification 1.1 (https://github.com/opencontainers/image-spec).
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from falaj.build.images.errors import ImageError
from falaj.supply_chain.attestations.canonical import canonical

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
EMPTY = "application/vnd.oci.empty.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"


Document = TypeVar("Document", bound=msgspec.Struct)


class Platform(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an image runs on."""

    architecture: str
    os: str
    variant: str = ""


class Descriptor(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """Names a blob by its digest.

    Attributes:
        media_type: What the bytes are.
        digest: `sha256:` and 64 hex digits.
        size: Bytes.
        annotations: What is said beside.
        artifact_type: Of a manifest that is no image.
        platform: Of an image in an index.
    """

    media_type: str
    digest: str
    size: int
    annotations: dict[str, str] = {}
    artifact_type: str = ""
    platform: Platform | None = None


class Manifest(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """An image, or another artifact: its config and its layers."""

    schema_version: int
    media_type: str
    config: Descriptor
    layers: list[Descriptor]
    annotations: dict[str, str] = {}
    artifact_type: str = ""
    subject: Descriptor | None = None


class Index(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """A list of manifests: of a layout, of platforms, or of what refers to an image."""

    schema_version: int
    media_type: str
    manifests: list[Descriptor]


class Execution(msgspec.Struct, frozen=True, omit_defaults=True, rename="pascal"):
    """How a container of an image is started."""

    user: str = ""
    exposed_ports: dict[str, dict[str, str]] | None = None
    env: list[str] | None = None
    entrypoint: list[str] | None = None
    cmd: list[str] | None = None
    working_dir: str = ""
    labels: dict[str, str] | None = None


class RootFs(msgspec.Struct, frozen=True):
    """The layers of an image, each by the digest of its uncompressed bytes."""

    type: str
    diff_ids: list[str]


class Config(msgspec.Struct, frozen=True, omit_defaults=True):
    """The configuration of an image."""

    architecture: str
    os: str
    rootfs: RootFs
    config: Execution = Execution()
    created: str = ""


def encode(document: msgspec.Struct) -> bytes:
    """The one spelling of a document."""
    return canonical(msgspec.to_builtins(document))


def decode(data: bytes, kind: type[Document], *, where: str) -> Document:
    """Read a document of another tool; fields that nothing here needs are passed over.

    Raises:
        ImageError: It is not one.
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ImageError(f"this is not an OCI {kind.__name__.lower()}: {error}", where=where) from error
