"""What can be wrong with a scoring."""

from __future__ import annotations

from falaj.core.errors import ConflictError, RunFailedError, UnavailableError, UsageError


class ScoringInputError(UsageError):
    """The input is not a table that the model takes."""

    code = "scoring.input"


class OutputExistsError(ConflictError):
    """There is a file where the predictions are to go, or another scoring writes there."""

    code = "scoring.output-exists"


class ScoringDiskError(UnavailableError):
    """The predictions cannot be written."""

    code = "scoring.disk"


class ScoringFailedError(RunFailedError):
    """The model did not answer."""

    code = "scoring.failed"


class InputChangedError(ConflictError):
    """The input was written while it was read."""

    code = "scoring.input-changed"
