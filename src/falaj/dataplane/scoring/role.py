"""What one process of a scoring does, once it is confined."""

from __future__ import annotations

import errno
from pathlib import Path

import msgspec

from falaj.core.errors import FalajError, MissingExtraError
from falaj.dataplane.scoring.assembler import plan_and_assemble
from falaj.dataplane.scoring.errors import ScoringFailedError
from falaj.dataplane.scoring.records import ERROR, JOB, Fault, ScoringJob
from falaj.dataplane.scoring.scorer import score_lots
from falaj.models.errors import ModelError


def play(folder: Path, scratch: Path, role: str, processes: int) -> int:
    """Score, or plan and assemble; the exit code, with the reason in the scratch folder where it is not 0."""
    try:
        _run(folder, role, processes)
    except (FalajError, OSError) as error:
        (scratch / ERROR).write_bytes(msgspec.json.encode(_fault(error)))
        return 1
    return 0


def _run(folder: Path, role: str, processes: int) -> None:
    job = msgspec.json.decode((folder / JOB).read_bytes(), type=ScoringJob)
    if role == "score":
        score_lots(job, folder)
    else:
        plan_and_assemble(job, folder, processes)


def _fault(error: FalajError | OSError) -> Fault:
    if isinstance(error, OSError):
        kind = "disk" if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else "input"
        return Fault(kind, error.strerror or str(error), str(error.filename or ""))  # type: ignore[arg-type]
    if isinstance(error, MissingExtraError):
        return Fault("extra", error.message, error.where, error.hint)
    kind = "model" if isinstance(error, ModelError | ScoringFailedError) else "input"
    return Fault(kind, error.message, error.where, error.hint)  # type: ignore[arg-type]
