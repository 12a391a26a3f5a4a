"""Tables whose rows are facts: sealed when they are written, and no rows where the seal does not hold.

A class with `SealedRow` needs nothing more. A session of `Database` seals such a row in the flush that writes it, and
verifies it in the load that reads it; rows that do not hold are left out of every answer. A query that would read
columns of such a table without their row is refused, so that no reader can forget to verify.
"""

from falaj.storage.sealed.queries import watch
from falaj.storage.sealed.reading import UNVERIFIED, examine, refused
from falaj.storage.sealed.rows import SealedRow, SideDoorError, subject_of, table_of
from falaj.storage.sealed.session import (
    FactSession,
    is_recorded,
    made_facts,
    memory,
    note_growth,
    require_all,
    require_growth,
    require_standing,
    stands,
)
from falaj.storage.sealed.writing import delete_each, take_one

__all__ = [
    "UNVERIFIED",
    "FactSession",
    "SealedRow",
    "SideDoorError",
    "delete_each",
    "examine",
    "is_recorded",
    "made_facts",
    "memory",
    "note_growth",
    "refused",
    "require_all",
    "require_growth",
    "require_standing",
    "stands",
    "subject_of",
    "table_of",
    "take_one",
    "watch",
]
