"""The detector: its recursion, its promise, its delays, and what is kept between looks."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from falaj.statistics.concept import (
    Baseline,
    BaselineError,
    ConceptState,
    LossBlocks,
    Losses,
    advance,
    by_count,
    calibrate,
    single_rows,
)
from falaj.statistics.concept.detector import bets

BASELINE = Baseline(0.2, 0.22, 0.0, 1.0, 0.0, 1000.0, 1000, 1.0)


def rows_of(loss: np.ndarray, *, start: float = 0.0, lag: float = 0.0) -> LossBlocks:
    times = start + np.arange(len(loss), dtype=float)
    return single_rows(Losses(np.asarray(loss, dtype=float), times, times + lag))


def flips(rng: np.random.Generator, rate: float, rows: int) -> np.ndarray:
    return (rng.random(rows) < rate).astype(float)


losses = st.lists(st.floats(0, 1), min_size=1, max_size=40).map(np.array)


@given(losses)
def test_money_is_the_recursion_of_the_paper(loss: np.ndarray) -> None:
    state = advance(BASELINE, ConceptState(), rows_of(loss))
    money = np.zeros(10)
    for x in loss:
        money = (1 + money) * (1 + bets(BASELINE.limit) * (x - BASELINE.limit))
    assert np.expm1(state.log_money) == pytest.approx(money, rel=1e-6, abs=1e-9)


@given(losses, st.data())
def test_it_does_not_matter_how_blocks_are_handed_over(loss: np.ndarray, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(loss)))
    baseline = replace(BASELINE, run_length=5.0)
    whole = advance(baseline, ConceptState(), rows_of(loss))
    parts = ConceptState()
    for part, start in ((loss[:cut], 0), (loss[cut:], cut)):
        state_json = json.loads(json.dumps(parts.to_json(), allow_nan=False))
        parts = advance(baseline, ConceptState.from_json(state_json), rows_of(part, start=start))
    assert np.array(parts.log_money) == pytest.approx(np.array(whole.log_money), abs=1e-9)
    assert np.array(parts.rise) == pytest.approx(np.array(whole.rise), abs=1e-9)
    assert (parts.blocks, parts.rows) == (whole.blocks, whole.rows)
    assert (parts.alarm is None) == (whole.alarm is None)
    assert parts.alarm is None or parts.alarm.at == whole.alarm.at  # type: ignore[union-attr]


def test_false_alarms_keep_the_promise() -> None:
    rng = np.random.default_rng(0)
    horizon, baseline = 500, replace(BASELINE, limit=0.2, run_length=1000.0)
    alarmed = sum(
        advance(baseline, ConceptState(), rows_of(flips(rng, 0.2, horizon))).alarm is not None for _ in range(300)
    )
    assert alarmed / 300 < 0.5  # by Ville's inequality M_500 reaches 1000 with probability at most a half


def test_a_rise_is_found_with_its_onset_and_delay() -> None:
    rng = np.random.default_rng(1)
    baseline = calibrate(rows_of(flips(rng, 0.2, 5000)), run_length=10_000)
    loss = np.concatenate([flips(rng, 0.2, 2000), flips(rng, 0.4, 1000)])

    alarm = advance(baseline, ConceptState(), rows_of(loss, lag=3600.0)).alarm

    assert alarm is not None
    assert 2000 < alarm.at < 2200
    assert alarm.since == pytest.approx(2000, abs=60)
    assert alarm.label_lag_s == 3600
    assert alarm.detector_delay_s == alarm.at - alarm.since
    assert 0.3 < alarm.mean <= 0.7
    assert alarm.block == alarm.at + 1
    words = replace(alarm, since=0.0, at=2 * 86_400.0, known_at=3 * 86_400.0, mean=0.4).in_words("error", baseline)
    assert words.startswith("error is 0.4 since 1970-01-01T00:00+00:00, 0.2")
    assert words.endswith("in the reference (2 days of evidence, 1 days for labels)")


def test_an_alarm_stays_when_the_loss_falls_again() -> None:
    rng = np.random.default_rng(2)
    first = advance(BASELINE, ConceptState(), rows_of(flips(rng, 0.6, 500)))
    later = advance(BASELINE, first, rows_of(np.zeros(5000), start=500))
    assert first.alarm is not None
    assert later.alarm == first.alarm
    assert later.log10_evidence < first.log10_evidence


def test_a_better_model_raises_no_alarm() -> None:
    rng = np.random.default_rng(3)
    assert advance(BASELINE, ConceptState(), rows_of(flips(rng, 0.05, 20_000))).alarm is None


def test_days_that_differ_raise_no_alarm_when_they_are_blocks() -> None:
    rng = np.random.default_rng(4)
    days = lambda count: flips(rng, np.repeat(rng.uniform(0, 0.4, count), 100), 100 * count)  # noqa: E731
    reference, service = days(100), days(200)
    as_rows = advance(calibrate(rows_of(reference)), ConceptState(), rows_of(service))
    cut = [by_count(Losses(loss, np.arange(len(loss), dtype=float)), 100) for loss in (reference, service)]
    as_days = advance(calibrate(cut[0]), ConceptState(), cut[1])
    assert as_rows.alarm is not None
    assert as_days.alarm is None


def test_a_rise_of_block_means_is_found() -> None:
    rng = np.random.default_rng(5)
    cut = [by_count(Losses(flips(rng, rate, 20_000), np.arange(20_000.0)), 100) for rate in (0.2, 0.25)]
    baseline = calibrate(cut[0])
    alarm = advance(baseline, ConceptState(), cut[1]).alarm
    assert 0 < baseline.low < 0.2 < baseline.high < 1
    assert alarm is not None
    assert alarm.block < 40


def test_selective_labels_do_not_look_like_a_change() -> None:
    rng = np.random.default_rng(6)
    hard = rng.random(40_000) < 0.2
    loss = flips(rng, np.where(hard, 0.6, 0.1), 40_000)
    chance = np.where(hard, 1.0, 0.25)
    loss[rng.random(40_000) > chance] = math.nan
    whole = Losses(loss, np.arange(40_000.0), label_probability=chance)
    rows = single_rows(whole, lowest_probability=0.25)
    naive = rows_of(loss)
    limit = replace(BASELINE, limit=0.21, run_length=1e6)
    assert calibrate(rows).mean == pytest.approx(0.2, abs=0.01)
    assert advance(limit, ConceptState(), naive).alarm is not None
    assert advance(limit, ConceptState(), rows).alarm is None
    assert advance(calibrate(rows, run_length=1e6), ConceptState(), rows).alarm is None


def test_a_tolerated_rise_raises_no_alarm() -> None:
    rng = np.random.default_rng(7)
    reference, service = rows_of(flips(rng, 0.2, 5000)), rows_of(flips(rng, 0.25, 10_000))
    strict, mild = (calibrate(reference, run_length=1e6, tolerance=tolerance) for tolerance in (0.0, 0.06))
    assert advance(strict, ConceptState(), service).alarm is not None
    assert advance(mild, ConceptState(), service).alarm is None


def test_the_promise_is_in_words_and_travels_as_json() -> None:
    rows = calibrate(rows_of(flips(np.random.default_rng(8), 0.2, 500)), run_length=5000)
    assert rows.promise.endswith("at most one false alarm in 5000 labelled rows on average")
    assert Baseline.from_json(json.loads(json.dumps(rows.to_json()))) == rows
    blocks = calibrate(by_count(Losses(np.tile([0.0, 1.0], 100), np.arange(200.0)), 2))
    assert "blocks of about 2 labelled rows" in blocks.promise


@pytest.mark.parametrize(
    ("loss", "wishes", "message"),
    [
        (np.zeros(7), {}, "7 blocks"),
        (np.ones(50), {}, "no loss could show"),
        (np.zeros(50), {"tolerance": 1.0}, "no loss could show"),
        (np.zeros(50), {"run_length": 0.5}, "run_length"),
        (np.zeros(50), {"confidence": 1.0}, "run_length"),
        (np.zeros(50), {"tolerance": -0.1}, "run_length"),
    ],
)
def test_a_reference_that_says_nothing_is_refused(loss: np.ndarray, wishes: dict[str, float], message: str) -> None:
    with pytest.raises(BaselineError, match=message):
        calibrate(rows_of(loss), **wishes)


def test_what_is_not_a_state_is_refused() -> None:
    with pytest.raises(ValueError, match="rise"):
        ConceptState.from_json({"rise": 2})


def test_no_blocks_change_nothing() -> None:
    state = advance(BASELINE, ConceptState(), rows_of(np.array([math.nan])))
    assert state == ConceptState(left_out=1)


@settings(max_examples=30)
@given(st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=300))
def test_evidence_is_finite_and_a_perfect_model_raises_no_alarm(loss: list[float]) -> None:
    state = advance(BASELINE, ConceptState(), rows_of(np.array(loss)))
    assert math.isfinite(state.log10_evidence)
    assert sum(loss) > 0 or state.alarm is None
