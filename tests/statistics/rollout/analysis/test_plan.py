"""A plan that cannot be judged is refused when it is made."""

from __future__ import annotations

import pytest

from falaj.statistics.rollout.analysis import AnalysisPlan, MetricKind, MetricSpec

from .streams import everything


@pytest.mark.parametrize(
    "make",
    [
        lambda: MetricSpec.errors(tolerated=0.9),
        lambda: MetricSpec.errors(tolerated=2.0, margin=1.5),
        lambda: MetricSpec.errors(weight=0),
        lambda: MetricSpec.errors(floor=0.5),
        lambda: MetricSpec.errors(expected_rate=1.0),
        lambda: MetricSpec.latency(()),
        lambda: MetricSpec.latency((2.0, 1.0)),
        lambda: MetricSpec.latency(tuple(range(7))),
        lambda: MetricSpec.latency((1.0, 2.0), quantiles=(0.9, 0.5)),
        lambda: MetricSpec.quality("loss", margin=1.0),
        lambda: AnalysisPlan((), label_block_s=0.0),
        lambda: MetricSpec.disagreement(0.0),
        lambda: AnalysisPlan((MetricSpec.errors(), MetricSpec.errors())),
        lambda: AnalysisPlan((), alpha=0.0),
        lambda: AnalysisPlan((), starts=0),
    ],
)
def test_what_does_not_fit_is_refused(make):
    with pytest.raises(ValueError):
        make()


@pytest.mark.parametrize("starts", [1, 2, 5])
def test_shares_of_starts_sum_to_one_and_end(starts):
    plan = everything(starts=starts)
    assert plan.shares_until(starts - 1).sum() == pytest.approx(1)
    assert plan.start_weight(starts) == 0
    assert plan.start_weight(0) > 0.5


def test_a_plan_knows_its_metrics():
    plan = everything(alpha=0.1)
    assert plan.named("errors").kind is MetricKind.ERRORS
    assert [metric.name for metric in plan.of_kind(MetricKind.QUALITY)] == ["brier"]
    assert plan.line == pytest.approx(1)
    assert plan.promotion_line == pytest.approx(1.30103)
    with pytest.raises(KeyError):
        plan.named("nothing")


def test_a_rate_of_disagreement_has_a_margin_below_one():
    assert MetricSpec.disagreement(0.1).margin == pytest.approx(0.2)
    assert MetricSpec.disagreement(0.6).margin == pytest.approx(0.8)
