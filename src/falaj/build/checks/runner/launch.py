"""Run by path: `python launch.py MODULE TASK.json RESULT.json`; calls `MODULE.main(task) -> result`.

An expected problem (`ProblemError`) becomes `{"problem": text}` in the result; any other error ends the process with a
traceback.
"""

from __future__ import annotations

import importlib
import json
import sys
import types
from pathlib import Path

PACKAGE = "falaj_check_runner"


def main(module: str, task_file: str, result_file: str) -> None:
    """Run one task and write its result."""
    here = Path(__file__).resolve().parent
    sys.path[:] = [entry for entry in sys.path if entry and Path(entry).resolve() != here]
    package = types.ModuleType(PACKAGE)
    package.__path__ = [str(here)]
    sys.modules[PACKAGE] = package
    problems = importlib.import_module(f"{PACKAGE}.problems")
    task = json.loads(Path(task_file).read_text())
    sys.path.extend([*task.get("site", []), str(here.parents[3])])
    _confine(task)
    try:
        result = importlib.import_module(f"{PACKAGE}.{module}").main(task)
    except problems.ProblemError as problem:
        result = {"problem": str(problem)}
    Path(result_file).write_text(json.dumps(result))


def _confine(task: dict[str, list[str]]) -> None:
    """Nothing but what the task names: a model that is loaded may run code of its own."""
    from falaj.core.sandbox import confine

    readable, writable = task.pop("readable"), task.pop("writable")
    confine(readable=[Path(path) for path in readable], writable=[Path(path) for path in writable])


if __name__ == "__main__":
    main(*sys.argv[1:])
