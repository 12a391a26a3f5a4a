"""Predictions and their labels as columns of a table (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from falaj.dataplane.prediction_log import LabelRecord, PredictionRecord
from falaj.dataplane.prediction_log.export.kinds import BOOLEAN, NUMBER, SHORT, TEXT, TIME
from falaj.statistics.losses import score_of

KINDS: Mapping[str, str] = {
    "prediction_id": TEXT,
    "row": SHORT,
    "predicted_at": TIME,
    "release": TEXT,
    "arm": TEXT,
    "canary_weight": NUMBER,
    "forced": BOOLEAN,
    "unit": TEXT,
    "caller": TEXT,
    "latency_ms": NUMBER,
    "recalibration_version": NUMBER,
    "recalibration_offset": NUMBER,
    "bare_score": NUMBER,
}
"""Columns that every table has; those of features and outputs and the label follow."""


def columns(records: Sequence[PredictionRecord], labels: Mapping[str, LabelRecord]) -> dict[str, list[Any]]:
    """One table row for each row of each prediction.

    Args:
        records: Of one release.
        labels: In force, by prediction id.
    """
    table: dict[str, list[Any]] = {name: [] for name in KINDS}
    for record in records:
        for row in range(len(record.rows)):
            for name, value in zip(KINDS, _facts(record, row), strict=True):
                table[name].append(value)
    rows = list(chain.from_iterable(record.rows for record in records))
    for index, name in enumerate(records[0].header.features):
        table[f"feature_{name}"] = [row[index] for row in rows]
    for name in records[0].outputs:
        table[f"output_{name}"] = list(chain.from_iterable(record.outputs[name] for record in records))
    record_labels = [(record, labels.get(record.request_id)) for record in records]
    table["label"] = list(chain.from_iterable(_labels(record, label) for record, label in record_labels))
    table["labelled_at"] = [
        label.at if label else None for record, label in record_labels for _ in record.rows
    ]  # fmt: skip
    return table


def _facts(record: PredictionRecord, row: int) -> tuple[Any, ...]:
    routing = record.routing
    weight = None if routing.weight is None else routing.weight / 10_000
    unit = None if routing.unit is None else f"{routing.unit:016x}"
    latency_ms = None if routing.latency_s is None else routing.latency_s * 1e3
    arm = routing.arm or None
    of_request = (record.header.release, arm, weight, routing.forced, unit, routing.caller, latency_ms)
    return record.request_id, row, record.at, *of_request, *_recalibration(record, row)


def _recalibration(record: PredictionRecord, row: int) -> tuple[Any, ...]:
    """What moved an answer, and the score that the model gave; nothing where it is what was answered."""
    applied = record.recalibration
    if applied is None:
        return None, None, None
    return float(applied.version), applied.offset, score_of(record.bare_outputs, row)


def _labels(record: PredictionRecord, label: LabelRecord | None) -> Sequence[Any]:
    """One label a row; none where the label speaks of another number of rows."""
    values = [] if label is None else label.label if isinstance(label.label, list) else [label.label]
    return values if len(values) == len(record.rows) else [None] * len(record.rows)
