"""A refit beside its backtest model, and a live release beside rows that it has learned from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from falaj.build.checks import LiveModel, against_champion, judge_refit
from falaj.build.checks.gates import SEEN_BY_LIVE, judge, unseen
from falaj.build.checks.scoring import CANDIDATE, LIVE, GateScoring, Scores
from tests.build.checks.conftest import threshold, versus_live

ROWS, DAYS = 3000, 30
DATES = np.array([f"2026-03-{day + 1:02}" for day in range(DAYS)])


def scoring(refit: float, backtest_model: float) -> GateScoring:
    """Both know the probability, but for an error of this size."""
    rng = np.random.default_rng(1)
    true = rng.uniform(0.2, 0.8, ROWS)
    label = (rng.random(ROWS) < true).astype(float)
    sign = rng.choice([-1, 1], ROWS)
    scores = {CANDIDATE: true + refit * sign, LIVE: true + backtest_model * sign}
    return GateScoring({"t": Scores(label, scores, {"day": DATES.repeat(ROWS // DAYS)}, {})}, {}, {})


@pytest.fixture
def context(bench):
    bench.gates(versus_live("brier", 0.005, data="t"))
    bench.live = LiveModel(0, "sha256:" + "0" * 64)
    return bench.context(champion=True, blocks="day")


@pytest.mark.parametrize(
    ("refit", "backtest_model", "agrees"), [(0.05, 0.05, True), (0.0, 0.1, True), (0.05, 0.0, True), (0.15, 0.0, False)]
)
def test_a_refit_may_be_worse_within_the_margin(context, refit, backtest_model, agrees):
    agreement = judge_refit(context, scoring(refit, backtest_model))
    assert agreement.agrees is agrees
    assert "0.005 is the margin" in agreement.reason and agreement.table == "t" and agreement.blocks == DAYS


@pytest.mark.parametrize(("refit", "backtest_model", "agrees"), [(0.05, 0.05, True), (0.15, 0.0, False)])
def test_without_a_margin_it_must_not_be_shown_to_be_worse(context, bench, refit, backtest_model, agrees):
    bench.gates(threshold("brier", "<=", 0.3, data="t"))
    agreement = judge_refit(replace(context, spec=bench.spec), scoring(refit, backtest_model))
    assert agreement.agrees is agrees and "shown to be worse" in agreement.reason


def test_what_cannot_be_compared_does_not_agree(context):
    agreement = judge_refit(context, GateScoring({}, {"t": "no such table"}, {}))
    assert not agreement.agrees and "no such table" in agreement.reason


def test_days_that_the_live_release_has_learned_from_do_not_judge(context):
    scored, live = scoring(0.02, 0.02), LiveModel(3, "sha256:" + "1" * 64, "2026-03-20T00:00:00+00:00")
    later = replace(context, live=live)
    assert unseen("t", scored.tables["t"], later).sum() == 11 * ROWS // DAYS
    verdict = against_champion(later, scored, "not worse")
    assert (verdict.blocks, verdict.wins) == (11, True)
    assert against_champion(replace(context, live=replace(live, learned_until="")), scored, "better").blocks == DAYS


def test_acceptance_rows_judge_whatever_their_dates_are(context):
    live = LiveModel(3, "sha256:" + "1" * 64, "2026-04-20", frozenset({"sha256:" + "2" * 64}))
    outputs = {"fit": "sha256:" + "3" * 64}
    live_context = replace(context, live=live, outputs=outputs)
    (gate,) = context.spec.gates
    excused = judge(gate, scoring(0.3, 0.0), live_context)
    assert excused.passed and excused.reason == SEEN_BY_LIVE
    other_context = replace(live_context, outputs={**outputs, "t": "sha256:" + "2" * 64})
    assert not judge(gate, scoring(0.3, 0.0), other_context).passed
