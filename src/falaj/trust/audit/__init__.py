"""The audit log: a Merkle tree of everything that was changed, decided, signed or refused (RFC 6962).

An entry is appended in the transaction of what it records. Checkpoints say, signed, how long the log is and what its
root is; proofs show that an entry stands in it, and that a later log continues an earlier one. Entries hold pseudonyms
and salted hashes, so that what they tell can be erased and what they prove cannot.
"""

from falaj.trust.audit.erasure import erase_details, forget
from falaj.trust.audit.log import AuditEntry, append, append_evidence
from falaj.trust.audit.pending_entries import defer
from falaj.trust.audit.proofs import checkpoint, consistency, inclusion, newest_checkpoint, proofs_for, root_at, size_of
from falaj.trust.audit.pseudonyms import names_of
from falaj.trust.audit.reading import EntryFilter, Shown, entries, export_lines, matching_entries, shown_entries
from falaj.trust.audit.record import write, write_evidence

__all__ = [
    "AuditEntry",
    "EntryFilter",
    "Shown",
    "append",
    "append_evidence",
    "checkpoint",
    "consistency",
    "defer",
    "entries",
    "erase_details",
    "export_lines",
    "forget",
    "inclusion",
    "matching_entries",
    "names_of",
    "newest_checkpoint",
    "proofs_for",
    "root_at",
    "shown_entries",
    "size_of",
    "write",
    "write_evidence",
]
