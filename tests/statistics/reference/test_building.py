"""A reference from tables of every kind: with times and without, of numbers, of people, without labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from falaj.core.errors import UsageError
from falaj.dataplane.agent.profiling.blocks import predicted
from falaj.statistics.profiles import Categorical, CategoryCells
from falaj.statistics.reference import (
    PREDICTION,
    MonitoringSettings,
    ReferenceFormatError,
    ReferenceRows,
    ReleaseReference,
    build_reference,
)
from falaj.statistics.reference.building import blocks_of, joined

DAY = 86_400.0


def rows(count: int = 1200, *, held_out: bool = True, **more: Any) -> ReferenceRows:
    rng = np.random.default_rng(count)
    score = rng.uniform(0.05, 0.95, count)
    label = (rng.random(count) < score).astype(float)
    row_options = {"label": label, "score": score, "probabilities": True, "at": None, **more}
    return ReferenceRows({"x": rng.normal(size=count), "y": rng.normal(size=count)}, held_out, **row_options)


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    new_reference = build_reference(
        [rows(800, held_out=False), rows(1200)], MonitoringSettings(leave_out=("y",)), salt=b"s"
    )
    new_reference.write(tmp_path / "reference")
    read = ReleaseReference.read(tmp_path / "reference")
    assert read.to_json() == new_reference.to_json() and read.settings == new_reference.settings
    assert read.features.schema.names == ("x",) and read.features.total.rows == 2000
    assert read.predictions is not None and read.predictions.total.rows == 1200


def test_what_is_no_reference_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReferenceFormatError):
        ReleaseReference.read(tmp_path)
    with pytest.raises(ReferenceFormatError, match="form"):
        ReleaseReference.from_json({"form": "another"})
    with pytest.raises(ReferenceFormatError, match="damaged"):
        ReleaseReference.from_json({"form": "falaj/release-reference/1"})


def test_blocks_are_cut_by_days_hours_or_rows() -> None:
    at = np.arange(240) * 3600.0 + 7 * DAY
    day = build_reference([rows(240, at=at)], MonitoringSettings(block="day", window=1))
    assert [block.start / DAY for block in day.features.blocks] == [*range(7, 17)]
    hour = build_reference([rows(240, at=at)], MonitoringSettings())
    assert len(hour.features.blocks) == 240
    counted = build_reference([rows(240, at=at[::-1])], MonitoringSettings(block=100, window=1))
    assert [block.rows for block in counted.features.blocks] == [100, 140]
    parts = build_reference([rows(240, at=np.full(240, np.nan))], MonitoringSettings())
    assert len(parts.features.blocks) == 40


def test_a_time_that_is_missing_counts_with_the_earliest() -> None:
    block_starts = blocks_of(3, np.array([2 * DAY, np.nan, 3 * DAY]), MonitoringSettings(block="day"))
    assert block_starts is not None and block_starts.tolist() == [2 * DAY, 2 * DAY, 3 * DAY]


def test_numbers_have_an_absolute_loss_on_the_scale_of_their_errors() -> None:
    rng = np.random.default_rng(3)
    score = rng.normal(100, 20, 2000)
    new_reference = build_reference(
        [rows(2000, score=score, label=score + rng.normal(0, 5, 2000), probabilities=False)], MonitoringSettings()
    )
    assert (
        new_reference.loss is not None and new_reference.loss.metric == "absolute" and new_reference.calibration is None
    )
    assert (
        10 < new_reference.loss.scale < 20
        and 0.1 < new_reference.loss.mean < 0.5
        and new_reference.loss.baseline is not None
    )


def test_a_table_without_labels_or_scores_leaves_out_what_needs_them() -> None:
    unlabelled = build_reference([rows(label=None)], MonitoringSettings())
    assert unlabelled.loss is None and unlabelled.predictions is not None
    assert unlabelled.notes == ("there are no labels in the reference: losses are not watched",)
    empty = build_reference([rows(300, label=np.full(300, np.nan))], MonitoringSettings())
    assert empty.loss is None and "no row of the reference has a label" in empty.notes[0]
    unscored = build_reference([rows(score=None)], MonitoringSettings())
    assert unscored.predictions is None and "gave no numbers" in unscored.notes[0]


def test_few_labels_give_no_calibration_and_no_baseline_and_say_so() -> None:
    new_reference = build_reference([rows(6)], MonitoringSettings())
    assert new_reference.calibration is None and new_reference.loss is not None and new_reference.loss.baseline is None
    assert len(new_reference.notes) == 2 and "no concept monitor" in new_reference.loss.reason


def test_losses_of_people_are_told_of_ten_at_least() -> None:
    new_reference = build_reference([rows(60)], MonitoringSettings(least=10))
    assert new_reference.loss is not None and new_reference.loss.block_rows >= 10


def test_categories_of_several_tables_become_one_column() -> None:
    one, other = Categorical(np.array([0, 1, -1]), ("a", "b")), Categorical(np.array([0, 0]), ("b",))
    joined_column = joined([one, other, np.array(["c", None], dtype=object)])
    assert isinstance(joined_column, Categorical)
    assert [joined_column.levels[code] if code >= 0 else None for code in joined_column.codes] == [
        "a",
        "b",
        None,
        "b",
        "b",
        "c",
        None,
    ]


def test_without_features_there_is_nothing_to_look_at() -> None:
    with pytest.raises(UsageError):
        build_reference([], MonitoringSettings())
    with pytest.raises(UsageError, match="no features are left"):
        build_reference([rows()], MonitoringSettings(leave_out=("x", "y")))


def test_the_most_sensitive_source_decides_about_small_counts() -> None:
    assert MonitoringSettings.of({}, ["public", "internal"]).least == 0
    monitoring_settings = MonitoringSettings.of({"block": "day", "sources": {"lab": ["x"]}}, ["public", "health"])
    assert (
        monitoring_settings.least,
        monitoring_settings.window,
        monitoring_settings.sources,
        monitoring_settings.width_s,
    ) == (10, 1, {"x": "lab"}, DAY)
    assert MonitoringSettings.of({"block": 500}).width_s is None
    assert MonitoringSettings(tolerance=0.3).tolerated(0.1) == 0.3 and MonitoringSettings().tolerated(0.5) == 0.05


def decided(count: int = 1200, *, wrong: Any = "some", **more: Any) -> ReferenceRows:
    rng = np.random.default_rng(count)
    codes = rng.choice(3, count, p=[0.6, 0.3, 0.1])
    wrong_flags = (rng.random(count) < 0.2).astype(float) if isinstance(wrong, str) else wrong
    return rows(
        count, score=None, label=None, decided=Categorical(codes, ("high", "low", "mid")), wrong=wrong_flags, **more
    )


def test_of_several_classes_their_shares_and_wrong_decisions_are_known(tmp_path: Path) -> None:
    new_reference = build_reference([decided(), decided(800)], MonitoringSettings())
    assert new_reference.notes == () and new_reference.predictions is not None
    assert isinstance(new_reference.predictions.schema[PREDICTION], CategoryCells)
    assert (
        new_reference.loss is not None
        and new_reference.loss.metric == "error_rate"
        and 0.15 < new_reference.loss.mean < 0.25
    )
    assert (
        new_reference.loss.baseline is not None
        and new_reference.calibration is None
        and new_reference.answer_kind is None
    )
    new_reference.write(tmp_path / "reference")
    assert ReleaseReference.read(tmp_path / "reference").to_json() == new_reference.to_json()
    block = {"label": np.array(["high", "mid", None], dtype=object), "probability": np.ones((3, 3)) / 3}
    values = predicted(block, 3, new_reference.predictions.schema)
    profile = new_reference.predictions.schema.profile({PREDICTION: values}, 0.0, 1.0)
    assert values.tolist() == ["high", "mid", None] and sum(profile.features[PREDICTION].counts) == 3


def test_of_several_classes_without_labels_no_loss_is_watched() -> None:
    assert "no labels" in build_reference([decided(wrong=None)], MonitoringSettings()).notes[0]
    assert "has a label" in build_reference([decided(300, wrong=np.full(300, np.nan))], MonitoringSettings()).notes[0]
