"""One process of a scoring, behind the wall; run by path with the Python of the project's environment or Falaj's own.

    PYTHON .../scoring/process.py FOLDER SCRATCH ROLE PROCESSES SITE

`SITE` is Falaj's site-packages, which come behind the packages that the model was trained with.
"""

from __future__ import annotations

import errno
import os
import sys
import warnings
from pathlib import Path
from typing import Any


def main() -> int:
    """Do the part of a role, or leave the reason why not in the scratch folder."""
    os.umask(0o077)  # nothing of a scoring is for others on the machine
    folder, scratch, role, processes, site = sys.argv[1:6]
    own = str(Path(__file__).resolve().parent)  # its module names would hide others
    sys.path[:] = [path for path in sys.path if path != own]
    for path in (site, str(Path(__file__).resolve().parents[3])):
        if path not in sys.path:
            sys.path.append(path)
    warnings.simplefilter("ignore")
    from falaj.core.errors import FalajError
    from falaj.dataplane.scoring.records import ERROR

    try:
        _run(Path(folder), role, int(processes))
    except (FalajError, OSError) as error:
        import msgspec

        Path(scratch, ERROR).write_bytes(msgspec.json.encode(_fault(error)))
        return 1
    return 0


def _run(folder: Path, role: str, processes: int) -> None:
    import msgspec

    from falaj.dataplane.scoring.records import JOB, ScoringJob

    _confine(folder)
    job = msgspec.json.decode((folder / JOB).read_bytes(), type=ScoringJob)
    if role == "score":
        from falaj.dataplane.scoring.scorer import score_lots

        score_lots(job, folder)
    else:
        from falaj.dataplane.scoring.assembler import plan_and_assemble

        plan_and_assemble(job, folder, processes)


def _confine(folder: Path) -> None:
    """As a replica: a model that brings code of the project is loaded only by a process that is confined by itself."""
    import msgspec

    from falaj.core.sandbox import confine
    from falaj.dataplane.scoring.records import JOB, ScoringJob

    job = msgspec.json.decode((folder / JOB).read_bytes(), type=ScoringJob)
    confine(readable=[Path(job.input), Path(job.model)], writable=[folder, Path(sys.argv[2])])


def _fault(error: Any) -> Any:
    from falaj.core.errors import MissingExtraError
    from falaj.dataplane.scoring.errors import ScoringFailedError
    from falaj.dataplane.scoring.records import Fault
    from falaj.models.errors import ModelError

    if isinstance(error, OSError):
        kind = "disk" if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else "input"
        return Fault(kind, error.strerror or str(error), str(error.filename or ""))  # type: ignore[arg-type]
    if isinstance(error, MissingExtraError):
        return Fault("extra", error.message, error.where, error.hint)
    kind = "model" if isinstance(error, ModelError | ScoringFailedError) else "input"
    return Fault(kind, error.message, error.where, error.hint)  # type: ignore[arg-type]


if __name__ == "__main__":
    sys.exit(main())
