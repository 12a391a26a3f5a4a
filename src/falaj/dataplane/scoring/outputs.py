"""Answers of a model as Arrow columns, and as rows of the prediction log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from falaj.dataplane.model_server.recalibration import Offset
from falaj.dataplane.prediction_log.columnar import arrow_and_parquet
from falaj.dataplane.prediction_log.format import AppliedOffset
from falaj.dataplane.scoring.records import AppliedRecalibration
from falaj.models.answers import PROBABILITY
from falaj.models.tables import Array
from falaj.statistics.recalibration.records import AnswerKind

Outputs = Mapping[str, Array]


def offset_of(applied: AppliedRecalibration | None) -> Offset | None:
    """What moves answers; None where nothing does."""
    if applied is None:
        return None
    kind = AnswerKind(applied.kind)
    return Offset(AppliedOffset(applied.version, applied.offset), kind, applied.threshold, float("inf"))


def recalibrated(outputs: Outputs, offset: Offset | None) -> tuple[Outputs, Outputs]:
    """The outputs as they are answered, and of those that were moved what the model gave."""
    changed = offset.move(outputs) if offset is not None else None
    if not changed:
        return outputs, {}
    return {**outputs, **changed}, {name: outputs[name] for name in changed}


def answered(outputs: Outputs, answer_kind: str | None) -> Outputs:
    """The outputs that the project wants answers to hold: label, probabilities or both; all where it does not say."""
    if PROBABILITY not in outputs or answer_kind in (None, "both"):
        return outputs
    chosen = [name for name in outputs if (name == PROBABILITY) is (answer_kind == "probabilities")]
    return {name: outputs[name] for name in chosen}


def arrow_column(values: Array) -> Any:
    """One Arrow array: numbers and texts as they are, several numbers a row as a list of fixed length."""
    arrow = arrow_and_parquet()[0]
    array = values.reshape(len(values), -1) if values.ndim > 2 else values
    if array.ndim == 2:
        flat = arrow.array(np.ascontiguousarray(array).reshape(-1), from_pandas=True)
        return arrow.FixedSizeListArray.from_arrays(flat, array.shape[1])
    return arrow.array(array.tolist() if array.dtype.kind in "OU" else np.ascontiguousarray(array))


def logged(outputs: Outputs, rows: Sequence[int]) -> list[dict[str, Any]]:
    """Some rows of the outputs as Python values."""
    columns = {name: np.asarray(values)[rows].tolist() for name, values in outputs.items()}
    return [{name: values[place] for name, values in columns.items()} for place in range(len(rows))]
