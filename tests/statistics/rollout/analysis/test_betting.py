"""Bets on blocks of labels: fair where two arms are alike, whatever days do to both, and wins where one is worse."""

from __future__ import annotations

import math

import numpy as np
import pytest

from falaj.statistics.rollout.analysis.betting import MULTIPLES, STAKES, Bets, Difference, Past

ALPHA, RUNS, BLOCKS = 0.05, 200, 40


def of_pairs(rng, differences, count=200, spread=0.08):
    """Blocks of pairs whose true mean differences are given."""
    for apart in differences:
        rows = np.clip(rng.normal(apart, spread, count), -1, 1)
        yield Difference(rows.mean(), count, float(((rows - rows.mean()) ** 2).sum()), count - 1)


def of_arms(rng, differences, count=200, weight=0.02, draw=lambda rng, n: rng.beta(0.4, 2.2, n)):
    """Blocks of labels of two arms of unequal size."""
    for apart in differences:
        candidate = rng.random(count) < weight
        loss = np.clip(draw(rng, count) + apart * candidate, 0, 1)
        first, second = loss[~candidate], loss[candidate]
        if len(first) and len(second):
            within = float(((first - first.mean()) ** 2).sum() + ((second - second.mean()) ** 2).sum())
            yield Difference(second.mean() - first.mean(), len(first) * len(second) / count, within, count - 2)


def days(rng, spread, likeness=0.0, heavy=False):
    """How much worse the candidate is on each day, 0 on average."""
    shocks = rng.standard_t(3, BLOCKS) / math.sqrt(3) if heavy else rng.normal(0, 1, BLOCKS)
    now, course = 0.0, []
    for shock in shocks:
        now = likeness * now + math.sqrt(1 - likeness**2) * shock
        course.append(spread * now)
    return np.array(course)


def crossed(blocks, tolerated=0.005, margin=0.02):
    """Whether harm, and whether safety, was ever shown at `ALPHA`."""
    bets, harm, safe = Bets().start(1.0), False, False
    for block in blocks:
        bets = bets.on(block, tolerated, margin)
        harm, safe = harm or bets.log_harm(0) >= -math.log(ALPHA), safe or bets.log_safe()[0] >= -math.log(ALPHA)
    return harm, safe


def most(share=ALPHA, runs=RUNS):
    """The largest share of runs that is no surprise under a bound."""
    return share + 3 * math.sqrt(share * (1 - share) / runs)


@pytest.mark.parametrize("course", [{}, {"likeness": 0.7}, {"heavy": True}, {"likeness": 0.5, "heavy": True}], ids=str)
def test_two_versions_of_one_recipe_are_rarely_rolled_back_whatever_the_days_do(course):
    rng = np.random.default_rng(21)
    crossings = [crossed(of_pairs(rng, days(rng, 0.005, **course))) for _ in range(RUNS)]
    assert np.mean(crossings, axis=0)[0] <= most()


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng, n: rng.beta(0.4, 2.2, n),
        lambda rng, n: 1 - rng.beta(0.4, 2.2, n),
        lambda rng, n: (rng.random(n) < 0.03).astype(float),
        lambda rng, n: (rng.random(n) < 0.97).astype(float),
    ],
    ids=["skewed", "skewed the other way", "rarely wrong", "mostly wrong"],
)
@pytest.mark.parametrize(("count", "weight"), [(200, 0.01), (40, 0.1), (400, 0.5)])
def test_a_small_arm_is_not_blamed_for_its_size(draw, count, weight):
    rng = np.random.default_rng(22)
    crossings = [crossed(of_arms(rng, np.zeros(BLOCKS), count, weight, draw), tolerated=0.0) for _ in range(RUNS)]
    assert np.mean(crossings, axis=0)[0] <= most()


def test_a_candidate_at_the_margin_is_rarely_found_safe():
    rng = np.random.default_rng(23)
    crossings = [crossed(of_pairs(rng, 0.02 + days(rng, 0.005))) for _ in range(RUNS)]
    assert np.mean(crossings, axis=0)[1] <= most()


@pytest.mark.parametrize(
    "blocks",
    [lambda rng: of_pairs(rng, 0.02 + days(rng, 0.005)), lambda rng: of_arms(rng, 0.1 + days(rng, 0.01), 2_000, 0.1)],
    ids=["pairs", "arms"],
)
def test_a_candidate_that_is_worse_is_found_by_pairs_and_by_arms(blocks):
    rng = np.random.default_rng(24)
    assert np.mean([crossed(blocks(rng))[0] for _ in range(50)]) > 0.9


def test_the_simulation_sees_bets_on_labels_that_share_their_days():
    """Each tenth of a day as an observation of its own: what blocks are there to prevent."""
    rng = np.random.default_rng(25)
    crossings = [crossed(of_pairs(rng, np.repeat(days(rng, 0.02), 10), 20), tolerated=0.0) for _ in range(RUNS)]
    assert np.mean(crossings, axis=0)[0] > most()


def test_a_difference_that_is_clear_takes_as_few_blocks_as_can_be():
    bets, clear = Bets().start(1.0), Difference(0.5, 1_000, 1.0, 998)
    for _ in range(8):
        bets = bets.on(clear, 0.005, 0.02)
    assert bets.log_harm(0) >= math.log(100)
    assert bets.log_harm(0) <= 8 * math.log(2), "no bet can more than double on a block"


def test_what_is_ruled_out_grows_with_the_multiple_of_the_margin():
    bets = Bets()
    for _ in range(6):
        bets = bets.on(Difference(0.018, 100, 1.0, 98), 0.005, 0.02)
    safe = bets.log_safe()
    assert len(safe) == len(MULTIPLES) and list(safe) == sorted(safe)
    assert safe[0] < math.log(20) <= safe[-1]


def test_less_is_bet_on_a_block_of_which_less_can_be_seen():
    after = Bets().start(1.0).on(Difference(0.0, 1_000, 10.0, 998), 0.0, 0.02)
    worse = Difference(0.5, 1, 0.0, 0), Difference(0.5, 1_000, 10.0, 998)
    thin, thick = (after.on(block, 0.0, 0.02).log_harm(0) - after.log_harm(0) for block in worse)
    assert 0 < thin < 0.2 * thick


def test_days_that_differ_widen_the_scale_and_labels_narrow_it():
    calm, wild = Past(), Past()
    for value in (0.01, -0.01, 0.01, -0.01):
        calm = calm.and_then(Difference(value, 1_000, 10.0, 998))
        wild = wild.and_then(Difference(10 * value, 1_000, 10.0, 998))
    assert wild.deviation(1_000) > 5 * calm.deviation(1_000)
    assert calm.deviation(10) > calm.deviation(1_000)


def test_a_loss_that_never_varies_and_a_share_of_nothing_are_no_trouble():
    bets = Bets().start(0.0)
    assert bets.log_harm(0) == -math.inf and bets.log_harm(1.0) == pytest.approx(0.0)
    for _ in range(30):
        bets = bets.on(Difference(0.0, 50, 0.0, 98), 0.0, 0.02)
    assert all(math.isfinite(value) for value in bets.log_safe()) and len(bets.harm) == len(STAKES)
