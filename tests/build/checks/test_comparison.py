"""The bounds behind "not worse than live": their coverage by simulation, their width, their edge cases."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from falaj.statistics import comparison
from falaj.statistics.comparison import betting_bounds, bootstrap_bounds, compare, upper_bound
from falaj.statistics.metrics import MetricError, named


def rng(seed=0):
    return np.random.default_rng(seed)


def skewed(generator, rows):
    """Differences of mean 0.02: mostly nothing, rarely all: where normal approximations are too sure."""
    return np.where(generator.random(rows) < 0.02, 1.0, 0.0)


def mixed(generator, rows):
    """Differences of mean 0 and of both signs."""
    return np.clip(generator.normal(0, 0.2, rows), -1, 1)


@pytest.mark.parametrize(("draw", "mean"), [(skewed, 0.02), (mixed, 0.0)])
@pytest.mark.parametrize("rows", [20, 300])
def test_betting_bounds_are_wrong_no_more_often_than_stated(draw, mean, rows):
    trials, confidence = 400, 0.9
    bounds = [betting_bounds(draw(rng(i), rows), confidence=confidence, rng=rng(i)) for i in range(trials)]
    lower, upper = np.array(bounds).T
    allowed = trials * (1 - confidence) + 3 * np.sqrt(trials * confidence * (1 - confidence))
    assert (upper < mean).sum() <= allowed
    assert (lower > mean).sum() <= allowed


def test_the_bootstrap_is_wrong_more_often_than_stated_where_betting_is_not():
    """Why betting is the default: 20 rows of a rare loss show none at all in two of three samples."""
    samples = [skewed(rng(i), 20) for i in range(200)]
    percentile = [np.quantile(rng(i).choice(s, (500, 20)).mean(axis=1), 0.9) for i, s in enumerate(samples)]
    betting = [betting_bounds(s, confidence=0.9, rng=rng(i))[1] for i, s in enumerate(samples)]
    assert np.mean(np.array(percentile) < 0.02) > 0.5
    assert np.mean(np.array(betting) < 0.02) <= 0.1


def test_betting_bounds_narrow_with_rows_and_with_less_variance():
    def width(rows, spread):
        lower, upper = betting_bounds(rng(1).uniform(-spread, spread, rows), confidence=0.95, rng=rng(2))
        return upper - lower

    assert width(8000, 0.1) < width(500, 0.1) / 4
    assert width(8000, 0.05) < width(8000, 0.8) / 4


def test_betting_bound_is_close_to_the_normal_one_where_that_is_right():
    values = rng(3).normal(0, 0.05, 8000).clip(-1, 1)
    normal = values.mean() + 1.645 * values.std() / np.sqrt(len(values))
    assert normal < betting_bounds(values, confidence=0.95, rng=rng(4))[1] < normal + 0.002


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=50), st.sampled_from([0.8, 0.95, 0.99]))
def test_betting_bounds_hold_the_mean_inside_or_are_trivial(values, confidence):
    """With so few rows the interval of both bounds always has the sample mean within."""
    lower, upper = betting_bounds(np.array(values), confidence=confidence, rng=rng())
    assert -1 <= lower <= np.mean(values) + 1e-9
    assert np.mean(values) - 1e-9 <= upper <= 1


@given(st.lists(st.floats(0, 1), min_size=1, max_size=50))
def test_more_confidence_is_a_wider_bound(values):
    assert upper_bound(np.array(values), 0.01) >= upper_bound(np.array(values), 0.2) - 1e-9


@given(st.lists(st.floats(0, 1), min_size=1, max_size=50))
def test_wealth_does_not_fall_in_the_mean_that_is_bet_on(values):
    """What bisection relies on."""
    rows = np.array(values)
    bets = comparison._plug_in_bets(rows, 0.05)
    wealth = [comparison._largest_log_wealth(rows, bets, mean) for mean in np.linspace(0, 1, 41)]
    assert (np.diff(wealth) >= -1e-9).all()


@given(st.lists(st.floats(0, 1), min_size=3, max_size=30), st.integers(1, 29), st.floats(0, 1))
def test_bets_do_not_see_the_future(values, at, other):
    """Without this the guarantee is void: a bet may depend on earlier rows only."""
    at = min(at, len(values) - 1)
    changed = np.array(values[:at] + [other] * (len(values) - at))
    before, after = (comparison._plug_in_bets(rows, 0.05) for rows in (np.array(values), changed))
    np.testing.assert_array_equal(before[: at + 1], after[: at + 1])


def test_values_outside_the_range_are_refused():
    with pytest.raises(ValueError, match=r"\[-1, 1\]"):
        betting_bounds(np.array([0.0, 1.5]), confidence=0.95, rng=rng())


def classified(rows, noise, seed=0):
    generator = rng(seed)
    truth = generator.random(rows)
    label = (generator.random(rows) < truth).astype(float)
    return label, truth, np.clip(truth + generator.normal(0, noise, rows), 0, 1)


@pytest.mark.parametrize(("metric", "method"), [("brier", "betting"), ("auc", "bootstrap"), ("f1", "bootstrap")])
def test_a_clearly_worse_candidate_is_seen_and_a_better_one_passes(metric, method):
    label, good, bad = classified(3000, 0.4)
    worse = compare(metric, label, bad, good, confidence=0.95, rng=rng())
    assert worse.method == method
    assert worse.worse_by > 0.01
    assert worse.bounds[0] > 0
    assert not worse.not_worse_by(0.01)
    better = compare(metric, label, good, bad, confidence=0.95, rng=rng())
    assert better.worse_by == pytest.approx(-worse.worse_by)
    assert better.not_worse_by(0.0)


def test_equal_scores_pass_with_enough_rows_and_not_with_few():
    label, score, _ = classified(5000, 0.0)
    assert compare("brier", label, score, score, confidence=0.95, rng=rng()).not_worse_by(0.005)
    few = compare("brier", label[:50], score[:50], score[:50], confidence=0.95, rng=rng())
    assert few.worse_by == 0
    assert not few.not_worse_by(0.005)


def test_accuracy_counts_losses_in_its_own_direction():
    label = np.tile([0.0, 1.0], 500)
    result = compare("accuracy", label, 1 - label, label, confidence=0.95, rng=rng())
    assert (result.candidate, result.live, result.worse_by) == (0.0, 1.0, 1.0)
    assert result.bounds[0] > 0.98


def test_same_seed_same_bounds():
    label, good, bad = classified(300, 0.2)
    for metric in ("brier", "auc"):
        first, second = (compare(metric, label, bad, good, confidence=0.95, rng=rng(7)) for _ in range(2))
        assert first == second


def test_bootstrap_coverage_on_auc(monkeypatch):
    """Two models of equal worth: the bound falls below 0 in about one of ten samples, not in many more."""
    monkeypatch.setattr(comparison, "RESAMPLES", 400)  # places a bound of 90% well enough
    below = 0
    for seed in range(60):
        generator = rng(seed)
        label = (generator.random(300) < 0.4).astype(float)
        one, two = (label + generator.normal(0, 1, 300) for _ in range(2))
        below += bootstrap_bounds(named("auc"), label, one, two, confidence=0.9, rng=generator)[1] < 0
    assert below <= 14  # binomial(60, 0.1) exceeds this once in 1,000


def test_bootstrap_without_a_value_on_most_resamples_is_refused():
    label = np.array([1.0] + [0.0] * 2)
    with pytest.raises(MetricError, match="no value on most resamples"):
        bootstrap_bounds(named("auc"), label, label, label, confidence=0.9, rng=rng())


def test_live_scores_with_nan_are_refused():
    label = np.array([0.0, 1.0])
    with pytest.raises(MetricError, match="1 of 2 scores"):
        compare("brier", label, label, np.array([0.0, np.nan]), confidence=0.95, rng=rng())
