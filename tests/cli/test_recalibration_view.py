"""How people read by what answers are moved."""

from __future__ import annotations

from dataclasses import replace

from falaj.api.views import prediction
from falaj.cli.commands.lineage import _of_recalibrated
from falaj.cli.recalibration_view import months_line, recalibration_lines
from falaj.dataplane.prediction_log import PredictionRecord, SegmentHeader
from falaj.dataplane.prediction_log.format import AppliedOffset
from falaj.schemas.monitoring import Recalibration

MOVED = Recalibration(
    endpoint="prod/delay", location="dubai", release=3, version=7, kind="binary", offset=0.41, proposed=0.48,
    strength=0.86, bound=1.5, threshold=0.5, limit="none", reason="", rows=3812, fitted_at=1.7e9, expires_at=1.8e9,
    days=[], months={"2026-06": 0.28, "2026-07": 0.414},
)  # fmt: skip
HEADER = SegmentHeader("delay@3", "prod/delay", ("x",), 0)


def test_offset_strength_labels_bound_and_months_are_told():
    by, labels_line, months = recalibration_lines(MOVED)
    assert by.startswith("by +0.41 in log-odds, version 7 of ")
    assert labels_line == "3812 labels ask for +0.48, trusted to 0.86; at most 1.5 either way"
    assert months == months_line(MOVED) == "2026-06: +0.28, 2026-07: +0.41"


def test_a_limit_that_was_met_and_a_reason_are_told():
    assert list(recalibration_lines(None)) == []
    assert "which is reached" in list(recalibration_lines(replace(MOVED, limit="bound")))[1]
    assert "a third of it a day" in list(recalibration_lines(replace(MOVED, limit="daily_step")))[1]
    assert next(recalibration_lines(replace(MOVED, kind="regression"))).startswith("by +0.41, version 7")
    off = replace(MOVED, reason="monitoring.recalibrate is off", months={})
    assert list(recalibration_lines(off)) == ["no: monitoring.recalibrate is off"]


def test_a_trace_shows_by_what_a_prediction_was_moved_and_what_the_model_gave():
    bare = PredictionRecord("id", 1.0, HEADER, ((1,),), {"label": [1]})
    assert "recalibration" not in prediction(bare) and _of_recalibrated(prediction(bare)) == []
    moved = replace(bare, recalibration=AppliedOffset(7, 0.41), bare={"label": [0]})
    document = prediction(moved)
    assert document["prediction"] == {"label": [1]} and document["bare"] == {"label": [0]}
    assert _of_recalibrated(document) == [("recalibrated", "by +0.41, version 7"), ("bare answer", '{"label": [0]}')]
