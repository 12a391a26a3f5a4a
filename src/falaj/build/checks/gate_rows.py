"""The rows of a gate as its metric takes them: of one output, scaled, or a group a row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from falaj.build.checks.ranking import values_by_group
from falaj.build.checks.scoring import Scores
from falaj.config.gates import is_ranking
from falaj.config.spec import GateSpec
from falaj.statistics.metrics import MetricError, Vector


def columns_needed(gate: GateSpec) -> set[str]:
    """Columns that a gate's metric needs beside the label."""
    column_names = [gate.group if is_ranking(gate.metric) else None, gate.scale if gate.metric == "mase" else None]
    return {name for name in column_names if name}


@dataclass(frozen=True)
class GateRows:
    """What a gate is computed from.

    Attributes:
        label: One label a row (or a row and output; zero a group).
        scores: Model name to its scores.
        unit: What a row is: `rows` or `groups`.
    """

    label: Vector
    scores: Mapping[str, Vector]
    unit: str = "rows"


def gate_rows(gate: GateSpec, scores: Scores, models: tuple[str, ...]) -> GateRows:
    """The labels and scores that a gate's metric takes.

    Args:
        gate: The gate.
        scores: Of the rows that it looks at.
        models: Which of the models.

    Raises:
        MetricError: The metric has no value on them.
    """
    label, model_scores = scores.label, {name: _of(gate, scores, name) for name in models}
    if gate.output is not None:
        label = label[:, gate.outputs.index(gate.output)]
    if is_ranking(gate.metric):
        return _by_group(gate, label, model_scores, _column(scores, gate.group, "monitoring.group"))
    if gate.metric == "mase":
        scale = _scale(_column(scores, gate.scale, "monitoring.scale"))
        label, model_scores = (
            _divided(label, scale),
            {name: _divided(each, scale) for name, each in model_scores.items()},
        )
    return GateRows(label, model_scores)


def _of(gate: GateSpec, scores: Scores, model: str) -> Vector:
    """A model's scores; of several outputs one column of one score each."""
    if not gate.outputs:
        return scores.of(model, gate.metric)
    model_scores = scores.scores[model]
    return model_scores[:, :, np.newaxis] if gate.output is None else model_scores[:, gate.outputs.index(gate.output)]


def _by_group(gate: GateSpec, label: Vector, scores: Mapping[str, Vector], group: NDArray[np.str_]) -> GateRows:
    for each in scores.values():
        if each.ndim > 1:
            raise MetricError(f"{gate.metric} needs one score a row, the model gives {each.shape[1]}")
    group_values = {name: values_by_group(gate.metric, label, each, group) for name, each in scores.items()}
    return GateRows(np.zeros(len(next(iter(group_values.values())))), group_values, "groups")


def _column(scores: Scores, name: str | None, setting: str) -> NDArray[np.str_]:
    if name is None or name not in scores.slices:
        raise MetricError(f"the table has no column for {setting}")
    return scores.slices[name]


def _scale(values: NDArray[np.str_]) -> Vector:
    try:
        scale = values.astype(np.float64)
    except ValueError as error:
        raise MetricError("the column of monitoring.scale holds a value that is not a number") from error
    if not (np.isfinite(scale) & (scale > 0)).all():
        raise MetricError("the column of monitoring.scale holds numbers that are not above 0")
    return scale


def _divided(values: Vector, scale: Vector) -> Vector:
    shape = (-1, *[1] * (values.ndim - 1))
    divided: Vector = values / scale.reshape(shape)
    return divided
