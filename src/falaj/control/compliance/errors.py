"""What can go wrong with privacy.

UsageError     ├── BadRecordError         privacy.record
               └── PackOffError           privacy.pack-off
NotFoundError  └── UnknownPrivacyError    privacy.unknown
ConflictError  ├── PrivacyStateError      privacy.state
               └── UnreadableError        privacy.unreadable
"""

from __future__ import annotations

from falaj.core.errors import ConflictError, NotFoundError, UsageError


class BadRecordError(UsageError):
    """The record lacks what records of its kind must say, or says what they cannot."""

    code = "privacy.record"


class PackOffError(UsageError):
    """What was asked for needs a pack of rules that is not on."""

    code = "privacy.pack-off"


class UnknownPrivacyError(NotFoundError):
    """There is no record, incident or request of that id."""

    code = "privacy.unknown"


class PrivacyStateError(ConflictError):
    """The record, incident or request is not in the state that this needs."""

    code = "privacy.state"


class UnreadableError(ConflictError):
    """A snapshot cannot be searched for people: it is gone, of another format, or has no such column."""

    code = "privacy.unreadable"
