"""What can be wrong with losses, or with the reference that they are held against."""

from __future__ import annotations

from falaj.core.errors import UsageError


class LossError(UsageError):
    """Losses that a detector cannot take."""

    code = "monitoring.loss"


class BaselineError(UsageError):
    """A reference that nothing can be held against."""

    code = "monitoring.baseline"
