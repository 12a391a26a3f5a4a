"""Prepare the features of exams as the project does; no label and no model is in reach.

Task: `functions` {table: `module.path:name`}, `tables` {table: path}, `worktree`, `out` (folder).
Result: `tables` {table: {"features": path, "problem": text}}.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from falaj.build.checks.runner.table_split import write_table

from .problems import ProblemError
from .tables import read_table


def main(task: dict[str, Any]) -> dict[str, Any]:
    """Prepare every table."""
    sys.path[:0] = [str(Path(task["worktree"]) / "src"), task["worktree"]]
    return {"tables": {name: _prepared(name, index, task) for index, name in enumerate(task["tables"])}}


def _prepared(name: str, index: int, task: dict[str, Any]) -> dict[str, str]:
    try:
        table = read_table(Path(task["tables"][name]))
        prepared_table = _called(task["functions"][name], table)
        if len(prepared_table) != len(table):
            raise ProblemError(f"{task['functions'][name]} gave {len(prepared_table)} rows for {len(table)}")
        return {"features": str(write_table(prepared_table, Path(task["out"]) / str(index))), "problem": ""}
    except ProblemError as problem:
        return {"features": "", "problem": f"{name}: {problem}"}


def _called(reference: str, table: Any) -> Any:
    module, _, name = reference.partition(":")
    try:
        prepared_table = getattr(importlib.import_module(module), name)(table)
        len(prepared_table), prepared_table.columns
    except Exception as error:  # the project's own code may raise anything
        raise ProblemError(f"{reference} failed: {type(error).__name__}: {error}") from error
    return prepared_table
