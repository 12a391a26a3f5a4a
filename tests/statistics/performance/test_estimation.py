"""Performance of predictions whose labels are still to come."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from falaj.statistics.performance import (
    Calibration,
    EstimationWindow,
    PerformanceRowsError,
    estimate,
    fit_calibration,
    fit_isotonic,
)

RNG = np.random.default_rng(0)


def predictions(rng: np.random.Generator, rows: int, low: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Scores that are too sure of themselves, and labels."""
    true = rng.uniform(low, 1, rows)
    score = np.clip(true + 0.3 * (true - 0.5), 0, 1)
    return score, (rng.random(rows) < true).astype(float)


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    score, label = predictions(np.random.default_rng(1), 20_000)
    return fit_calibration(score, label)


@given(st.lists(st.tuples(st.floats(0, 1, width=16), st.sampled_from([0.0, 1.0])), min_size=1, max_size=60))
def test_the_map_is_that_of_isotonic_regression(rows: list[tuple[float, float]]) -> None:
    score, label = np.array(rows).T
    grid = np.linspace(0, 1, 21)
    theirs = IsotonicRegression(out_of_bounds="clip").fit(score, label).predict(grid)
    ours = fit_isotonic(score, label)
    assert ours(grid) == pytest.approx(theirs, abs=1e-6)
    assert (np.diff(ours.value) >= 0).all()


def test_a_calibration_travels_as_json(calibration: Calibration) -> None:
    assert Calibration.from_json(json.loads(json.dumps(calibration.as_json()))) == calibration
    with pytest.raises(PerformanceRowsError, match="version 2"):
        Calibration.from_json({"version": 2})


@pytest.mark.parametrize("metric", ["brier", "accuracy"])
def test_without_labels_a_shift_of_inputs_is_followed(metric: str, calibration: Calibration) -> None:
    score, label = predictions(np.random.default_rng(2), 5000, low=0.7)
    true = ((score - label) ** 2).mean() if metric == "brier" else ((score >= 0.5) == label).mean()
    metric_estimate = estimate(metric, EstimationWindow(score, np.full(5000, math.nan)), calibration, rng=RNG)
    assert metric_estimate.method == "calibrated-confidence"
    assert metric_estimate.interval is not None
    assert metric_estimate.interval[0] <= true <= metric_estimate.interval[1]
    assert metric_estimate.interval[1] - metric_estimate.interval[0] < 0.05


def test_days_that_differ_widen_the_interval() -> None:
    rng = np.random.default_rng(3)
    day = np.repeat(np.arange(40), 200)
    score = rng.uniform(0.1, 0.4, 8000)
    label = (rng.random(8000) < np.clip(score + rng.normal(0, 0.1, 40)[day], 0, 1)).astype(float)
    plain, by_day = fit_calibration(score, label), fit_calibration(score, label, block=day)
    window = EstimationWindow(score[:200], np.full(200, math.nan))
    widths = []
    for calibration in (plain, by_day):
        interval = estimate("brier", window, calibration, rng=rng).interval
        assert interval is not None
        widths.append(interval[1] - interval[0])
    assert by_day.blocks == 40
    assert widths[1] > 1.3 * widths[0]
    assert fit_calibration(score, label, block=day // 10).blocks == 0  # too few to say how they differ


def test_a_change_of_concept_is_seen_only_with_labels(calibration: Calibration) -> None:
    rng = np.random.default_rng(4)
    score, label = predictions(rng, 5000)
    label = np.where(rng.random(5000) < 0.3, 1 - label, label)
    true = ((score - label) ** 2).mean()
    some = np.where(rng.random(5000) < 0.1, label, math.nan)

    blind = estimate("brier", EstimationWindow(score, np.full(5000, math.nan)), calibration, rng=rng)
    seeing = estimate("brier", EstimationWindow(score, some), calibration, rng=rng)

    assert blind.interval is not None
    assert seeing.interval is not None
    assert blind.interval[1] < true
    assert seeing.method == "prediction-powered"
    assert seeing.interval[0] <= true <= seeing.interval[1]


def test_unlabelled_rows_make_the_interval_smaller(calibration: Calibration) -> None:
    rng = np.random.default_rng(5)
    covered, narrower = 0, 0
    for _ in range(100):
        score, label = predictions(rng, 3000)
        few = label.copy()
        few[200:] = math.nan
        powered = estimate("brier", EstimationWindow(score, few), calibration, rng=rng, confidence=0.9).interval
        assert powered is not None
        loss = (score[:200] - label[:200]) ** 2
        covered += powered[0] <= 0.1692 <= powered[1]
        narrower += powered[1] - powered[0] < 2 * 1.645 * loss.std(ddof=1) / math.sqrt(200)
    assert narrower >= 95
    assert covered >= 82  # of 100, 90 are expected; 81 or fewer has probability .005


def test_labels_of_whole_days_say_less_than_their_number(calibration: Calibration) -> None:
    rng = np.random.default_rng(6)
    day = np.repeat(np.arange(20), 100)
    score = rng.uniform(0.1, 0.4, 2000)
    label = (rng.random(2000) < np.repeat(rng.random(20), 100)).astype(float)
    label[day % 2 == 0] = math.nan
    widths = []
    for block in (None, day):
        interval = estimate("brier", EstimationWindow(score, label, block), calibration, rng=rng).interval
        assert interval is not None
        widths.append(interval[1] - interval[0])
    assert widths[1] > 1.5 * widths[0]


def test_with_nearly_all_labels_it_is_measured(calibration: Calibration) -> None:
    score, label = predictions(np.random.default_rng(7), 400)
    label[:10] = math.nan
    labelled_mask = ~np.isnan(label)
    for block, method in ((None, "betting"), (np.arange(400) // 20, "bootstrap")):
        metric_estimate = estimate("brier", EstimationWindow(score, label, block), calibration, rng=RNG)
        assert metric_estimate.method == method
        assert metric_estimate.value == pytest.approx(((score - label)[labelled_mask] ** 2).mean())


@pytest.mark.parametrize(
    ("metric", "rows", "far", "has_calibration", "reason"),
    [
        ("auc", 50, False, True, "auc needs labels"),
        ("brier", 0, False, True, "no rows"),
        ("brier", 50, True, True, "far from the reference"),
        ("brier", 50, False, False, "without a calibration"),
    ],
)
def test_what_cannot_be_known_is_unknown(
    metric: str, rows: int, far: bool, has_calibration: bool, reason: str, calibration: Calibration
) -> None:
    window = EstimationWindow(np.full(rows, 0.5), np.full(rows, math.nan), far_from_reference=far)
    metric_estimate = estimate(metric, window, calibration if has_calibration else None, rng=RNG)
    assert (metric_estimate.value, metric_estimate.method) == (None, "unknown")
    assert reason in metric_estimate.reason


def test_labels_count_also_far_from_the_reference(calibration: Calibration) -> None:
    label = np.where(np.arange(1000) < 150, 1.0, math.nan)
    metric_estimate = estimate(
        "brier", EstimationWindow(np.full(1000, 0.25), label, far_from_reference=True), calibration, rng=RNG
    )
    assert metric_estimate.method == "prediction-powered"
    assert metric_estimate.value == pytest.approx(0.75**2)


@pytest.mark.parametrize(
    ("score", "label", "message"),
    [
        ([0.5] * 99, [1.0] * 99, "too few"),
        ([0.5] * 150, [1.0] * 60 + [math.nan] * 90, "too few"),
        ([0.5] * 150, [2.0] * 150, "labels 0 and 1"),
        ([1.5] * 150, [1.0] * 150, "probabilities"),
        ([math.nan] * 150, [1.0] * 150, "probabilities"),
    ],
)
def test_a_calibration_is_not_learned_from_nonsense(score: list[float], label: list[float], message: str) -> None:
    with pytest.raises(PerformanceRowsError, match=message):
        fit_calibration(np.array(score), np.array(label))


def test_windows_of_nonsense_are_refused() -> None:
    with pytest.raises(PerformanceRowsError, match="not a probability"):
        EstimationWindow(np.array([math.nan]), np.zeros(1))
    with pytest.raises(PerformanceRowsError, match="different lengths"):
        EstimationWindow(np.zeros(1), np.zeros(2))


@example(67, 67, 24)
@given(st.integers(1, 300), st.integers(0, 300), st.integers(0, 100))
def test_an_estimate_is_within_its_interval(rows: int, labelled: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    score, label = predictions(rng, rows)
    reference = Calibration(fit_isotonic(score, label), {}, 0, rows)
    label[labelled:] = math.nan
    metric_estimate = estimate("accuracy", EstimationWindow(score, label), reference, rng=rng)
    assert metric_estimate.value is not None
    assert metric_estimate.interval is not None
    assert 0 <= metric_estimate.interval[0] <= metric_estimate.value <= metric_estimate.interval[1] <= 1
