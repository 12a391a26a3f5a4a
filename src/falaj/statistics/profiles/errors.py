"""What can be wrong with profiles."""

from __future__ import annotations

from falaj.core.errors import IntegrityError, UsageError


class ProfileError(UsageError):
    """Columns cannot be profiled, or two profiles do not belong together."""

    code = "profile.columns"


class ProfileFormatError(IntegrityError):
    """Bytes or a document are not a profile of a version that is known here."""

    code = "profile.format"
