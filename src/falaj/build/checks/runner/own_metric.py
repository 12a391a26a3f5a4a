"""Compute a metric that is a function of the project; there is no model in reach.

Task: `function` (`module.path:name`), `rows` (`.npz` of `rows` [slice, row], `label`, `prediction` and, of classifiers,
`probabilities`), `worktree`.
Result: `values`, one a slice: a number, or text that says why there is none.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .problems import ProblemError


def main(task: dict[str, Any]) -> dict[str, Any]:
    """Compute the metric of every slice."""
    function = _function(task["function"], Path(task["worktree"]))
    with np.load(task["rows"], allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    slices = arrays.pop("rows")
    if "probabilities" not in inspect.signature(function).parameters:
        arrays.pop("probabilities", None)
    return {"values": [_value(function, {name: values[rows] for name, values in arrays.items()}) for rows in slices]}


def _function(reference: str, worktree: Path) -> Callable[..., Any]:
    sys.path[:0] = [str(worktree / "src"), str(worktree)]
    module, _, name = reference.partition(":")
    try:
        function = getattr(importlib.import_module(module), name)
    except Exception as error:  # the project's own code may raise anything
        raise ProblemError(f"the metric {reference} cannot be loaded: {type(error).__name__}: {error}") from error
    if not callable(function):
        raise ProblemError(f"the metric {reference} is not a function")
    return function  # type: ignore[no-any-return]


def _value(function: Callable[..., Any], arrays: dict[str, Any]) -> float | str:
    probabilities = {name: arrays[name] for name in ("probabilities",) if name in arrays}
    try:
        return float(function(arrays["label"], arrays["prediction"], **probabilities))
    except Exception as error:  # the project's own code may raise anything; the gate reports it
        text = str(error).splitlines()[0] if str(error) else ""
        return f"the metric failed: {type(error).__name__}: {text[:200]}"
