"""Backup and restore of an embedded home: one file that is complete or not there, and a home that is likewise.

A backup is a tar file. Databases are copied by SQLite's own backup, so the platform may run meanwhile; secrets (keys,
tokens) are encrypted under a passphrase, by which the list of all members is authenticated, too. A restore looks at
everything before anything is put in place, and puts it in place by one rename.
"""

from falaj.cli.backup.archive import Backup, back_up
from falaj.cli.backup.errors import BackupDamagedError, BackupPlaceError, NotEmbeddedError
from falaj.cli.backup.restoration import Restored, restore

__all__ = [
    "Backup",
    "BackupDamagedError",
    "BackupPlaceError",
    "NotEmbeddedError",
    "Restored",
    "back_up",
    "restore",
]
