from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from falaj.dataplane.agent.rollouts.counting import counted
from falaj.statistics.rollout.analysis import MetricKind
from falaj.statistics.rollout.judging import DEFAULT_CUTS_MS, analysis_plan, analysis_report, cuts_of, limit_of
from tests.dataplane.rollouts.made import access, judged_record, plan

PAST = list(np.linspace(1, 100, 200))


def test_cuts_are_quantiles_of_the_past_and_usual_ones_where_little_is_known() -> None:
    of = plan("shadow", metrics=["latency"])
    past_cuts, unknown = (analysis_plan(of, past, ()).named("latency").cuts for past in (PAST, PAST[:49]))
    assert unknown == DEFAULT_CUTS_MS
    assert past_cuts == pytest.approx(tuple(np.quantile(PAST, [0.25, 0.5, 0.75, 0.9, 0.95, 0.99])))
    assert cuts_of([7.0] * 60, [0.5, 0.9]) == (7.0,), "each cut once"
    assert cuts_of([float("nan")] * 60, [0.5]) == ()


def test_predictions_are_compared_only_where_a_past_fixes_the_bins() -> None:
    rollout_plan = plan(metrics=["errors", "predictions"])
    assert [metric.name for metric in analysis_plan(rollout_plan, (), PAST).metrics] == ["errors", "predictions"]
    assert [metric.name for metric in analysis_plan(rollout_plan, (), ()).metrics] == ["errors"]


@pytest.mark.parametrize(("kind", "quality"), [("canary", MetricKind.QUALITY), ("shadow", MetricKind.QUALITY_PAIRED)])
def test_a_loss_is_judged_in_pairs_where_both_answered(kind: str, quality: MetricKind) -> None:
    assert analysis_plan(plan(kind, metrics=["brier"]), (), ()).named("brier").kind is quality


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ({"name": "errors"}, (1.0, 1.5)),
        ({"name": "errors", "tolerate": 2.0}, (2.0, 3.0)),
        ({"name": "latency"}, (1.1, 1.5)),
        ({"name": "latency", "margin": 0.1}, (1.05, 1.1)),
        ({"name": "latency", "tolerate": 0.5}, (1.5, 2.0)),
        ({"name": "predictions", "tolerate": 1.5}, (1.5, 3.0)),
        ({"name": "brier"}, (0.005, 0.02)),
        ({"name": "brier", "margin": 0.04}, (0.01, 0.04)),
        ({"name": "brier", "tolerate": 0.01}, (0.01, 0.03)),
        ({"name": "brier", "tolerate": 0.01, "margin": 0.2}, (0.01, 0.2)),
    ],
)
def test_bounds_are_those_of_the_plan_and_a_tolerance_takes_the_margin_along(metric, expected) -> None:
    spec = analysis_plan(plan(metrics=[metric]), PAST, PAST).named(metric["name"])
    assert (spec.tolerated, spec.margin) == pytest.approx(expected)


def test_errors_of_numbers_are_cut_off_at_a_quantile_of_the_past() -> None:
    metrics = [{"name": "mae"}, {"name": "pinball", "quantile": 0.9}, {"name": "brier"}]
    errors = list(np.linspace(0, 20, 200))
    mae, pinball, brier = analysis_plan(plan(metrics=metrics), (), PAST, errors).metrics
    assert (mae.limit, pinball.quantile, brier.limit) == (pytest.approx(19.8), 0.9, None)
    assert limit_of([1.0] * 10, PAST) == pytest.approx(np.quantile(PAST, 0.99) - np.quantile(PAST, 0.01))
    assert limit_of([0.0] * 60, PAST) is not None, "a stable release that is always right says nothing of errors"
    assert limit_of([], []) is None


def test_evidence_starts_anew_at_each_step() -> None:
    assert analysis_plan(plan(), (), ()).starts == 2
    assert analysis_plan(plan(holdback={"share": 0.1, "for_s": 60.0}), (), ()).starts == 2
    assert analysis_plan(plan("shadow"), (), ()).starts == 1


def failing(kind: str, blocks: int = 40):
    """A record whose candidate failed half of its requests, or answered them late, block after block."""
    bad = {"errors": {"status": 500}, "latency": {"latency_us": 900_000}}[kind]
    of = plan(metrics=[kind], false_alarm=0.001, burn_in_max_s=5.0)
    record = judged_record(of)
    for second in range(200, 200 + blocks):
        requests = [access(2, at=second + 0.5, **(bad if number % 2 else {}), **HALVED) for number in range(10)]
        requests += [access(1, at=second + 0.5, baseline=True, answered_baseline=True, **HALVED) for _ in range(10)]
        record = counted(record, requests, second + 0.9).closed(second + 2.0)
    return of, record


HALVED = {"weights": {1: 9_000, 2: 1_000}, "baseline_weight": 1_000}


@pytest.mark.parametrize(("kind", "size"), [("errors", ""), ("latency", " at least 1.1 times the baseline")])
def test_harm_is_said_with_its_size_its_exposure_and_its_bound(kind: str, size: str) -> None:
    of, record = failing(kind)
    judgement = analysis_report(record.verdict(), of)
    assert judgement.culprits == (kind,)
    assert judgement.harm == f"after 400 candidate requests: {kind}{size}; false-alarm bound 0.1%"


def test_where_nothing_is_known_nothing_is_said() -> None:
    of = plan()
    judgement = analysis_report(judged_record(of).verdict(), of)
    assert (judgement.harm, judgement.culprits, judgement.doubt, judgement.acceptable) == ("", (), "", False)
    assert judgement.ruled_out == float("inf")


def test_a_loss_is_said_as_a_difference() -> None:
    of = plan(metrics=["brier"], label_block_s=10.0)
    record = judged_record(of)
    rng = np.random.default_rng(1)
    candidate, at_s = rng.random(4_000) < 0.3, np.linspace(200, 300, 4_000)
    loss = np.where(candidate, 0.6, 0.2)
    analysis = record.analysis.observe_losses("brier", candidate, np.full(4_000, 0.3), loss, 300.0, at_s)
    harm_text = analysis_report(analysis.verdict(), of).harm
    assert "brier about 0.4 more than stable" in harm_text
    verdict = replace(analysis.verdict(), metrics=(replace(analysis.verdict().metrics[0], limit=12.5),))
    assert "(errors are cut off at 12.5 and counted as shares of it)" in analysis_report(verdict, of).harm
