"""What can be wrong with what is asked of an alert."""

from __future__ import annotations

from falaj.core.errors import ConflictError, NotFoundError


class UnknownAlertError(NotFoundError):
    """There is no such alert."""

    code = "alert.unknown"


class AlertStateError(ConflictError):
    """The state of an alert does not allow it."""

    code = "alert.state"
