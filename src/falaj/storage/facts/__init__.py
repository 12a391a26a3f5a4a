"""Facts: rows that permit or cause something, each signed when it is made, and never older than the newest.

A fact has a subject and a number. Its seal is a signature over kind, subject, number and content by a key that is no
part of the database. The highest number of each subject is kept in a file outside of the database, so that who writes
to the database can neither invent a fact, alter one, nor put an earlier one back. The room knows nothing of tables.
"""

from falaj.storage.facts.fact_store import FactMissingError, FactRefusal, FactStore
from falaj.storage.facts.keys import FILE, fact_keys, open_fact_store
from falaj.storage.facts.signatures import Seals, SealSigner
from falaj.storage.facts.statement import Fact, FactSubject, parse_fact
from falaj.storage.facts.version_file import FactVersion, FactVersions, Mark

__all__ = [
    "FILE",
    "Fact",
    "FactMissingError",
    "FactRefusal",
    "FactStore",
    "FactSubject",
    "FactVersion",
    "FactVersions",
    "Mark",
    "SealSigner",
    "Seals",
    "fact_keys",
    "open_fact_store",
    "parse_fact",
]
