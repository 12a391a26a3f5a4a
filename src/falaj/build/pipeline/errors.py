"""What can go wrong with a pipeline, its sources and its steps."""

from __future__ import annotations

from falaj.core.errors import FalajError, RunFailedError, UnavailableError, UsageError


class PipelineError(UsageError):
    """The pipeline cannot be run as it is written; nothing was started."""

    code = "pipeline.invalid"


class SourceError(UsageError):
    """A data source cannot be read."""

    code = "source.unreadable"


class WorkspaceError(UsageError):
    """The commit could not be written to a folder."""

    code = "workspace.unreadable"


class StepError(RunFailedError):
    """A step did not give what it should.

    Codes: `step.failed`, `step.timed-out`, `step.cancelled`, `step.out-of-memory`, `step.out-of-disk`, `step.killed`,
    `step.wrong-output`, `step.wrong-input`, `step.secret-in-result`, `step.missing-function`, `step.input-unreadable`,
    `step.lost`, `step.not-placed`, `step.residency`, `step.other-environment`, `step.queue-timeout`.
    """

    code = "step.failed"


class DiskFullError(UnavailableError):
    """A step's folder, log or result did not fit on its disk."""

    code = "step.disk-full"


MOST_LOST = 5
"""How often an attempt may be lost by its executor, beside the retries that a step declares."""


def was_lost(error: Exception | None) -> bool:
    """Whether nobody knows what became of an attempt, for which the step is not to blame."""
    return isinstance(error, FalajError) and error.code == "step.lost"


def retriable(error: FalajError) -> bool:
    """Whether trying again could help: not when the code itself is wrong or the user stopped it."""
    final = {
        "step.cancelled",
        "step.missing-function",
        "step.wrong-output",
        "step.wrong-input",
        "step.secret-in-result",
        "step.not-placed",
        "step.residency",
        "step.other-environment",
        "step.queue-timeout",
    }
    return error.code not in final
