"""What refers to an image: its evidence, each envelope as an artifact of its own.

Where a registry keeps no list of referrers, the list is an index under the tag `sha256-HEX`. Nobody locks that tag, so
it is read again after it was written, until everything that was pushed is in it.

Source: OCI distribution specification 1.1, "Referrers Tag Schema".
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence

import msgspec

from falaj.build.images.documents import EMPTY, INDEX, MANIFEST, Descriptor, Index, Manifest, decode, encode
from falaj.build.images.errors import RegistryError
from falaj.build.images.layers import member_of
from falaj.build.images.registry import Registry
from falaj.core.errors import NotFoundError
from falaj.supply_chain.artifacts.digest import digest_of

ENVELOPE = "application/vnd.dsse.envelope.v1+json"
BILL = "application/vnd.cyclonedx+json"
PREDICATE = "dev.falaj.predicate-type"
_NOTHING = b"{}"
_ROUNDS = 20


def attach(
    registry: Registry, subject: Descriptor, artifacts: Sequence[tuple[str, bytes, dict[str, str]]],
    pause: Callable[[], None] = lambda: time.sleep(random.uniform(0.02, 0.2)),  # noqa: S311 - no secret
) -> list[Descriptor]:  # fmt: skip
    """Push artifacts that refer to an image.

    Args:
        registry: Where the image is.
        subject: The image.
        artifacts: Type, bytes and annotations each.
        pause: Waits before the list is written again, where somebody else wrote it too.

    Returns:
        The artifacts as they are in the list.
    """
    empty = Descriptor(EMPTY, digest_of(_NOTHING), len(_NOTHING))
    registry.push_blob(empty, member_of("", _NOTHING).content)
    pushed, has_list = [], True
    for kind, data, details in artifacts:
        blob = Descriptor(kind, digest_of(data), len(data))
        registry.push_blob(blob, member_of("", data).content)
        manifest = encode(Manifest(2, MANIFEST, empty, [blob], details, kind, _bare(subject)))
        digest = digest_of(manifest)
        headers = registry.push_manifest(manifest, MANIFEST, digest)
        has_list = has_list and headers.get("oci-subject") == subject.digest
        pushed.append(Descriptor(MANIFEST, digest, len(manifest), details, kind))
    if pushed and not has_list:
        _list(registry, subject, pushed, pause)
    return pushed


def attached(registry: Registry, subject: str) -> list[Descriptor]:
    """What refers to an image, by the registry's list or by the tag."""
    data = registry.referrers(subject)
    return decode(data, Index, where=subject).manifests if data is not None else _tagged(registry, subject)


def fallback_tag(digest: str) -> str:
    """The tag of a list of referrers."""
    return digest.replace(":", "-")


def _bare(subject: Descriptor) -> Descriptor:
    return Descriptor(subject.media_type, subject.digest, subject.size)


def _list(registry: Registry, subject: Descriptor, pushed: Sequence[Descriptor], pause: Callable[[], None]) -> None:
    """Write the list until it has all of them; another writer may have written over it."""
    for _ in range(_ROUNDS):
        listed = _tagged(registry, subject.digest)
        digests = {each.digest for each in listed}
        missing = [each for each in pushed if each.digest not in digests]
        if not missing:
            return
        entries = sorted([*listed, *missing], key=lambda each: each.digest)
        data = encode(Index(2, INDEX, entries))
        registry.push_manifest(data, INDEX, fallback_tag(subject.digest))
        pause()
    raise RegistryError("the list of referrers is written over again and again", where=registry.reference.repository)


def _tagged(registry: Registry, subject: str) -> list[Descriptor]:
    try:
        data, media_type = registry.manifest(fallback_tag(subject))
    except NotFoundError:
        return []
    if media_type != INDEX:
        raise RegistryError(
            f"the tag {fallback_tag(subject)} is not a list of referrers", where=registry.reference.repository
        )
    entries = decode(data, Index, where=fallback_tag(subject)).manifests
    return [msgspec.structs.replace(each, platform=None) for each in entries]
