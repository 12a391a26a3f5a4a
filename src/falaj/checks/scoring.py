"""Running a task in the project's environment, and the scores that come back."""

from __future__ import annotations

import json
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from falaj.checks.context import CheckContext, CheckError
from falaj.checks.metrics import Vector
from falaj.checks.processes import run_tool

LAUNCHER = Path(__file__).parent / "in_project" / "launch.py"
TIMEOUT_S = 1800.0
CANDIDATE, LIVE = "candidate", "live"


@dataclass(frozen=True)
class Scores:
    """One table's rows, scored.

    Attributes:
        label: One label a row; 0 and 1 for classifiers.
        scores: Model name to one score a row.
        slices: Column to the value of each row.
        problems: Model name to why it has no scores.
    """

    label: Vector
    scores: Mapping[str, Vector]
    slices: Mapping[str, NDArray[np.str_]]
    problems: Mapping[str, str]


@dataclass(frozen=True)
class Scoring:
    """All tables, scored.

    Attributes:
        tables: Scores by the table's name.
        problems: Table name to why it could not be scored at all.
        versions: Libraries that made the predictions.
    """

    tables: Mapping[str, Scores]
    problems: Mapping[str, str]
    versions: Mapping[str, str]


def run_in_project(context: CheckContext, module: str, task: Mapping[str, Any], *, timeout_s: float) -> dict[str, Any]:
    """Run a module of `in_project` in the project's environment.

    Falaj's own packages come last on the path, so that a project without MLflow can still load its model.

    Raises:
        CheckError: The task could not be done; the message has the reason.
    """
    task_file, result_file = context.workdir / f"{module}-task.json", context.workdir / f"{module}-result.json"
    result_file.unlink(missing_ok=True)
    task_file.write_text(json.dumps({**task, "site": [sysconfig.get_paths()["purelib"]]}))
    python = context.environment.python
    done = run_tool(context, module, python, LAUNCHER, module, task_file, result_file, timeout_s=timeout_s)
    if done.code != 0 or not result_file.exists():
        raise CheckError(f"{module} failed in the project's environment: {done.last_line}")
    result: dict[str, Any] = json.loads(result_file.read_text())
    if "problem" in result:
        raise CheckError(result["problem"])
    return result


def score(context: CheckContext, models: Mapping[str, Path], tables: Mapping[str, set[str]], *, label: str) -> Scoring:
    """Score tables with models in the project's environment.

    Args:
        context: Gives environment and outputs.
        models: Model name to its artifact.
        tables: Output name to the columns to slice by.
        label: The column with the labels.

    Raises:
        CheckError: Nothing could be scored.
    """
    out = context.workdir / "scores"
    out.mkdir(parents=True, exist_ok=True)
    paths, problems = _fetched(context, tables)
    task = {
        "models": {name: str(path) for name, path in models.items()},
        "tables": paths,
        "slices": {name: sorted(columns) for name, columns in tables.items()},
        "label": label,
        "out": str(out),
    }
    result = run_in_project(context, "score", task, timeout_s=TIMEOUT_S)
    found = {name: _read(entry) for name, entry in result["scores"].items() if entry["file"]}
    problems |= {name: entry["problem"] for name, entry in result["scores"].items() if entry["problem"]}
    return Scoring(found, problems, result["versions"])


def _fetched(context: CheckContext, tables: Mapping[str, set[str]]) -> tuple[dict[str, str], dict[str, str]]:
    paths, problems = {}, {}
    for name in tables:
        try:
            paths[name] = str(context.fetch(name))
        except CheckError as error:
            problems[name] = str(error)
    return paths, problems


def _read(entry: Mapping[str, Any]) -> Scores:
    with np.load(entry["file"], allow_pickle=False) as arrays:
        return Scores(
            label=arrays["label"],
            scores=_with_prefix(arrays, "score:"),
            slices=_with_prefix(arrays, "slice:"),
            problems={name: problem for name, problem in entry["models"].items() if problem},
        )


def _with_prefix(arrays: Any, prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): arrays[name] for name in arrays.files if name.startswith(prefix)}
