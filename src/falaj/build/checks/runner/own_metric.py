"""Compute a metric that is a function of the project; there is no model in reach.

Task: `function` (`module.path:name`), `rows` (`.npz` of `rows` [slice, row], `label`, `prediction` and, of classifiers,
`probabilities`; for a comparison `live_prediction` and `live_probabilities` besides), `worktree`, `resamples` (0
without a comparison), `seed`.
Result: `values`, one a slice: a mapping, or text that says why there is none. The mapping has `candidate` and, of a
comparison, `live` and `differences` of candidate and live: one a row where the function gives one number a row, else
one a resample of the rows.
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

_LIVE = "live_"


def main(task: dict[str, Any]) -> dict[str, Any]:
    """Compute the metric of every slice."""
    function = _function(task["function"], Path(task["worktree"]))
    with np.load(task["rows"], allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    slices = arrays.pop("rows")
    if "probabilities" not in inspect.signature(function).parameters:
        arrays = {name: values for name, values in arrays.items() if not name.endswith("probabilities")}
    chosen = ({name: values[rows] for name, values in arrays.items()} for rows in slices)
    return {"values": [_value(function, each, int(task["resamples"]), int(task["seed"])) for each in chosen]}


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


def _value(function: Callable[..., Any], arrays: dict[str, Any], resamples: int, seed: int) -> dict[str, Any] | str:
    try:
        return _compared(function, arrays, resamples, seed) if resamples else _alone(function, arrays)
    except Exception as error:  # the project's own code may raise anything; the gate reports it
        text = str(error).splitlines()[0] if str(error) else ""
        return f"the metric failed: {type(error).__name__}: {text[:200]}"


def _alone(function: Callable[..., Any], arrays: dict[str, Any]) -> dict[str, Any]:
    values = _called(function, arrays, "")
    return {"candidate": float(values.mean()), "extremes": [float(values.min()), float(values.max())]}


def _compared(function: Callable[..., Any], arrays: dict[str, Any], resamples: int, seed: int) -> dict[str, Any]:
    candidate, live = _called(function, arrays, ""), _called(function, arrays, _LIVE)
    both = np.concatenate([np.ravel(candidate), np.ravel(live)])
    by_rows = candidate.ndim == 1
    differences = candidate - live if by_rows else _resampled(function, arrays, resamples, seed)
    return {
        "candidate": float(candidate.mean()), "live": float(live.mean()), "by_rows": by_rows,
        "differences": differences.tolist(), "extremes": [float(both.min()), float(both.max())],
    }  # fmt: skip


def _resampled(function: Callable[..., Any], arrays: dict[str, Any], resamples: int, seed: int) -> Any:
    """Candidate minus live on rows that are drawn again; where the metric has no value, NaN."""
    rng, rows = np.random.default_rng(seed), len(arrays["label"])
    differences = np.empty(resamples)
    for index in range(resamples):
        drawn = rng.integers(0, rows, rows)
        some = {name: values[drawn] for name, values in arrays.items()}
        try:
            differences[index] = float(_called(function, some, "")) - float(_called(function, some, _LIVE))
        except Exception:  # such as a ratio whose rows were not drawn; too many of them are refused
            differences[index] = np.nan
    return differences


def _called(function: Callable[..., Any], arrays: dict[str, Any], prefix: str) -> Any:
    """What the function gives: a number, or one a row."""
    probabilities = arrays.get(f"{prefix}probabilities")
    more = {} if probabilities is None else {"probabilities": probabilities}
    values = np.asarray(function(arrays["label"], arrays[f"{prefix}prediction"], **more), dtype=np.float64)
    if values.shape not in ((), (len(arrays["label"]),)):
        raise ValueError(f"it gave numbers of shape {values.shape} for {len(arrays['label'])} rows")
    if not np.isfinite(values).all():
        raise ValueError("it gave a number that is not finite")
    return values
