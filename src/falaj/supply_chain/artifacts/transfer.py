"""Artifacts on their way to another machine and back: object by object, encrypted, and believed by their digests alone.

Whoever gets an object gets the key that opens it and no other. What comes back is encrypted with a key that was made
for it, and is stored under a name only when its bytes have the digest of that name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from falaj.supply_chain.artifacts.backend import BlobBackend
from falaj.supply_chain.artifacts.digest import Digest, digest_from_hash, digest_from_shard
from falaj.supply_chain.artifacts.encrypted import SealedBackend
from falaj.supply_chain.artifacts.errors import ArtifactCorruptError
from falaj.supply_chain.artifacts.manifest import decode_manifest
from falaj.supply_chain.artifacts.reading import blob_key, manifest_key
from falaj.supply_chain.artifacts.store import ArtifactStore
from falaj.supply_chain.encryption.errors import DamagedCiphertextError
from falaj.supply_chain.encryption.stream import ObjectKey, unseal_object

_MAX_MANIFEST_BYTES = 256 << 20


@dataclass(frozen=True)
class ObjectGrant:
    """One object of an artifact, and what opens it.

    Args:
        name: `manifests/...` or `blobs/...`.
        size: Bytes of the plaintext.
        key: What opens it; None in a store that is not encrypted.
    """

    name: str
    size: int
    key: ObjectKey | None = field(default=None, repr=False)


def grants_of(store: ArtifactStore, digest: Digest) -> tuple[ObjectGrant, ...]:
    """The objects of an artifact, its manifest first, each with the key that opens it alone.

    Raises:
        ArtifactMissingError: There is no such artifact.
        ArtifactCorruptError: Its manifest is damaged.
        ArtifactErasedError: Its key was destroyed.
    """
    manifest = store.manifest(digest)
    sizes = {
        manifest_key(digest): len(manifest.encode()),
        **{blob_key(each.blob): each.size for each in manifest.files},
    }
    return tuple(ObjectGrant(name, size, _key_of(store.backend, name)) for name, size in sizes.items())


def encrypted_object(store: ArtifactStore, name: str) -> Iterator[bytes]:
    """The bytes of an object as they lie in the store.

    Raises:
        FileNotFoundError: There is no such object.
    """
    backend = store.backend
    return (backend.inner if isinstance(backend, SealedBackend) else backend).read(name)


def opened(chunks: Iterable[bytes], grant: ObjectGrant) -> Iterable[bytes]:
    """The plaintext of an object that was fetched.

    Raises:
        ArtifactCorruptError: It is not what lies in the store.
    """
    return chunks if grant.key is None else _unsealed(chunks, grant.key, grant.name)


def take_in(store: ArtifactStore, name: str, chunks: Iterable[bytes], size: int) -> None:
    """Store an object under the name that its own bytes give it.

    Args:
        store: Where it goes, encrypted as everything else there.
        name: `manifests/...` or `blobs/...`.
        chunks: Its plaintext.
        size: How many bytes there will be.

    Raises:
        ArtifactCorruptError: The bytes do not have the digest that the name says, or are no manifest; nothing is kept.
    """
    kind, _, shard = name.partition("/")
    digest = digest_from_shard(shard)
    if kind not in ("blobs", "manifests") or digest is None:
        raise ArtifactCorruptError("this is not the name of an object of an artifact", where=name[:200])
    checked = _manifest if kind == "manifests" else _hashed
    if store.backend.renew(name) != size:
        store.backend.write(name, checked(chunks, digest, name), size)
        return
    for _ in checked(chunks, digest, name):
        pass  # it is there already; whether it came as it should is said all the same


def _key_of(backend: BlobBackend, name: str) -> ObjectKey | None:
    return backend.object_key(name) if isinstance(backend, SealedBackend) else None


def _unsealed(chunks: Iterable[bytes], key: ObjectKey, name: str) -> Iterator[bytes]:
    try:
        for block in unseal_object(chunks, key, name):
            yield bytes(block)
    except DamagedCiphertextError as error:
        raise ArtifactCorruptError(error.message, where=name, hint=error.hint) from error


def _hashed(chunks: Iterable[bytes], digest: Digest, name: str) -> Iterator[bytes]:
    hasher = hashlib.sha256()
    for chunk in chunks:
        hasher.update(chunk)
        yield chunk
    if digest_from_hash(hasher) != digest:
        raise ArtifactCorruptError("the bytes that came do not have the digest that names them", where=name)


def _manifest(chunks: Iterable[bytes], digest: Digest, name: str) -> Iterator[bytes]:
    data = _bounded(_hashed(chunks, digest, name), name)
    try:
        decode_manifest(data)
    except ValueError as error:
        raise ArtifactCorruptError(f"this is not a manifest: {error}", where=name) from error
    yield data


def _bounded(chunks: Iterable[bytes], name: str) -> bytes:
    data = bytearray()
    for chunk in chunks:
        data += chunk
        if len(data) > _MAX_MANIFEST_BYTES:
            raise ArtifactCorruptError("this manifest is too large", where=name)
    return bytes(data)
