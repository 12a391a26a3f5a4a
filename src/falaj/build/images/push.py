"""An image to a registry: blobs first, then the manifest by its digest, what refers to it, and the tag at the end.

So a push that ends half-way leaves no name for an image that is not complete, and nothing under a name that is not
signed. A tag is never taken from another image unless that was asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from falaj.build.images.content import ReleaseContent
from falaj.build.images.documents import MANIFEST, Descriptor, Manifest
from falaj.build.images.errors import TagExistsError
from falaj.build.images.layout import ImageLayout
from falaj.build.images.referrers import BILL, ENVELOPE, PREDICATE, attach
from falaj.build.images.registry import Registry
from falaj.build.images.signature import ImageKey, push_signature
from falaj.supply_chain.attestations.canonical import canonical


@dataclass(frozen=True)
class PushedImage:
    """An image in a registry.

    Attributes:
        reference: Names it by its digest.
        uploaded: How many blobs were not there yet.
        referrers: How many artifacts refer to it.
    """

    reference: str
    uploaded: int
    referrers: int


def push_image(
    layout: ImageLayout,
    image: Descriptor,
    registry: Registry,
    content: ReleaseContent,
    *,
    key: ImageKey | None = None,
    move_tag: bool = False,
) -> PushedImage:
    """Push an image with what refers to it.

    Args:
        layout: Has it.
        image: Its manifest.
        registry: Where to; its reference may have a tag.
        content: What it was made of; each envelope about the release becomes a referrer.
        key: Signs for other tools; None where nothing does.
        move_tag: Whether the tag may be taken from another image.

    Raises:
        TagExistsError: The tag names another image.
        RegistryError: The registry failed.
    """
    _require_free(registry, image, move_tag)
    manifest = layout.read(image, Manifest)
    blobs = {each.digest: each for each in (*manifest.layers, manifest.config)}
    uploaded = [
        registry.push_blob(each, lambda each=each: layout.open(each))  # type: ignore[misc]
        for each in blobs.values()
    ]
    data = layout.bytes_of(image)
    registry.push_manifest(data, MANIFEST, image.digest)
    referrers = attach(registry, image, [*_artifacts(content)])
    if key is not None:
        push_signature(registry, image, key)
    if tag := registry.reference.tag:
        _require_free(registry, image, move_tag)  # a push may take minutes, and another one may have been faster
        registry.push_manifest(data, MANIFEST, tag)
        _require_free(registry, image, move_tag=False)
    return PushedImage(registry.reference.at(image.digest), sum(uploaded), len(referrers))


def _artifacts(content: ReleaseContent) -> Iterable[tuple[str, bytes, dict[str, str]]]:
    """Type, bytes and annotations of what refers to an image."""
    for each in (*content.evidence, *content.decisions):
        yield ENVELOPE, canonical(each.envelope), {PREDICATE: each.kind}
    yield BILL, canonical(dict(content.bill)), {}


def _require_free(registry: Registry, image: Descriptor, move_tag: bool) -> None:
    tag = registry.reference.tag
    there = registry.digest_of_tag(tag) if tag and not move_tag else None
    if there not in (None, image.digest):
        raise TagExistsError(
            f"the tag {tag} names another image: {there}",
            where=registry.reference.repository,
            hint="push under another tag, or give it to this image with --move-tag",
        )
