"""Metrics that are functions of the project: computed from labels and predictions, in a process without the model."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from falaj.build.checks.context import CheckContext, CheckError
from falaj.build.checks.scoring import CANDIDATE, LIVE, GateScoring, OwnComparison, OwnValue, Scores, run_in_project
from falaj.config.spec import GateSpec, OwnMetric
from falaj.statistics.class_metrics import decisions
from falaj.statistics.comparison import betting_bounds, mean_bounds, percentile_bounds
from falaj.statistics.metrics import MetricError, Vector

TIMEOUT_S = 300.0
RESAMPLES = 1000
Slices = Callable[[GateSpec, Scores], Iterator[tuple[str, NDArray[np.bool_]]]]
Compared = Callable[[GateSpec, Scores], Scores]
Values = Mapping[tuple[str, str], OwnValue]


def with_own_metrics(context: CheckContext, scoring: GateScoring, slices: Slices, compared: Compared) -> GateScoring:
    """The scores with what the project's functions say of the predictions.

    The function is given the labels and the predictions of one slice, and the probabilities where it has a parameter of
    that name. Its process reads the checkout and these rows, and neither the model nor anything that the judge writes.

    Args:
        context: Gives the gates, the checkout and the environment.
        scoring: What the models gave.
        slices: Names and rows of a gate's slices.
        compared: The rows on which a gate holds the candidate beside live.
    """
    tables = dict(scoring.tables)
    for gate in context.spec.gates:
        scores = tables.get(gate.data)
        if gate.own is not None and scores is not None and _can_be_computed(context, gate, scores):
            rows = compared(gate, scores) if gate.not_worse_than else scores
            if len(rows.label):
                own = _values(context, gate, gate.own, rows, slices)
                tables[gate.data] = replace(scores, own={**scores.own, **own})
    return replace(scoring, tables=tables)


def _can_be_computed(context: CheckContext, gate: GateSpec, scores: Scores) -> bool:
    """Whether both sides of the gate have predictions; where not, the judge says why."""
    if gate.not_worse_than and (context.live is None or context.live.digest == context.model_digest()):
        return False
    models = (CANDIDATE, LIVE) if gate.not_worse_than else (CANDIDATE,)
    return not any(model in scores.problems for model in models)


def _values(context: CheckContext, gate: GateSpec, metric: OwnMetric, scores: Scores, slices: Slices) -> Values:
    if gate.by and gate.by not in scores.slices:
        return {}
    chosen = list(slices(gate, scores))
    names = [(gate.text, name) for name, _rows in chosen]
    try:
        outcomes = _computed(context, gate, metric, scores, [rows for _name, rows in chosen])
    except CheckError as problem:
        return dict.fromkeys(names, problem.message)
    rng = np.random.default_rng(context.seed)
    return dict(zip(names, (value_of(outcome, gate, metric, rng) for outcome in outcomes), strict=True))


def value_of(outcome: Any, gate: GateSpec, metric: OwnMetric, rng: np.random.Generator) -> OwnValue:
    """A value that the project's process wrote, which may have written anything."""
    if isinstance(outcome, str):
        return outcome
    try:
        values = _Values.read(outcome, compared=bool(gate.not_worse_than))
        values.require_within(metric)
        return _comparison(values, gate, metric, rng) if gate.not_worse_than else values.candidate
    except MetricError as problem:
        return problem.message


@dataclass(frozen=True)
class _Values:
    """What the function gave for one slice."""

    candidate: float
    live: float
    by_rows: bool
    differences: Vector
    extremes: tuple[float, float]

    @classmethod
    def read(cls, outcome: Any, *, compared: bool) -> _Values:
        """Read it.

        Raises:
            MetricError: It is no such mapping of numbers.
        """
        try:
            low, high = map(float, outcome["extremes"])
            differences = np.asarray(outcome["differences"] if compared else [], dtype=np.float64)
            live, by_rows = (float(outcome["live"]), outcome["by_rows"] is True) if compared else (0.0, False)
            values = cls(float(outcome["candidate"]), live, by_rows, differences, (low, high))
        except (TypeError, ValueError, KeyError) as error:
            raise MetricError("the function gave no number") from error
        if not all(map(math.isfinite, (values.candidate, values.live, low, high))) or differences.ndim != 1:
            raise MetricError("the function gave no finite number")
        return values

    def require_within(self, metric: OwnMetric) -> None:
        """Refuse values outside of the bounds that the project declares.

        Raises:
            MetricError: One is.
        """
        if metric.bounds is None:
            return
        low, high = metric.bounds
        outside = [value for value in (*self.extremes, self.candidate) if not low <= value <= high]
        if outside:
            message = f"{metric.function} gave {outside[0]:.6g}, which is outside of its bounds {low:g} to {high:g}"
            raise MetricError(message)


def _comparison(values: _Values, gate: GateSpec, metric: OwnMetric, rng: np.random.Generator) -> OwnComparison:
    """Candidate beside live: by betting on bounded rows, else by resamples."""
    sign = -1.0 if metric.higher_is_better else 1.0
    worse = sign * values.differences
    if values.by_rows and metric.bounds is not None:
        width = metric.bounds[1] - metric.bounds[0]
        low, high = betting_bounds(np.clip(worse / width, -1, 1), confidence=gate.confidence, rng=rng)
        bounds, method = (low * width, high * width), "betting"
    elif values.by_rows:
        bounds, method = mean_bounds(gate.metric, worse, confidence=gate.confidence, rng=rng), "bootstrap"
    else:
        bounds, method = percentile_bounds(gate.metric, worse, confidence=gate.confidence), "bootstrap"
    return OwnComparison(
        values.candidate, values.live, sign * (values.candidate - values.live), bounds[0], bounds[1], method
    )


def _computed(
    context: CheckContext, gate: GateSpec, metric: OwnMetric, scores: Scores, rows: Sequence[NDArray[np.bool_]]
) -> Sequence[Any]:
    folder = Path(tempfile.mkdtemp(prefix="metric-", dir=context.workdir))
    np.savez(folder / "rows.npz", allow_pickle=False, rows=np.stack(rows), **_arrays(gate, scores))
    task = {
        "function": metric.function,
        "rows": str(folder / "rows.npz"),
        "worktree": str(context.worktree),
        "resamples": RESAMPLES if gate.not_worse_than else 0,
        "seed": context.seed,
    }
    readable = [context.worktree, folder]
    outcomes = run_in_project(context, "own_metric", task, timeout_s=TIMEOUT_S, readable=readable)["values"]
    if not isinstance(outcomes, list) or len(outcomes) != len(rows):
        raise CheckError(f"{metric.function} gave no value for each slice")
    return outcomes


def _arrays(gate: GateSpec, scores: Scores) -> dict[str, NDArray[Any]]:
    """Labels and predictions in the project's own terms: classes by their names, and one output where one is meant."""
    label = scores.label if gate.output is None else scores.label[:, gate.outputs.index(gate.output)]
    if missing := int(np.isnan(label).sum()):
        raise CheckError(f"{missing} of {len(label)} labels are missing")
    names = np.asarray(scores.names)
    names = names.astype(np.str_) if names.dtype.kind == "O" else names  # objects cannot be handed over
    arrays: dict[str, NDArray[Any]] = {"label": names[label.astype(np.intp)] if scores.names else label}
    for model, prefix in ((CANDIDATE, ""), (LIVE, "live_"))[: 2 if gate.not_worse_than else 1]:
        score = scores.scores[model]
        if not np.isfinite(score).all():
            raise CheckError("predictions are missing or not finite")
        if scores.names:
            arrays[f"{prefix}prediction"] = names[decisions(score).astype(np.intp)]
            arrays[f"{prefix}probabilities"] = score
        else:
            arrays[f"{prefix}prediction"] = score if gate.output is None else score[:, gate.outputs.index(gate.output)]
    return arrays
