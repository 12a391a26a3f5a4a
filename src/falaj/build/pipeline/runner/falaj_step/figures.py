# pathlib takes longer to import than a small step takes to run.
# ruff: noqa: PTH113, PTH118, PTH122
"""Figures of a report: files beside its numbers."""

from __future__ import annotations

import os
import shutil

from .problem import Problem

TYPE_CHECKING = False  # `typing` takes longer to import than Python to start
if TYPE_CHECKING:
    from typing import Any

_NAME_CHARACTERS = 100


def keep_figures(report: dict[str, Any], folder: str) -> dict[str, Any]:
    """Copy the files that a report names, and write figures that can save themselves; the report then has their names.

    A value is a figure when it is a path, or has `savefig` as figures of Matplotlib have.

    Raises:
        Problem: There is no file at a path.
    """
    return {name: _value_of(str(name), value, folder) for name, value in report.items()}


def _value_of(name: str, value: Any, folder: str) -> Any:
    if hasattr(value, "__fspath__"):
        path = os.fspath(value)
        if not os.path.isfile(path):
            raise Problem("step.wrong-output", f"the report's `{name}` is the path `{path}`, where there is no file")
        target = _file_name(name, os.path.splitext(path)[1])
        shutil.copyfile(path, os.path.join(folder, target))
        return target
    if callable(getattr(value, "savefig", None)):
        target = _file_name(name, ".svg")
        value.savefig(os.path.join(folder, target), metadata={"Date": None})  # the same figure is the same file
        return target
    return value


def _file_name(name: str, suffix: str) -> str:
    plain = "".join(each if each.isalnum() or each in "-_" else "_" for each in name)[:_NAME_CHARACTERS]
    return f"{plain or '_'}{suffix.lower()}"
