"""A retrained candidate beside the live release: what it has to show depends on what was hoped of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from falaj.build.checks import LiveModel, against_champion, judge_all
from falaj.build.checks.scoring import CANDIDATE, LIVE, GateScoring, Scores
from tests.build.checks.conftest import flights, threshold, versus_live

ROWS, DAYS = 2000, 20


def scoring(candidate: float, champion: float, blocks: bool = True) -> GateScoring:
    """Both know the probability, but for an error of this size."""
    rng = np.random.default_rng(1)
    true = rng.uniform(0.2, 0.8, ROWS)
    label = (rng.random(ROWS) < true).astype(float)
    sign = rng.choice([-1, 1], ROWS)
    day = {"day": np.repeat([f"{day:02}" for day in range(DAYS)], ROWS // DAYS)} if blocks else {}
    return GateScoring(
        {"t": Scores(label, {CANDIDATE: true + candidate * sign, LIVE: true + champion * sign}, day, {})}, {}, {}
    )


@pytest.fixture
def context(bench):
    bench.gates(threshold("auc", ">=", 0.1, data="t"), versus_live("brier", 0.01, data="t"))
    bench.live = LiveModel(3, "sha256:" + "0" * 64)
    return bench.context(champion=True, blocks="day")


@pytest.mark.parametrize(
    ("candidate", "champion", "wins"),
    [
        (0.0, 0.2, {"better", "as good", "not worse"}),
        (0.02, 0.02, {"as good", "not worse"}),
        (0.2, 0.0, set()),
    ],
)
def test_what_a_candidate_has_to_show(context, candidate, champion, wins):
    verdicts = {
        hope: against_champion(context, scoring(candidate, champion), hope)
        for hope in ("better", "as good", "not worse")
    }
    assert {hope for hope, verdict in verdicts.items() if verdict.wins} == wins
    assert all(verdict.reason and verdict.metric == "brier" and verdict.blocks == DAYS for verdict in verdicts.values())


def test_as_good_needs_a_margin_that_somebody_set(context, bench):
    bench.gates(threshold("brier", "<=", 0.9, data="t"))
    context = replace(context, spec=bench.spec)
    assert not against_champion(context, scoring(0.02, 0.02), "as good").wins


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"blocks": "week"}, "no column 'week'"),
        ({"live": None}, "nothing is live"),
    ],
)
def test_what_cannot_be_held_beside_live_says_why(context, change, reason):
    verdict = against_champion(replace(context, **change), scoring(0.0, 0.2), "better")
    assert reason in verdict.reason
    assert verdict.wins is (change.get("live", 0) is None)


def test_without_scores_nothing_that_was_hoped_for_is_shown(context, bench):
    for broken in (None, GateScoring({}, {"t": "no such table"}, {})):
        assert not against_champion(context, broken, "better").wins
        assert against_champion(context, broken, "not worse").wins
    silent = scoring(0.0, 0.2).tables["t"]
    silent = replace(silent, scores={CANDIDATE: silent.scores[CANDIDATE]}, problems={LIVE: "it does not load"})
    assert "it does not load" in against_champion(context, GateScoring({"t": silent}, {}, {}), "better").reason
    bench.gates()
    assert "no gate" in against_champion(replace(context, spec=bench.spec), None, "better").reason


@pytest.mark.integration
@pytest.mark.usefixtures("same_process")
def test_real_models_are_scored_once_for_gates_and_champion(bench, models):
    bench.keep("fit", models["good"])
    bench.live = LiveModel(1, bench.keep("live", models["poor"]))
    bench.keep_table("split.test", flights(1500))
    bench.gates(threshold("brier", "<=", 0.25))
    context = bench.context(champion=True)
    gates, scored = judge_all(context)
    verdict = against_champion(context, scored, "better")
    assert gates[0].passed and verdict.wins
    assert verdict.candidate < verdict.champion
