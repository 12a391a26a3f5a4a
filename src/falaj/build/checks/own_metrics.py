"""Metrics that are functions of the project: computed from labels and predictions, in a process without the model."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from falaj.build.checks.context import CheckContext, CheckError
from falaj.build.checks.scoring import CANDIDATE, GateScoring, Scores, run_in_project
from falaj.config.gates import is_function
from falaj.config.spec import GateSpec
from falaj.statistics.class_metrics import decisions

TIMEOUT_S = 300.0
Slices = Callable[[GateSpec, Scores], Iterator[tuple[str, NDArray[np.bool_]]]]
Values = Mapping[tuple[str, str], float | str]


def with_own_metrics(context: CheckContext, scoring: GateScoring, slices: Slices) -> GateScoring:
    """The scores with what the project's functions say of the candidate's predictions.

    The function is given the labels and the predictions of one slice, and the probabilities where it has a parameter of
    that name. Its process reads the checkout and these rows, and neither the model nor anything that the judge writes.

    Args:
        context: Gives the gates, the checkout and the environment.
        scoring: What the models gave.
        slices: Names and rows of a gate's slices.
    """
    tables = dict(scoring.tables)
    for gate in context.spec.gates:
        scores = tables.get(gate.data)
        if is_function(gate.metric) and scores is not None and CANDIDATE not in scores.problems:
            tables[gate.data] = replace(scores, own={**scores.own, **_values(context, gate, scores, slices)})
    return replace(scoring, tables=tables)


def _values(context: CheckContext, gate: GateSpec, scores: Scores, slices: Slices) -> Values:
    if gate.by and gate.by not in scores.slices:
        return {}
    chosen = list(slices(gate, scores))
    names = [(gate.text, name) for name, _rows in chosen]
    try:
        outcomes = _computed(context, gate.metric, scores, [rows for _name, rows in chosen])
    except CheckError as problem:
        return dict.fromkeys(names, problem.message)
    return dict(zip(names, map(_value, outcomes), strict=True))


def _value(outcome: Any) -> float | str:
    """A value that the project's process wrote, which may have written anything."""
    if isinstance(outcome, str):
        return outcome
    number = isinstance(outcome, int | float) and not isinstance(outcome, bool) and math.isfinite(outcome)
    return float(outcome) if number else "the function gave no finite number"


def _computed(
    context: CheckContext, metric: str, scores: Scores, rows: Sequence[NDArray[np.bool_]]
) -> Sequence[float | str]:
    folder = Path(tempfile.mkdtemp(prefix="metric-", dir=context.workdir))
    np.savez(folder / "rows.npz", allow_pickle=False, rows=np.stack(rows), **_arrays(scores))
    task = {"function": metric, "rows": str(folder / "rows.npz"), "worktree": str(context.worktree)}
    readable = [context.worktree, folder]
    outcomes = run_in_project(context, "own_metric", task, timeout_s=TIMEOUT_S, readable=readable)["values"]
    if not isinstance(outcomes, list) or len(outcomes) != len(rows):
        raise CheckError(f"{metric} gave no value for each slice")
    return outcomes


def _arrays(scores: Scores) -> dict[str, NDArray[Any]]:
    """Labels and predictions in the project's own terms: classes by their names."""
    label, score = scores.label, scores.scores[CANDIDATE]
    if missing := int(np.isnan(label).sum()):
        raise CheckError(f"{missing} of {len(label)} labels are missing")
    if not np.isfinite(score).all():
        raise CheckError("predictions are missing or not finite")
    if not scores.names:
        return {"label": label, "prediction": score}
    names = np.asarray(scores.names)
    names = names.astype(np.str_) if names.dtype.kind == "O" else names  # objects cannot be handed over
    decided = decisions(score).astype(np.intp)
    return {"label": names[label.astype(np.intp)], "prediction": names[decided], "probabilities": score}
