"""No bet can be expected to win where there is no harm: supermartingales by simulation, and what they do find.

Runs are simulated side by side as series of one tally; each second is a cell.
"""

from __future__ import annotations

import numpy as np
import pytest

from falaj.statistics.rollout.analysis import arms, latency, rates
from falaj.statistics.rollout.analysis.plan import AnalysisPlan, MetricSpec
from falaj.statistics.rollout.analysis.tally import Tally

RUNS, SECONDS, REQUESTS, ALPHA = 1500, 120, 100, 0.05
CONSTANT = np.full(SECONDS, 0.1)
RAMP = np.repeat([0.01, 0.05, 0.25, 0.5], SECONDS // 4)
STEADY = np.ones(SECONDS)
INCIDENT = np.where((np.arange(SECONDS) > 40) & (np.arange(SECONDS) < 60), 10.0, 1.0)
DRIFT = np.linspace(0.3, 3, SECONDS)


def counts(rng, weights, rate, ratio):
    """Events and requests of both arms: seconds x runs x arm."""
    candidate = rng.binomial(REQUESTS, weights[:, None], (SECONDS, RUNS))
    rows = np.stack((REQUESTS - candidate, candidate), axis=-1)
    chance = np.stack((rate, rate * ratio), axis=-1)[:, None]
    return rng.binomial(rows, np.minimum(chance, 1)), rows


def paths(weights, events, tolerated):
    """Log evidence of harm after each second; seconds x runs."""
    stable, candidate = events[..., 0], events[..., 1]
    ratios = np.append(tolerated * arms.FASTER, tolerated)
    likelihood = arms.log_likelihood(weights, candidate, stable, ratios).cumsum(axis=0)
    return np.logaddexp.reduce(likelihood[..., :-1] - likelihood[..., -1:] + arms.LOG_SHARES, axis=-1)


def assert_fair(logs):
    """The mean stays below 1 (cut off, since rare wins are huge) and the line is crossed no oftener than stated."""
    last = np.minimum(np.exp(logs[-1]), 100)
    assert last.mean() <= 1 + 4 * last.std() / np.sqrt(RUNS)
    crossed = (logs.max(axis=0) >= -np.log(ALPHA)).mean()
    assert crossed <= ALPHA + 3 * np.sqrt(ALPHA * (1 - ALPHA) / RUNS)


@pytest.mark.parametrize("weights", [CONSTANT, RAMP], ids=["constant", "ramp"])
@pytest.mark.parametrize("course", [STEADY, INCIDENT, DRIFT], ids=["steady", "incident", "drift"])
@pytest.mark.parametrize(("rate", "ratio"), [(0.001, 1.0), (0.02, 1.0), (0.02, 1.5), (0.1, 0.8)])
def test_no_evidence_against_a_candidate_that_is_not_worse_than_tolerated(weights, course, rate, ratio):
    events, _ = counts(np.random.default_rng(1), weights, rate * course, ratio)
    assert_fair(paths(weights, events, max(ratio, 1.0)))


@pytest.mark.parametrize("weights", [CONSTANT, RAMP], ids=["constant", "ramp"])
def test_a_candidate_that_is_worse_is_found(weights):
    events, _ = counts(np.random.default_rng(2), weights, 0.05 * INCIDENT, 2.0)
    assert (paths(weights, events, 1.0)[-1] >= np.log(100)).mean() > 0.95


def test_the_simulation_sees_an_unfair_bet():
    events, _ = counts(np.random.default_rng(2), CONSTANT, 0.05 * STEADY, 1.0)
    with pytest.raises(AssertionError):
        assert_fair(paths(CONSTANT * 0.8, events, 1.0))


@pytest.mark.parametrize("rate", [0.3, 0.5, 0.8])
@pytest.mark.parametrize("expected", [0.3, 0.5])
def test_bets_on_common_events_are_fair_whatever_rate_was_expected(rate, expected):
    events, rows = counts(np.random.default_rng(3), RAMP, rate * STEADY, 1.0)
    ratios, without = arms.spared(arms.FASTER, expected)
    factors = arms.log_likelihood(RAMP, events[..., 1], events[..., 0], ratios)
    others = rows - events
    factors = factors + arms.log_likelihood(RAMP, others[..., 1], others[..., 0], without)
    assert_fair(np.logaddexp.reduce(factors.cumsum(axis=0) + arms.LOG_SHARES, axis=-1))


def test_two_answers_to_one_request_depend_on_each_other_and_the_bet_stays_fair():
    rng = np.random.default_rng(4)
    hard = rng.random((SECONDS, RUNS, 20)) < 0.3  # both arms mostly fail on the same requests
    events = np.stack([(hard & (rng.random(hard.shape) < 0.7)).sum(axis=-1) for _ in (0, 1)], axis=-1)
    assert_fair(paths(np.full(SECONDS, 0.5), events, 1.0))


def test_starts_for_late_faults_keep_the_bound_and_find_late_faults_sooner():
    rng, steps = np.random.default_rng(5), np.repeat([0, 1, 2, 3], SECONDS // 4)

    def last(ratio, starts):
        events, _ = counts(rng, RAMP, 0.05 * STEADY, np.where(steps < 3, 1.0, ratio))
        likelihood = arms.log_likelihood(RAMP, events[..., 1], events[..., 0], np.append(arms.FASTER, 1.0))
        factors = likelihood[..., :-1] - likelihood[..., -1:]
        plan = AnalysisPlan((MetricSpec.errors(),), starts=starts)
        return rates.log_restarted(steps, factors, plan, 3)

    null = np.minimum(np.exp(last(1.0, 4)), 100)
    assert null.mean() <= 1 + 4 * null.std() / np.sqrt(RUNS)
    assert np.median(last(1.5, 4)) > np.median(last(1.5, 1)) + 1


@pytest.mark.parametrize("floor", [0.0, 0.002])
@pytest.mark.parametrize("rate", [0.0005, 0.02])
def test_a_ratio_that_is_true_is_rarely_ruled_out(floor, rate):
    ratio, nulls = 1.5, np.array([1.5, 2.0])
    stable = max(rate, floor)
    events, rows = counts(np.random.default_rng(6), RAMP, rate * STEADY, ratio * stable / rate)
    logs = []
    for run in range(300):
        log_values = [
            rates.log_ruled_out(RAMP[:upto], events[:upto, run : run + 1], rows[:upto, run], nulls, floor)[0, 0]
            for upto in (30, 60, 90, 120)
        ]
        logs.append(max(log_values))
    assert (np.array(logs) >= -np.log(ALPHA)).mean() <= ALPHA + 3 * np.sqrt(ALPHA / 300)


def test_the_lower_bound_of_the_ratio_is_rarely_above_it():
    events = counts(np.random.default_rng(7), RAMP, 0.03 * DRIFT, 1.5)[0][:, :150]
    likelihood = arms.log_likelihood(RAMP, events[..., 1], events[..., 0], arms.GRID).cumsum(axis=0)
    bounds = np.array([
        [arms.ratio_at_least(likelihood[second, run], -np.log(ALPHA)) for second in range(29, SECONDS, 30)]
        for run in range(150)
    ])  # fmt: skip
    assert (bounds.max(axis=1) > 1.5).mean() <= ALPHA + 3 * np.sqrt(ALPHA / 150)
    assert np.median(bounds[:, -1]) > 1.0


def test_a_tally_adds_up():
    tally = Tally(1).add(0, 0.1, np.array([[1, 2]])).add(0, 0.2, np.array([[3, 4]])).add(0, 0.1, np.array([[5, 6]]))
    assert [cell.weight for cell in tally.cells] == [0.1, 0.2]
    assert tally.total().tolist() == [[9, 12]]


def latency_tally(rng, stable, candidate):
    """A tally of requests and of what is above six cuts; `stable` and `canary` are chances of the seven classes."""
    tally = Tally(7)
    for weight in (0.05, 0.25, 0.5):
        size = rng.binomial(400, weight)
        rows = [rng.multinomial(400 - size, stable), rng.multinomial(size, candidate)]
        tally = tally.add(0, weight, np.stack(rows, axis=-1)[::-1].cumsum(axis=0)[::-1])
    return tally


@pytest.mark.parametrize("tolerated", [1.0, 1.3])
def test_bets_on_a_slower_candidate_are_fair_and_win_when_it_is(tolerated):
    rng = np.random.default_rng(11)
    spec = MetricSpec.latency((1, 2, 3, 4, 5, 6), tolerated=tolerated, margin=2.0)
    plan = AnalysisPlan((spec,))
    above = np.array([1.0, 0.6, 0.5, 0.25, 0.1, 0.05, 0.01, 0.0])  # not what the quantiles promise
    border = np.array([1.0, *(above[1:] * tolerated)])
    slower = np.array([1.0, *np.minimum(above[1:] * tolerated * 1.5, 0.99)])

    def wealth(candidate):
        tallies = (latency_tally(rng, -np.diff(above), -np.diff(candidate)) for _ in range(400))
        return np.exp([latency.log_shift(tally, 1, spec, plan, 0) for tally in tallies])

    null = np.minimum(wealth(border), 50)
    assert null.mean() <= 1 + 4 * null.std() / 20
    assert np.median(wealth(slower)) > 50
