"""Labels find their predictions, and windows of event time their metrics, whatever comes in."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from falaj.statistics.metrics import evaluate
from falaj.statistics.performance import Labels, PerformanceRowsError, join, measure, performance_windows

METRICS = ("auc", "brier", "accuracy")


def labels(*rows: tuple[str, float, float]) -> Labels:
    ids, values, times = zip(*rows, strict=True) if rows else ((), (), ())
    return Labels(ids, np.array(values, dtype=float), np.array(times, dtype=float))


def test_labels_come_late_twice_corrected_and_for_nothing() -> None:
    joined = join(
        ["a", "b", "c"], labels(("b", 1, 30), ("a", 0, 10), ("a", 0, 20), ("b", 0, 5), ("x", 1, 1), ("x", 0, 2))
    )
    assert joined.label[:2].tolist() == [0.0, 1.0]
    assert joined.labelled_at[:2].tolist() == [10.0, 30.0]
    assert math.isnan(joined.label[2])
    assert (joined.unknown, joined.repeated, joined.corrected) == (("x",), 1, 1)


def test_of_two_labels_at_the_same_time_the_later_one_counts() -> None:
    assert join(["a"], labels(("a", 1, 1), ("a", 0, 1))).label.tolist() == [0.0]


@given(st.permutations([("a", 1.0, 1.0), ("a", 0.0, 2.0), ("b", 1.0, 3.0), ("z", 1.0, 4.0), ("a", 1.0, 5.0)]))
def test_the_order_of_arrival_in_a_batch_does_not_matter(rows: list[tuple[str, float, float]]) -> None:
    joined = join(["a", "b"], labels(*rows))
    assert joined.label.tolist() == [1.0, 1.0]
    assert joined.labelled_at.tolist() == [5.0, 3.0]
    assert joined.corrected == 2


def test_rows_that_cannot_be_joined_are_refused() -> None:
    with pytest.raises(PerformanceRowsError, match="stand twice"):
        join(["a", "a"], labels())
    with pytest.raises(PerformanceRowsError, match="not a finite"):
        labels(("a", math.nan, 0))
    with pytest.raises(PerformanceRowsError, match="different lengths"):
        Labels(["a"], np.zeros(2), np.zeros(1))


def window_of(
    rows: int, block_s: float | None = None, metrics: tuple[str, ...] = ("auc", "brier", "accuracy")
) -> object:
    rng = np.random.default_rng(0)
    score = rng.random(rows)
    label = (rng.random(rows) < score).astype(float)
    times = np.arange(rows, dtype=float)
    metric_windows = performance_windows(METRICS, label, score, times, edges=[0, rows], rng=rng, block_s=block_s)
    return metric_windows[0], label, score


@pytest.mark.parametrize("block_s", [None, 25.0])
def test_a_window_has_metrics_with_intervals(block_s: float | None) -> None:
    window, label, score = window_of(500, block_s)
    for name, measured in window.metrics.items():
        low, high = measured.interval
        assert measured.value == pytest.approx(evaluate(name, label, score))
        assert low < measured.value < high
        assert high - low < 0.2
        assert measured.method == ("bootstrap" if block_s or name == "auc" else "betting")


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(60):
        score = rng.random(200)
        label = (rng.random(200) < score).astype(float)
        interval = measure("brier", label, score, confidence=0.9, rng=rng).interval
        assert interval is not None
        covered += interval[0] <= 1 / 6 <= interval[1]
    assert covered >= 48  # of 60, at least 54 are expected; 47 or fewer has probability .01 at the promised level


def test_windows_are_of_event_time_and_may_be_empty_or_wait_for_labels() -> None:
    label = np.array([1.0, math.nan, 0.0, 1.0, 1.0])
    times = np.array([5.0, 5.5, 0.0, 25.0, 99.0])
    windows = performance_windows(
        ["brier"], label, np.full(5, 0.5), times, edges=[0, 5, 6, 20, 30], rng=np.random.default_rng(0)
    )
    assert [(window.rows, window.labelled) for window in windows] == [(1, 1), (2, 1), (0, 0), (1, 1)]
    assert windows[2].metrics["brier"].method == "unknown"
    one_row = windows[0].metrics["brier"]
    assert one_row.value == 0.25
    assert one_row.interval is not None
    assert one_row.interval[1] - one_row.interval[0] > 0.7  # one row says next to nothing


@pytest.mark.parametrize(
    ("metric", "label", "score", "reason"),
    [
        ("auc", [1.0, 1.0], [0.5, 0.6], "both classes"),
        ("brier", [1.0, 3.0], [0.5, 0.6], "labels 0 and 1"),
        ("brier", [1.0, 0.0], [0.5, math.nan], "not finite"),
        ("nonsense", [1.0], [0.5], "no metric"),
        ("r2", [1.0, 1.0], [0.5, 0.6], "no value"),
    ],
)
def test_a_metric_without_a_value_is_unknown_with_the_reason(
    metric: str, label: list[float], score: list[float], reason: str
) -> None:
    measured = measure(metric, np.array(label), np.array(score), confidence=0.9, rng=np.random.default_rng(0))
    assert (measured.value, measured.interval, measured.method) == (None, None, "unknown")
    assert reason in measured.reason


def test_few_blocks_have_no_interval() -> None:
    window, *_ = window_of(100, block_s=50.0)
    assert window.metrics["brier"].interval is None
    assert "2 blocks" in window.metrics["brier"].reason


def test_a_metric_that_has_no_value_on_most_resamples_has_no_interval() -> None:
    label = np.array([1.0] + [0.0] * 20)
    measured = measure("auc", label, np.linspace(0, 1, 21), confidence=0.9, rng=np.random.default_rng(0))
    assert measured.value == 0.0
    assert measured.interval is None


def test_windows_that_make_no_sense_are_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(PerformanceRowsError, match="increase"):
        performance_windows(["brier"], np.zeros(1), np.zeros(1), np.zeros(1), edges=[1, 1], rng=rng)
    with pytest.raises(PerformanceRowsError, match="different lengths"):
        performance_windows(["brier"], np.zeros(2), np.zeros(1), np.zeros(1), edges=[0, 1], rng=rng)
