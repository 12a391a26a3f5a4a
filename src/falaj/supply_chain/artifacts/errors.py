"""What can go wrong with artifacts.

IntegrityError      ├── ArtifactCorruptError      artifact.corrupt
NotFoundError       ├── ArtifactMissingError      artifact.missing
                    │   └── ArtifactErasedError   artifact.erased
UnavailableError    ├── ArtifactDiskFullError     artifact.disk-full
                    └── StoreUnavailableError     artifact.store-unavailable
ConflictError       ├── StoreSealedError          artifact.store-sealed, artifact.store-in-the-clear
                    ├── ArtifactChangedError      artifact.changed
                    └── TargetExistsError         artifact.target-exists
UsageError          └── ArtifactUnsupportedError  artifact.unsupported
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from falaj.core.errors import ConflictError, IntegrityError, NotFoundError, UnavailableError, UsageError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class ArtifactCorruptError(IntegrityError):
    """Stored bytes do not have the digest that names them."""

    code = "artifact.corrupt"


class ArtifactMissingError(NotFoundError):
    """The store holds no such artifact, or lost a part of it."""

    code = "artifact.missing"


class ArtifactErasedError(ArtifactMissingError):
    """The key that an artifact was encrypted with was destroyed, so that nobody can read it any more."""

    code = "artifact.erased"


class ArtifactDiskFullError(UnavailableError):
    """There was no room to write; nothing half-written is left behind."""

    code = "artifact.disk-full"


class StoreUnavailableError(UnavailableError):
    """The store cannot be reached or refuses the credentials."""

    code = "artifact.store-unavailable"


class ArtifactUnsupportedError(UsageError):
    """The path holds something that an artifact cannot: a device, a link out of the tree, an undecodable name."""

    code = "artifact.unsupported"


class ArtifactChangedError(ConflictError):
    """A file changed while it was being put."""

    code = "artifact.changed"


class TargetExistsError(ConflictError):
    """`fetch` would have overwritten something."""

    code = "artifact.target-exists"


class StoreSealedError(ConflictError):
    """A store is encrypted although it was opened without keys, or in the clear although it must not be."""

    code = "artifact.store-sealed"


@contextmanager
def disk_errors(where: str) -> Iterator[None]:
    """Turn "no space left" into `ArtifactDiskFullError`; every other error passes through.

    Args:
        where: The file or folder that was being written.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise ArtifactDiskFullError(
            f"no room to write: {error.strerror}",
            where=where,
            hint="free some space, or run `falaj platform gc` to remove artifacts that nothing refers to",
        ) from error
