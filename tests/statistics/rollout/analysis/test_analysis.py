"""The state of a judgement: cut anywhere, kept as JSON, decisions stay, numbers mean what they say."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from falaj.statistics.rollout.analysis import Analysis, AnalysisPlan, Batch, MetricSpec

from .streams import CUTS, everything, requests


def fed(rng, plan, batches=3, **traffic):
    """A state that has seen some of everything."""
    state = Analysis.start(plan)
    for second in range(batches):
        state = state.update(requests(rng, 200, **traffic), float(second))
        candidate, weight = rng.random(50) < 0.3, np.full(50, 0.3)
        losses = rng.random(50)
        state = state.observe_losses("brier", candidate, weight, losses, float(second))
        state = state.observe_paired("paired", losses, np.clip(losses + rng.normal(0, 0.1, 50), 0, 1), float(second))
        state = state.observe_disagreements("disagreement", rng.random(50) < 0.1, float(second))
        state = state.enter_step()
    return state


def only(*metrics, **more):
    return Analysis.start(AnalysisPlan(metrics, **more))


@given(seed=st.integers(0, 2**32), weight=st.floats(0.001, 0.999), starts=st.integers(1, 5))
@settings(max_examples=12, deadline=None)
def test_json_loses_nothing(seed, weight, starts):
    state = fed(np.random.default_rng(seed), everything(starts=starts), weight=weight)
    read = Analysis.from_json(json.loads(json.dumps(state.to_json(), allow_nan=False)))
    assert read.to_json() == state.to_json()
    assert read.verdict() == state.verdict()
    assert read.plan == state.plan


def test_a_state_does_not_grow_with_requests():
    rng, state = np.random.default_rng(0), Analysis.start(everything())
    sizes = []
    for second in range(20):
        state = state.update(requests(rng, 5000), float(second))
        sizes.append(len(json.dumps(state.to_json())))
    assert sizes[-1] < sizes[0] + 200


@given(seed=st.integers(0, 2**32), cut=st.integers(0, 300))
@settings(max_examples=20, deadline=None)
def test_it_does_not_matter_where_batches_are_cut(seed, cut):
    rng = np.random.default_rng(seed)
    whole = requests(rng, 300, weight=rng.choice([0.0, 0.1, 0.5, 1.0], 300))
    once = Analysis.start(everything()).update(whole, 1.0)
    twice = Analysis.start(everything())
    for part in (whole.rows(slice(cut)), whole.rows(slice(cut, None))):
        twice = twice.update(part, 1.0)
    assert twice.requests.total().tolist() == once.requests.total().tolist()
    assert _close(once, twice)
    assert twice.exposed == once.exposed
    assert twice.peaks.harm >= once.peaks.harm - 1e-9, "more looks find no less"


def _close(first, second):
    mine, yours = first.evidence(), second.evidence()
    return all(
        abs(mine.metrics[name].harm - yours.metrics[name].harm) < 1e-9
        and abs(mine.metrics[name].safe - yours.metrics[name].safe) < 1e-9
        for name in mine.metrics
    )


@given(seed=st.integers(0, 2**32), cut=st.integers(0, 200))
@settings(max_examples=20, deadline=None)
def test_labels_of_open_blocks_may_be_cut_anywhere_too(seed, cut):
    rng = np.random.default_rng(seed)
    candidate, weight, loss = rng.random(200) < 0.2, np.full(200, 0.2), rng.random(200)
    other, at_s = rng.random(200), rng.uniform(0, 0.9, 200)

    def observed(*parts):
        state = Analysis.start(everything(label_block_s=1.0))
        for part in parts:
            state = state.observe_losses("brier", candidate[part], weight[part], loss[part], 0.95, at_s[part])
            state = state.observe_paired("paired", loss[part], other[part], 0.95, at_s[part])
        return state.close_label_blocks(10.0)

    assert _close(observed(slice(None)), observed(slice(cut), slice(cut, None)))


@given(seed=st.integers(0, 2**32), errors=st.integers(1, 30))
@settings(max_examples=20, deadline=None)
def test_more_errors_of_the_candidate_are_more_evidence_and_of_stable_less(seed, errors):
    rng = np.random.default_rng(seed)
    state = Analysis.start(everything()).update(requests(rng, 500, errors=(0.02, 0.02)), 1.0)

    def after(candidate):
        arm = np.full(errors, candidate)
        failed = Batch(arm, np.full(errors, 0.1), np.ones(errors, dtype=bool), np.zeros(errors))
        return state.update(failed, 2.0)

    now = state.evidence().metrics["errors"].harm
    assert after(False).evidence().metrics["errors"].harm < now < after(True).evidence().metrics["errors"].harm
    assert after(True).peaks.harm >= state.peaks.harm


def test_a_candidate_that_fails_is_rolled_back_and_errors_are_named():
    rng, state = np.random.default_rng(1), only(MetricSpec.errors(), MetricSpec.latency(CUTS))
    while not state.verdict().roll_back:
        state = state.update(requests(rng, 100, errors=(0.01, 0.1)), state.updated_s + 1)
        assert state.updated_s < 200
    verdict = state.verdict()
    errors, latency = verdict.metrics
    assert verdict.culprits == ("errors",) and verdict.foremost == "errors"
    assert verdict.harm >= verdict.harm_line == 2.0
    assert errors.harm >= errors.harm_line == pytest.approx(-math.log10(0.01 / 2))
    assert 1 < errors.at_least < errors.ratio
    assert latency.harm < latency.harm_line
    assert not verdict.promote
    assert verdict.exposed == sum(metric.requests[1] for metric in verdict.metrics[:1])


def test_a_rollback_stays_decided_though_later_requests_speak_for_the_candidate():
    rng, state = np.random.default_rng(1), only(MetricSpec.errors())
    while not state.verdict().roll_back:
        state = state.update(requests(rng, 100, errors=(0.01, 0.2)), 1.0)
    for _ in range(20):
        state = state.update(requests(rng, 1000, errors=(0.05, 0.0)), 2.0)
    verdict = state.verdict()
    assert verdict.harm < verdict.harm_line
    assert verdict.roll_back and verdict.culprits == ("errors",) and not verdict.promote


def test_a_slow_candidate_is_rolled_back_by_latency():
    rng, state = np.random.default_rng(2), only(MetricSpec.errors(), MetricSpec.latency(CUTS))
    for second in range(60):
        state = state.update(requests(rng, 100, slower=1.5), float(second))
    assert state.verdict().culprits == ("latency",)


def test_a_common_event_is_found_sooner_when_it_is_expected_to_be_common():
    rng = np.random.default_rng(16)
    batch = requests(rng, 3000, errors=(0.5, 0.7))
    informed_state, unknown = (only(MetricSpec.errors(expected_rate=rate)).update(batch, 1.0) for rate in (0.5, None))
    assert informed_state.evidence().metrics["errors"].harm > unknown.evidence().metrics["errors"].harm + 1


@pytest.mark.parametrize("cuts", [(20.0,), (20.0, 30.0), CUTS, (10.0, 20.0, 30.0, 40.0, 60.0)])
def test_latency_is_judged_with_any_cuts(cuts):
    rng, state = np.random.default_rng(17), only(MetricSpec.latency(cuts))
    assert not state.update(requests(rng, 3000), 1.0).verdict().roll_back
    assert state.update(requests(rng, 3000, slower=2.0), 1.0).verdict().roll_back


def test_latency_without_a_cut_in_the_tail_is_judged_by_shifts():
    rng, state = np.random.default_rng(18), only(MetricSpec.latency((15.0, 20.0), quantiles=(0.3, 0.5)))
    assert state.update(requests(rng, 3000, slower=2.0), 1.0).verdict().roll_back


def test_a_good_candidate_leaves_its_steps_one_by_one_and_is_promoted():
    rng, state = np.random.default_rng(3), only(MetricSpec.errors(), MetricSpec.latency(CUTS), starts=5)
    departures = []
    for weight, gate in ((0.01, 5), (0.05, 3), (0.25, 2), (0.5, 1.5)):
        for _ in range(2000):
            state = state.update(requests(rng, 500, weight=weight), state.updated_s + 1)
            if state.verdict().leave_step <= gate:
                break
        departures.append(state.verdict().leave_step <= gate)
        state = state.enter_step()
    verdict = state.verdict()
    assert departures == [True] * 4
    assert verdict.promote and not verdict.roll_back and verdict.pause is None
    assert all(metric.safe >= metric.safe_line for metric in verdict.metrics)


def test_two_arms_without_any_error_are_equally_good_in_the_end_and_only_with_a_floor():
    rng = np.random.default_rng(4)
    without, floor = only(MetricSpec.errors(floor=0.0)), only(MetricSpec.errors(floor=0.01))
    batch = requests(rng, 20_000, errors=(0, 0))
    assert floor.update(batch, 1.0).verdict().promote
    assert not without.update(batch, 1.0).verdict().promote
    assert without.update(batch, 1.0).verdict().leave_step == math.inf


def test_a_candidate_at_the_margin_is_not_promoted():
    rng, state = np.random.default_rng(5), only(MetricSpec.errors(tolerated=1.4, margin=1.5))
    for second in range(50):
        state = state.update(requests(rng, 2000, weight=0.5, errors=(0.02, 0.03)), float(second))
    assert not state.verdict().promote


def test_a_late_fault_is_found_in_the_holdback():
    rng, state = np.random.default_rng(6), only(MetricSpec.errors(), starts=2)
    for second in range(100):
        state = state.update(requests(rng, 500, weight=0.25), float(second))
    state = state.enter_step()
    for second in range(100, 200):
        state = state.update(requests(rng, 500, weight=0.97, errors=(0.01, 0.04)), float(second))
    assert state.verdict().roll_back
    assert state.verdict().metrics[0].at_least > 1


def test_shifted_predictions_pause_and_never_roll_back():
    rng, state = np.random.default_rng(7), only(MetricSpec.errors(), MetricSpec.distribution((0.25, 0.5, 0.75)))
    for second in range(60):
        state = state.update(requests(rng, 200, shift=0.3), float(second))
    verdict = state.verdict()
    assert verdict.pause == "predictions shifted" and not verdict.roll_back and not verdict.promote
    assert verdict.metrics[1].harm > verdict.metrics[1].harm_line
    assert verdict.metrics[1].at_least is None


def test_traffic_that_is_not_split_as_said_pauses():
    rng, state = np.random.default_rng(8), only(MetricSpec.errors())
    batch = requests(rng, 5000, weight=0.2)
    skewed_batch = Batch(batch.candidate, np.full(5000, 0.1), batch.error, batch.latency_ms)
    assert state.update(skewed_batch, 1.0).verdict().pause == "traffic is not split as the weights say"
    assert state.update(batch, 1.0).verdict().pause is None


def test_what_was_answered_cold_or_not_routed_by_chance_is_exposed_and_not_judged():
    rng = np.random.default_rng(9)
    batch = requests(rng, 300, weight=0.5, errors=(0, 1))
    cold = Batch(batch.candidate, batch.weight, batch.error, batch.latency_ms, burn_in=np.ones(300, dtype=bool))
    forced = Batch(batch.candidate, np.ones(300), batch.error, batch.latency_ms)
    for ignored in (cold, forced):
        verdict = only(MetricSpec.errors()).update(ignored, 1.0).verdict()
        assert not verdict.roll_back and verdict.exposed == batch.candidate.sum()
        assert verdict.metrics[0].requests == (0, 0) and verdict.metrics[0].ratio is None


def test_mirrored_requests_are_judged_and_their_evidence_goes_on_in_the_candidate():
    rng = np.random.default_rng(10)
    shadow = AnalysisPlan((MetricSpec.disagreement(0.05), MetricSpec.errors()))
    candidate = AnalysisPlan(
        (MetricSpec.latency(CUTS), MetricSpec.errors(), MetricSpec.quality_paired("brier")), starts=3
    )
    error, took = rng.random((2, 400)) < 0.05, np.full((2, 400), 10.0)
    before = Analysis.start(shadow).enter_step().update(Batch.of_pairs(*error, *took), 1.0)
    after = Analysis.start(candidate, carried=before)
    assert after.evidence().metrics["errors"].safe == before.evidence().metrics["errors"].safe
    assert after.peaks.at_most["errors"] == before.peaks.at_most["errors"]
    assert after.exposed == 0 and after.step == 0
    more = requests(rng, 400)
    alone = Analysis.start(candidate).update(more, 2.0).evidence().metrics["errors"]
    both = after.update(more, 2.0).evidence().metrics["errors"]
    assert both.safe != alone.safe


def test_evidence_of_two_phases_multiplies():
    rng, spec = np.random.default_rng(11), MetricSpec.errors(floor=0.0)
    first, second = only(spec), requests(rng, 2000, errors=(0.1, 0.1))
    shadow = requests(rng, 2000, weight=0.5, errors=(0.1, 0.1))
    before = first.update(shadow, 1.0)
    carried = Analysis.start(AnalysisPlan((spec,)), carried=before).update(second, 2.0)
    alone = only(spec).update(second, 2.0)
    safe = [state.evidence().metrics["errors"].safe for state in (before, alone, carried)]
    assert safe[2] == pytest.approx(safe[0] + safe[1])


@pytest.mark.parametrize(("before", "after"), [(1, 1), (1, 5), (5, 1), (5, 3)])
def test_labels_and_pairs_go_on_with_a_carried_state_at_the_worth_that_they_had(before, after):
    """Shares of starts differ between plans: what is carried must not count for more than was won."""
    rng = np.random.default_rng(12)
    earlier = fed(rng, everything(starts=before, label_block_s=1.0), batches=6)
    assert earlier.bets["brier"].past.blocks > 2
    later = Analysis.start(everything(starts=after, label_block_s=1.0), carried=earlier)
    assert later.labels["brier"].total().tolist() == earlier.labels["brier"].total().tolist()
    assert later.label_blocks == earlier.label_blocks, "labels that wait go on waiting"
    share = later.plan.start_weight(0)
    for metric in ("brier", "paired"):
        won = math.exp(earlier.evidence().metrics[metric].harm)
        assert math.exp(later.evidence().metrics[metric].harm) == pytest.approx(share * won + 1 - share)


@pytest.mark.parametrize("metric", ["brier", "paired", "disagreement"])
def test_each_kind_of_label_can_roll_back(metric):
    rng, state = np.random.default_rng(13), Analysis.start(everything(label_block_s=1.0))
    for second in range(20):
        is_candidate, weight = rng.random(500) < 0.3, np.full(500, 0.3)
        stable, candidate = (rng.random(500) < rate for rate in (0.1, 0.4))
        if metric == "brier":
            loss = np.where(is_candidate, candidate, stable).astype(float)
            state = state.observe_losses(metric, is_candidate, weight, loss, float(second))
        elif metric == "disagreement":
            state = state.observe_disagreements(metric, candidate, float(second))
        else:
            state = state.observe_paired(metric, stable.astype(float), candidate.astype(float), float(second))
    verdict = state.verdict()
    metric_verdict = next(metric_verdict for metric_verdict in verdict.metrics if metric_verdict.name == metric)
    assert verdict.roll_back and verdict.culprits == (metric,)
    assert metric_verdict.compares == {"disagreement": "rate"}.get(metric, "difference")
    assert (
        metric_verdict.at_least is not None
        and metric_verdict.ratio > metric_verdict.at_least
        and metric_verdict.harm > metric_verdict.harm_line
    )


def test_a_paired_quality_that_is_equal_is_safe():
    rng = np.random.default_rng(14)
    state = only(MetricSpec.quality_paired("brier", margin=0.02), label_block_s=1.0)
    assert state.verdict().leave_step == math.inf, "no step is left without a label"
    for second in range(20):
        loss = rng.uniform(0.2, 0.8, 500)
        state = state.observe_paired("brier", loss, loss + rng.uniform(-0.1, 0.1, 500), float(second))
    verdict = state.verdict()
    assert verdict.promote and verdict.metrics[0].at_most == 0.02
    assert verdict.leave_step == 1.0, "the margin itself is ruled out"


def test_no_step_is_left_for_how_predictions_are_distributed():
    state = only(MetricSpec.distribution((0.5,)))
    state = state.update(requests(np.random.default_rng(16), 2_000), 1.0)
    assert state.verdict().leave_step == math.inf and not state.verdict().promote
    assert only().verdict().leave_step == 1.0, "where nothing is judged, time decides"


def test_labels_are_refused_that_cannot_be_losses_of_the_metric():
    state, ones = Analysis.start(everything()), np.ones(1)
    arm = np.ones(1, dtype=bool)
    with pytest.raises(ValueError, match=r"in \[0, 1\]"):
        state.observe_losses("brier", arm, ones / 2, ones * 2, 1.0)
    with pytest.raises(ValueError, match="judged as errors"):
        state.observe_disagreements("errors", arm, 1.0)
    with pytest.raises(KeyError):
        state.observe_paired("nothing", ones, ones, 1.0)


def test_a_batch_has_columns_of_one_length_and_weights_that_are_shares():
    flags = np.zeros(2, dtype=bool)
    with pytest.raises(ValueError, match="different lengths"):
        Batch(flags, np.zeros(3), flags, np.zeros(2))
    with pytest.raises(ValueError, match="outside"):
        Batch(flags, np.array([0.5, 1.5]), flags, np.zeros(2))
    assert Analysis.start(everything()).update(Batch(flags[:0], *[np.zeros(0)] * 3), 1.0).exposed == 0


def test_a_score_that_is_missing_is_in_no_bin():
    rng = np.random.default_rng(15)
    state = Analysis.start(everything())
    batch = requests(rng, 100, scores=False)
    scored = Batch(batch.candidate, batch.weight, batch.error, batch.latency_ms, np.full(100, np.nan))
    assert state.update(batch, 1.0).to_json() == state.update(scored, 1.0).to_json()
