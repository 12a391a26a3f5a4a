"""The best of several candidates on real models and real tables."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from falaj.build.checks import selection
from falaj.build.checks.context import CheckError
from falaj.build.checks.gates import judge_all
from falaj.build.checks.selection import SweepCandidate, is_higher_better, scored, select_best
from falaj.config.spec import OwnMetric, SelectSpec
from tests.build.checks.conftest import flights, threshold

pytestmark = pytest.mark.usefixtures("same_process")
BRIER = SelectSpec("brier on split.validation", "brier", "split.validation")


def candidate(bench, name, model, table="split.validation"):
    digest = bench.store.put(model).digest
    return SweepCandidate(f"fit[kind={name}]", {"kind": name}, digest, bench.outputs.get(table))


def test_a_score_is_what_a_gate_would_have_given(bench, models):
    bench.keep_table("split.validation", flights(500))
    candidates = [scored(bench.context(), BRIER, candidate(bench, name, models[name])) for name in ("poor", "good")]
    bench.keep("fit", models["good"])
    bench.gates(threshold("brier", "<=", 1, data="split.validation"))
    (gate,), _ = judge_all(bench.context())
    assert candidates[1].score == gate.value and candidates[1].rows == 500
    best = select_best("fit", BRIER, candidates, higher_is_better=is_higher_better(BRIER))
    assert best.best == candidates[1] and best.better == "less"
    assert best.summary.startswith("fit[kind=good] is the best of 2 by brier on split.validation: 0.")


def test_a_known_score_is_not_computed_again(bench, models, monkeypatch):
    bench.keep_table("split.validation", flights(200))
    first = scored(bench.context(), BRIER, candidate(bench, "good", models["good"]))
    monkeypatch.setattr(selection, "judge_all", None)
    assert scored(bench.context(), BRIER, candidate(bench, "good", models["good"])) == first
    with pytest.raises(TypeError):
        scored(bench.context(), replace(BRIER, metric="auc"), candidate(bench, "good", models["good"]))


def test_a_candidate_without_a_score_says_why_and_is_not_remembered(bench, models):
    bench.keep_table("split.validation", flights(200).with_columns(late=pl.lit(1)))
    by_auc = replace(BRIER, metric="auc")
    candidates = scored(bench.context(), by_auc, candidate(bench, "good", models["good"]))
    assert candidates.score is None and "both classes" in candidates.reason
    assert not [*bench.store.refs("selection/")]
    outcome = select_best("fit", by_auc, [candidates], higher_is_better=True)
    assert outcome.best is None and "none of the 1 candidates has a score: fit[kind=good]: auc needs" in outcome.summary


def test_a_metric_of_the_project_selects(bench, models, monkeypatch):
    bench.keep_table("split.validation", flights(200))
    own = SelectSpec("profit on split.validation", "profit", "split.validation", own=OwnMetric("m:profit", True))
    values = iter([{"candidate": 2.5, "extremes": [0, 5]}, {"candidate": 3.5, "extremes": [0, 5]}])
    monkeypatch.setattr("falaj.build.checks.own_metrics.run_in_project", lambda *_, **__: {"values": [next(values)]})
    bench.write("m.py", "")
    candidates = [scored(bench.context(), own, candidate(bench, name, models[name])) for name in ("good", "poor")]
    assert [each.score for each in candidates] == [2.5, 3.5]
    best = select_best("fit", own, candidates, higher_is_better=is_higher_better(own)).best
    assert best is not None and best.name == "fit[kind=poor]"


def test_of_equal_candidates_the_first_goes_on():
    scores = [0.3, 0.1, 0.1, None, float("nan")]
    candidates = [SweepCandidate(str(place), {}, score=score) for place, score in enumerate(scores)]
    assert select_best("fit", BRIER, candidates, higher_is_better=False).best == candidates[1]
    assert select_best("fit", BRIER, candidates[::-1], higher_is_better=False).best == candidates[2]
    assert select_best("fit", BRIER, candidates, higher_is_better=True).best == candidates[0]


def test_every_built_in_metric_has_a_direction():
    names = ("auc", "brier", "rmse", "r2", "top_3_accuracy", "pinball_0.9", "ndcg@10", "map@5", "smape")
    directions = [is_higher_better(SelectSpec(name, name, "x")) for name in names]
    assert directions == [True, False, False, True, True, False, True, True, False]
    with pytest.raises(CheckError):
        is_higher_better(SelectSpec("x", "nothing", "x"))
