"""Convert and compare in the project's environment; run by path with that environment's Python.

    PROJECT_PYTHON .../packaging/runner.py TASK.json

The task names `model` (a folder to write into), `table` (Parquet or null), `rows`, `answer` (what responses shall hold,
or null), `site` (Falaj's site-packages, which are appended behind the project's own) and `result` (where the packaging
result goes). Falaj is imported when that is on the path, and the libraries of models when the process is confined.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any


def main() -> int:
    """Read the task, package, write the result."""
    task = json.loads(Path(sys.argv[1]).read_text())
    own = str(Path(__file__).resolve().parent)  # its module names would hide others
    sys.path[:] = [path for path in sys.path if path != own]
    for path in (task["site"], str(Path(__file__).resolve().parents[3])):
        if path not in sys.path:
            sys.path.append(path)
    warnings.simplefilter("ignore")
    _confine(task)
    from falaj.build.packaging.packager import package

    Path(task["result"]).write_text(json.dumps(package(task).to_json()))
    return 0


def _confine(task: dict[str, Any]) -> None:
    """Loading a model may run code that it brings; that code gets its folder and no network."""
    from falaj.core.sandbox import confine

    model, result = Path(task["model"]), Path(task["result"])
    confine(readable=[Path(task["table"])] if task["table"] else [], writable=[model, result.parent])


if __name__ == "__main__":
    sys.exit(main())
