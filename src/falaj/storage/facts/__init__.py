"""Facts: rows that permit or cause something, each signed when it is made, and never older than the newest.

A fact has a subject and a number. Its seal is a signature over kind, subject, number and content by a key that is no
part of the database. The highest number of each subject is kept in a file outside of the database, so that who writes
to the database can neither invent a fact, alter one, nor put an earlier one back. The room knows nothing of tables.
"""

from falaj.storage.facts.book import FactBook, FactMissingError, Refusal
from falaj.storage.facts.heights import Height, Heights, Mark
from falaj.storage.facts.keys import FILE, fact_keys, open_book
from falaj.storage.facts.seals import Seals, SealSigner
from falaj.storage.facts.statement import Fact, Subject, parse_fact

__all__ = [
    "FILE",
    "Fact",
    "FactBook",
    "FactMissingError",
    "Height",
    "Heights",
    "Mark",
    "Refusal",
    "SealSigner",
    "Seals",
    "Subject",
    "fact_keys",
    "open_book",
    "parse_fact",
]
