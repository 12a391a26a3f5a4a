"""What the end of a step's process means."""

from __future__ import annotations

import errno
import json
from pathlib import Path

from falaj.build.pipeline.errors import DiskFullError, StepError
from falaj.core.errors import FalajError
from falaj.core.os_processes.process import Ending, Limits


def check_ending(step: str, ending: Ending, limits: Limits, folder: Path) -> None:
    """Raise unless the process ended by itself and well.

    Raises:
        StepError: Says why it did not.
    """
    match ending.reason:
        case "timed-out":
            raise StepError(
                f"ran longer than {limits.timeout_s:g} s", where=step, hint="raise `timeout`", code="step.timed-out"
            )
        case "cancelled":
            raise StepError("was cancelled", where=step, code="step.cancelled")
        case "out-of-memory":
            raise StepError(
                f"used {_mebibytes(ending.memory_bytes)} of memory, its limit is {_mebibytes(limits.memory_bytes)}",
                where=step,
                hint="raise `resources.memory`, or read less at a time",
                code="step.out-of-memory",
            )
        case "out-of-disk":
            raise StepError(
                f"wrote {_mebibytes(ending.disk_bytes)} to its folder, its limit is {_mebibytes(limits.disk_bytes)}",
                where=step,
                hint="raise `resources.disk`, or write less at a time",
                code="step.out-of-disk",
            )
        case "too-many-processes":
            raise StepError("started too many processes", where=step, code="step.too-many-processes")
    if ending.code < 0:
        hint = "perhaps the machine had no memory left" if ending.code == -9 else ""
        raise StepError(f"was ended by signal {-ending.code}", where=step, hint=hint, code="step.killed")
    if ending.code:
        raise _failure(step, ending.code, folder)


def _mebibytes(size: int | None) -> str:
    return f"{(size or 0) / (1 << 20):.0f} MiB"


def _failure(step: str, code: int, folder: Path) -> FalajError:
    """What the runner wrote about its failure, or the exit code of a command."""
    try:
        failure = json.loads((folder / "failure.json").read_text())
    except (OSError, ValueError):
        if code == errno.ENOSPC:
            return DiskFullError("no space left to write the result", where=str(folder))
        return StepError(f"ended with exit code {code}", where=step, hint="its log says more")
    if failure["code"] == "step.disk-full":
        return DiskFullError(failure["message"], where=failure["where"] or str(folder))
    where = f"{step} at {failure['where']}" if failure["where"] else step
    return StepError(failure["message"], where=where, hint=failure["hint"], code=failure["code"])
