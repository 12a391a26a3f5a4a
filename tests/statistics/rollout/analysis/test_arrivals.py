"""Labels that come alike raise no doubt, whatever they say; labels that favour an arm do, before they count."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from falaj.statistics.rollout.analysis import Analysis, AnalysisPlan, MetricSpec
from falaj.statistics.rollout.analysis.arrivals import Arrivals
from falaj.statistics.rollout.analysis.verdict import UNLIKE

DAY, DAYS, A_DAY, WEIGHT = 1_000.0, 14, 300, 0.2


def rollout(rng, delay, *, sticks=1.0, days=DAYS):
    """Labels of so many days, as (when it comes, when predicted, arm, loss, outcome), in the order in which they come.

    Both arms are equally good; `delay` says how long each label takes, by arm, loss and score.
    """
    count = days * A_DAY
    at = np.sort(rng.uniform(0, days * DAY, count))
    candidate = rng.random(count) < WEIGHT
    base = 0.25 + 0.1 * rng.normal(size=days)[(at // DAY).astype(int)]
    outcome = (rng.random(count) < np.clip(base, 0.02, 0.98)).astype(float)
    score = np.clip(0.25 + 0.3 * (outcome - 0.25) + rng.normal(0, 0.15, count), 0, 1)
    loss = (score - outcome) ** 2
    comes = at + delay(rng, candidate, loss, score)
    order = np.argsort(comes)
    return [column[order] for column in (comes, at, candidate, loss, outcome)]


def verdict_of(columns):
    """The verdict after all that came in a rollout's time, looked at four times a day."""
    comes, at, candidate, loss, outcome = columns
    state = Analysis.start(AnalysisPlan((MetricSpec.quality("brier"),), label_block_s=DAY))
    for look in np.arange(1, 4 * DAYS + 1) * DAY / 4:
        new = (comes <= look) & (comes > look - DAY / 4)
        if not new.any():
            continue
        weight = np.full(int(new.sum()), WEIGHT)
        state = state.observe_arrivals(candidate[new], weight, comes[new] - at[new], list(outcome[new]), look)
        state = state.observe_losses("brier", candidate[new], weight, loss[new], look, at[new])
    return state.verdict()


def alike(rng, candidate, loss, score):
    return rng.exponential(0.5 * DAY, len(loss))


def later_for_the_candidate(rng, candidate, loss, score):
    return rng.exponential(0.5 * DAY, len(loss)) * np.where(candidate, 3.0, 1.0)


def complaints_about_the_candidate_first(rng, candidate, loss, score):
    return rng.exponential(0.5 * DAY, len(loss)) * np.where(candidate & (loss > 0.3), 0.02, 1.0)


def flags_of_the_candidate_first(rng, candidate, loss, score):
    return rng.exponential(0.5 * DAY, len(loss)) * np.where(score > np.where(candidate, 0.3, 0.5), 0.02, 1.0)


def test_labels_that_come_alike_are_rarely_doubted():
    rng = np.random.default_rng(31)
    doubted = [verdict_of(rollout(rng, alike)).pause == UNLIKE for _ in range(60)]
    assert sum(doubted) <= 1


def complaints_first_on_both_sides(rng, candidate, loss, score):
    return rng.exponential(0.5 * DAY, len(loss)) * np.where(loss > 0.3, 0.02, 1.0)


def test_complaints_on_both_sides_are_no_doubt_and_no_harm():
    rng = np.random.default_rng(32)
    verdicts = [verdict_of(rollout(rng, complaints_first_on_both_sides)) for _ in range(40)]
    assert not any(each.roll_back for each in verdicts) and sum(each.pause is not None for each in verdicts) <= 1


@pytest.mark.parametrize(
    "delay",
    [later_for_the_candidate, complaints_about_the_candidate_first, flags_of_the_candidate_first],
    ids=lambda d: d.__name__,
)
def test_labels_that_favour_an_arm_pause_and_do_not_roll_back(delay):
    rng = np.random.default_rng(33)
    verdicts = [verdict_of(rollout(rng, delay)) for _ in range(20)]
    assert not any(each.roll_back for each in verdicts)
    assert sum(each.pause == UNLIKE for each in verdicts) >= 19
    assert not any(each.promote for each in verdicts if each.pause)


def test_nothing_is_bet_on_once_labels_are_doubted():
    rng = np.random.default_rng(34)
    state = Analysis.start(AnalysisPlan((MetricSpec.quality("brier"),), label_block_s=1.0))
    late = np.arange(400) % 2 == 1
    state = state.observe_arrivals(late, np.full(400, 0.1), np.ones(400), [0] * 400, 1.0)
    state = state.observe_losses("brier", late, np.full(400, 0.1), rng.random(400), 1.0)
    assert not state.labels_arrive_alike and state.close_label_blocks(1e6) is state


def test_a_small_difference_is_tolerated_and_json_loses_nothing():
    rng = np.random.default_rng(35)
    candidate = rng.random(20_000) < 0.2 / 1.03
    arrivals = Arrivals({}).observe(
        candidate, np.full(20_000, 0.2), rng.exponential(1e4, 20_000), [1, 0.0, "x", None] * 5_000
    )
    assert arrivals.highest < math.log(100)
    assert Arrivals.from_json(json.loads(json.dumps(arrivals.to_json()))) == arrivals
    assert {outcome for _, outcome in arrivals.counts} == {0, 1, 2}
