"""The content-addressed store: files and trees named by the digest of their manifest, kept in a folder or in S3.

An artifact never changes: its digest is the SHA-256 of a canonical manifest that lists every path, size, executable
bit and blob digest, so the same content has the same name everywhere and equal files are kept once. Writes are
atomic, reads are verified, any number of processes may put, fetch and collect garbage at the same time. Small mutable
names (refs) sit beside the artifacts. A store may be encrypted at rest; its names are those of the plaintext all the
same. The folder back end in the clear needs nothing beyond the standard library.
"""

from falaj.supply_chain.artifacts.digest import Digest, parse_digest
from falaj.supply_chain.artifacts.errors import (
    ArtifactChangedError,
    ArtifactCorruptError,
    ArtifactDiskFullError,
    ArtifactErasedError,
    ArtifactMissingError,
    ArtifactUnsupportedError,
    StoreSealedError,
    StoreUnavailableError,
    TargetExistsError,
)
from falaj.supply_chain.artifacts.factory import open_home_store, open_store
from falaj.supply_chain.artifacts.manifest import FileEntry, Manifest
from falaj.supply_chain.artifacts.store import Artifact, ArtifactStore, CollectedObjects

__all__ = [
    "Artifact",
    "ArtifactChangedError",
    "ArtifactCorruptError",
    "ArtifactDiskFullError",
    "ArtifactErasedError",
    "ArtifactMissingError",
    "ArtifactStore",
    "ArtifactUnsupportedError",
    "CollectedObjects",
    "Digest",
    "FileEntry",
    "Manifest",
    "StoreSealedError",
    "StoreUnavailableError",
    "TargetExistsError",
    "open_home_store",
    "open_store",
    "parse_digest",
]
