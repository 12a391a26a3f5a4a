"""Removing what is damaged, so that it can be put again."""

from __future__ import annotations

from falaj.supply_chain.artifacts.backend import BlobBackend
from falaj.supply_chain.artifacts.digest import Digest
from falaj.supply_chain.artifacts.errors import ArtifactCorruptError, ArtifactMissingError
from falaj.supply_chain.artifacts.manifest import FileEntry
from falaj.supply_chain.artifacts.parallel import each
from falaj.supply_chain.artifacts.reading import blob_key, manifest_key, read_manifest, verified


def discard_damaged(backend: BlobBackend, digest: Digest) -> bool:
    """Remove the parts of an artifact that are not what their names say; see `ArtifactStore.discard_damaged`.

    Another writer may put a sound copy between the look and the removal. It is lost then, and whoever reads it is
    told that it is missing; nothing damaged is ever read.
    """
    try:
        manifest = read_manifest(backend, digest)
    except ArtifactMissingError:
        return False
    except ArtifactCorruptError:
        backend.delete(manifest_key(digest))
        return True
    return any(each(backend.workers, lambda entry: _discard(backend, digest, entry), manifest.files))


def _discard(backend: BlobBackend, digest: Digest, entry: FileEntry) -> bool:
    try:
        for _ in verified(backend, digest, entry):
            pass
    except ArtifactMissingError:
        return False
    except ArtifactCorruptError:
        backend.delete(blob_key(entry.blob))
        return True
    return False
