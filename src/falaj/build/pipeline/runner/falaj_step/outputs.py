# pathlib takes longer to import than a small step takes to run.
# ruff: noqa: PTH102, PTH118, PTH123
"""Writes what a step returned, one folder or file per output, and says of which kind each is."""

from __future__ import annotations

import os

from . import forms
from .problem import Problem

TYPE_CHECKING = False  # `typing` takes longer to import than Python to start
if TYPE_CHECKING:
    from typing import Any


def write_all(value: Any, function: Any, arguments: dict[str, Any], task: dict[str, Any]) -> None:
    """Write every output below `outputs/` and their kinds into `kinds`.

    Args:
        value: What the function returned.
        function: The function, for its return annotation.
        arguments: What it was called with; a model's input example is taken from its table.
        task: `outputs`, `output`, `folder`, `worktree`.

    Raises:
        Problem: The value is not what the step declares.
    """
    lines = []
    for name, part in _parts(value, task["outputs"], function).items():
        target = os.path.join(task["folder"], "outputs", name)
        lines.append(f"{name}\t{_write(part, target, arguments, task)}\n")
    with open(os.path.join(task["folder"], "kinds"), "w") as file:
        file.writelines(lines)


def _parts(value: Any, names: list[str], function: Any) -> dict[str, Any]:
    if names == ["output"]:
        _check_annotation(value, forms.resolved(function).get("return"))
        return {} if value is None else {"output": value}
    if isinstance(value, dict) and {*value} == {*names}:
        return {name: value[name] for name in names}
    if isinstance(value, (tuple, list)) and len(value) == len(names):
        return dict(zip(names, value))  # noqa: B905 - the lengths were compared
    count = f" of {len(value)}" if isinstance(value, (tuple, list, dict)) else ""
    expected_names = ", ".join(names)
    raise Problem(
        "step.wrong-output",
        f"returned a {type(value).__name__}{count}, not the outputs {expected_names}",
        "return a tuple in their order, or a dict by name",
    )


def _check_annotation(value: Any, annotation: Any) -> None:
    expected_form, actual_form = forms.form(annotation), forms.form(type(value))
    name = getattr(annotation, "__name__", annotation)
    if expected_form in ("any", actual_form) or (expected_form == "path" and hasattr(value, "__fspath__")):
        return
    raise Problem("step.wrong-output", f"returned a {type(value).__name__}, but its annotation says {name}")


def _write(value: Any, target: str, arguments: dict[str, Any], task: dict[str, Any]) -> str:
    """Write one output; return its kind."""
    declared = task["output"]
    if declared == "model":
        from .models import save_model

        save_model(value, target, arguments, task["worktree"])
        return "model"
    if declared == "report" and not isinstance(value, dict):
        raise Problem(
            "step.wrong-output", f"a report is a dict, not a {type(value).__name__}", "return metrics by name"
        )
    if hasattr(value, "__fspath__"):
        from .paths import keep_path

        return keep_path(os.fspath(value), target)
    os.mkdir(target)
    if forms.form(type(value)) != "any":
        from .tables import write_table

        write_table(value, target)
        return "table"
    if declared == "report":
        from .figures import keep_figures

        value = keep_figures(value, target)
    from .values import write_json

    write_json(value, target)
    return "json"
