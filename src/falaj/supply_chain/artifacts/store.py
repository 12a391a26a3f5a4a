"""The artifact store: putting, reading, checking and collecting, over any back end."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from falaj.supply_chain.artifacts import refs
from falaj.supply_chain.artifacts.backend import BlobBackend
from falaj.supply_chain.artifacts.checkout import materialise
from falaj.supply_chain.artifacts.digest import Digest, digest_from_shard, digest_of, parse_digest
from falaj.supply_chain.artifacts.encrypted import SealedBackend
from falaj.supply_chain.artifacts.errors import ArtifactCorruptError, ArtifactErasedError, ArtifactMissingError
from falaj.supply_chain.artifacts.ingest import BlobWriter
from falaj.supply_chain.artifacts.manifest import FileEntry, Manifest, file_manifest
from falaj.supply_chain.artifacts.parallel import each
from falaj.supply_chain.artifacts.reading import VerifyingReader, blob_key, manifest_key, read_manifest, verified
from falaj.supply_chain.artifacts.repair import discard_damaged
from falaj.supply_chain.artifacts.stat_cache import StatCache


@dataclass(frozen=True, slots=True)
class Artifact:
    """What a `put` stored.

    Attributes:
        digest: Its name.
        size: Bytes of all files together.
        files: How many files.
    """

    digest: Digest
    size: int
    files: int


@dataclass(frozen=True, slots=True)
class CollectedObjects:
    """What garbage collection removed.

    Attributes:
        blobs: How many blobs.
        bytes: Their size together.
    """

    blobs: int
    bytes: int


class ArtifactStore:
    """Immutable files and trees by digest, and small mutable refs.

    Safe for any number of threads and processes on the same folder or bucket.

    Args:
        backend: Where the bytes lie.
        stat_cache: Memory of hashed files, for stores where reading a source is what a `put` of unchanged files costs.
    """

    def __init__(self, backend: BlobBackend, *, stat_cache: StatCache | None = None) -> None:
        self._backend = backend
        self._intake = BlobWriter(backend, stat_cache)

    @property
    def backend(self) -> BlobBackend:
        """Where the bytes lie."""
        return self._backend

    @property
    def url(self) -> str:
        """Names the place, without credentials."""
        return self._backend.url

    def put(self, path: Path | str) -> Artifact:
        """Store a file or a folder.

        Args:
            path: What to store. Links inside a folder are stored as what they point to.

        Returns:
            Name and size; the same for equal content, whoever puts it.

        Raises:
            UsageError: `artifact.no-such-path`.
            ArtifactUnsupportedError: Something in the folder cannot be part of an artifact.
            ArtifactChangedError: A file changed meanwhile.
            ArtifactDiskFullError: No room.
        """
        return self._keep(self._intake.path(Path(path)))

    def put_bytes(self, data: bytes) -> Artifact:
        """Store bytes as a file artifact; the digest is that of a plain file with this content."""
        return self._keep(file_manifest(self._intake.bytes(data), len(data)))

    def has(self, digest: Digest) -> bool:
        """Whether all of an artifact is there; sizes are compared, contents are not read (see `verify`)."""
        try:
            manifest = self.manifest(digest)
        except (ArtifactMissingError, ArtifactCorruptError):
            return False
        return all(each(self._backend.workers, self._is_complete, manifest.files))

    def manifest(self, digest: Digest) -> Manifest:
        """What an artifact consists of.

        Raises:
            ArtifactMissingError: There is no such artifact.
            ArtifactCorruptError: The stored manifest is not what the digest names.
        """
        return read_manifest(self._backend, parse_digest(digest))

    def fetch(self, digest: Digest, target: Path | str) -> Path:
        """Copy an artifact out of the store, checked byte by byte, so that it appears complete or not at all.

        Args:
            digest: Which artifact.
            target: Path of the file or folder to make; may be an empty folder, nothing else may exist there.

        Returns:
            The target.

        Raises:
            ArtifactMissingError: The artifact, or a blob of it, is not in the store.
            ArtifactCorruptError: A stored blob is damaged.
            TargetExistsError: Something is at the target.
            ArtifactDiskFullError: No room.
        """
        return materialise(self._backend, digest, self.manifest(digest), Path(target))

    def read_bytes(self, digest: Digest, path: str = "") -> bytes:
        """Whole content of one file of an artifact, checked.

        Args:
            digest: Which artifact.
            path: Which file of a tree; empty for a file artifact.
        """
        return b"".join(verified(self._backend, digest, self._entry(digest, path)))

    def open(self, digest: Digest, path: str = "") -> BinaryIO:
        """Stream one file of an artifact; the end of the stream raises `ArtifactCorruptError` if it was damaged.

        Args:
            digest: Which artifact.
            path: Which file of a tree; empty for a file artifact.
        """
        return VerifyingReader.open(self._backend, digest, self._entry(digest, path))

    def verify(self, digest: Digest) -> None:
        """Read all of an artifact and compare it with its digest.

        Raises:
            ArtifactMissingError: The artifact, or a blob of it, is not in the store.
            ArtifactCorruptError: Names the damaged file.
        """
        for entry in self.manifest(digest).files:
            for _ in verified(self._backend, digest, entry):
                pass

    def discard_damaged(self, digest: Digest) -> bool:
        """Remove the damaged parts of an artifact, so that the next `put` of the same content stores them again.

        A `put` takes what has the right name and size for present; without this a part that was damaged at the same
        size would stay as it is.

        Args:
            digest: Which artifact; it need not be there.

        Returns:
            Whether anything was removed.
        """
        return discard_damaged(self._backend, parse_digest(digest))

    def remove_erased(self, key_ids: Collection[str]) -> int:
        """Remove what was encrypted with destroyed keys and can no longer be read; return the number of objects."""
        return self._backend.remove_erased(key_ids) if isinstance(self._backend, SealedBackend) else 0

    def erase(self, digests: Iterable[Digest], *, keep: Iterable[Digest] = ()) -> int:
        """Remove artifacts at once, however young they are, with every file of theirs that no kept one has.

        In an encrypted store this destroys the key of each object, which is derived from a salt that lies in it alone.
        An artifact of neither list that shares a file with an erased one is incomplete afterwards.

        Args:
            digests: What must go; what is not there is left out.
            keep: Whose files stay.

        Returns:
            How many objects were removed.
        """
        retained_keys = {key for digest in keep for key in self._keys_of(digest)}
        gone = {key for digest in digests for key in self._keys_of(digest)} - retained_keys
        for key in sorted(gone):  # blobs before manifests: whoever is interrupted can begin again
            self._backend.delete(key)
        return len(gone)

    @property
    def is_encrypted(self) -> bool:
        """Whether what is put is encrypted at rest."""
        return isinstance(self._backend, SealedBackend)

    def encrypted_by(self, digest: Digest) -> set[str]:
        """Ids of the data keys without which an artifact cannot be read; none where the store is not encrypted."""
        backend = self._backend
        keys = self._keys_of(digest)
        return {backend.key_of(key) for key in keys} - {""} if isinstance(backend, SealedBackend) else set()

    def set_ref(self, name: str, data: bytes) -> None:
        """Write a small mutable record; readers see the old or the new one, never a mixture.

        Args:
            name: `/`-separated segments of letters, digits and `._@:+-`, such as `steps/3fa1`.
            data: Anything; the store does not look into it, so garbage collection does not follow it.
        """
        self._backend.write(refs.key(name), [data], len(data))

    def create_ref(self, name: str, data: bytes) -> bool:
        """Write a ref unless there is one; of several writers exactly one is told True.

        Args:
            name: As for `set_ref`.
            data: As for `set_ref`.
        """
        return self._backend.create(refs.key(name), data)

    def get_ref(self, name: str) -> bytes | None:
        """Content of a ref; None when there is none, or when its key was destroyed.

        Raises:
            ArtifactCorruptError: The store is encrypted, and this is not what was written under that name.
        """
        try:
            return b"".join(self._backend.read(refs.key(name)))
        except (FileNotFoundError, ArtifactErasedError):
            return None

    def refs(self, prefix: str = "") -> Iterator[str]:
        """Names of all refs that start with a text, in no particular order."""
        for stored in self._backend.entries(refs.folder(prefix)):
            name = refs.name(stored.key)
            if name is not None and name.startswith(prefix):
                yield name

    def delete_ref(self, name: str) -> None:
        """Remove a ref if there is one."""
        self._backend.delete(refs.key(name))

    def collect(self, roots: Iterable[Digest], *, grace_s: float, now: float) -> CollectedObjects:
        """Remove what no root reaches and nobody put lately; safe while others put and fetch.

        Args:
            roots: Artifacts to keep.
            grace_s: Seconds for which an artifact is kept after it was put (again); longer than the longest `put`
                plus the time until its digest is recorded somewhere that leads to a root.
            now: Unix time in seconds.

        Returns:
            How many blobs went and how large they were.

        Raises:
            ArtifactCorruptError: A manifest that is to be kept is damaged; its blobs are unknown, so none was removed.
        """
        cutoff = now - grace_s
        keep = {manifest_key(parse_digest(root)) for root in roots}
        for _ in self._backend.remove_stale("manifests", keep, cutoff):
            pass
        reached = set(self._reached_blobs())
        sizes = [stored.size for stored in self._backend.remove_stale("blobs", reached, cutoff)]
        self._backend.remove_leftovers(cutoff)
        return CollectedObjects(len(sizes), sum(sizes))

    def _keep(self, manifest: Manifest) -> Artifact:
        data = manifest.encode()
        digest = digest_of(data)
        key = manifest_key(digest)
        if self._backend.renew(key) != len(data):
            self._backend.write(key, [data], len(data))
        return Artifact(digest, manifest.size, len(manifest.files))

    def _keys_of(self, digest: Digest) -> set[str]:
        """Where an artifact lies; nowhere when it is gone."""
        try:
            manifest = self.manifest(digest)
        except (ArtifactMissingError, ArtifactCorruptError, ArtifactErasedError):
            return set()
        return {manifest_key(parse_digest(digest)), *(blob_key(entry.blob) for entry in manifest.files)}

    def _is_complete(self, entry: FileEntry) -> bool:
        return self._backend.size(blob_key(entry.blob)) == entry.size

    def _entry(self, digest: Digest, path: str) -> FileEntry:
        for entry in self.manifest(digest).files:
            if entry.path == path:
                return entry
        raise ArtifactMissingError(
            f"the artifact has no file {path!r}" if path else "the artifact is a tree; name one of its files",
            where=digest,
        )

    def _reached_blobs(self) -> Iterator[str]:
        for stored in self._backend.entries("manifests"):
            digest = digest_from_shard(stored.key.removeprefix("manifests/"))
            if digest is None:
                continue
            with suppress(ArtifactMissingError):  # another collection removed it meanwhile
                for entry in self.manifest(digest).files:
                    yield blob_key(entry.blob)
