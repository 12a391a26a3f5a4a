"""Why a backup is not made, or not restored.

FalajError
├── UsageError      └── NotEmbeddedError    (400 backup.not-embedded)
├── ConflictError   └── BackupPlaceError    (409 backup.home-in-use, backup.file-exists)
└── IntegrityError  └── BackupDamagedError  (422 backup.damaged, backup.passphrase, backup.format)
"""

from __future__ import annotations

from falaj.core.errors import ConflictError, IntegrityError, UsageError


class NotEmbeddedError(UsageError):
    """The installation's database or store is elsewhere, and is backed up there."""

    code = "backup.not-embedded"


class BackupPlaceError(ConflictError):
    """Something is where the backup or the home would be."""

    code = "backup.home-in-use"


class BackupDamagedError(IntegrityError):
    """The file is no backup that can be restored."""

    code = "backup.damaged"
