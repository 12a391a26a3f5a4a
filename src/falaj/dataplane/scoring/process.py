"""One process of a scoring, in the sandbox; run by path with the Python of the project's environment or Falaj's own.

    PYTHON .../scoring/process.py FOLDER SCRATCH ROLE PROCESSES SITE

`SITE` is Falaj's site-packages, which come behind the packages that the model was trained with. Falaj is imported when
they are on the path, and the libraries of models when the process is confined: they start threads.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path


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
    _confine(Path(folder), Path(scratch))
    from falaj.dataplane.scoring.role import play

    return play(Path(folder), Path(scratch), role, int(processes))


def _confine(folder: Path, scratch: Path) -> None:
    """As a replica: a model that brings code of the project is loaded only by a process that is confined by itself."""
    from falaj.core.sandbox import confine

    job = json.loads((folder / "job.json").read_bytes())
    confine(readable=[Path(job["input"]), Path(job["model"])], writable=[folder, scratch])


if __name__ == "__main__":
    sys.exit(main())
