"""Segments: planted ones are found, ones that are not there are not, and the confirmation keeps its level."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from falaj.statistics.rollout.segments import Predicate, SearchLimits, SegmentRowsError, contrast_arms, find_segment
from falaj.statistics.rollout.segments.confirmation import contrast

ROWS = 8000


def flights(rng: np.random.Generator, rows: int = ROWS) -> dict[str, Any]:
    hour = rng.integers(5, 24, rows).astype(float)
    hour[rng.random(rows) < 0.05] = math.nan
    return {
        "carrier": rng.choice(["EV", "UA", "DL", "B6"], rows).tolist(),
        "distance": rng.integers(80, 3000, rows),
        "hour": hour,
        "temperature": rng.normal(size=rows),
        "ignored": np.zeros(rows, "datetime64[s]"),
        "constant": np.ones(rows),
    }


@pytest.mark.parametrize(
    "planted",
    [
        'carrier == "EV"',
        "hour is missing",
        'carrier == "EV" and distance >= 1000',
        'carrier == "DL" and hour >= 8 and hour < 16',
        "temperature < -1",
    ],
)
def test_a_planted_segment_is_found(planted: str) -> None:
    rng = np.random.default_rng(1)
    columns = flights(rng)
    fails = Predicate.parse(planted).mask(columns)
    loss = rng.random(ROWS) < np.where(fails, 0.4, 0.1)

    segment = find_segment(columns, loss.astype(float), rng=rng)

    assert segment is not None
    segment_mask = Predicate.parse(segment.text).mask(columns)
    assert (segment_mask & fails).sum() / (segment_mask | fails).sum() > 0.8
    assert len(segment.conditions) <= 3
    assert segment.rows == segment_mask.sum()
    assert segment.effect == pytest.approx(0.3, abs=0.08)
    assert segment.held_out_p < 0.001
    assert segment.held_out_rows < segment.rows


def test_numbers_in_a_predicate_are_round() -> None:
    rng = np.random.default_rng(2)
    columns = {"x": rng.normal(size=ROWS) * 123.456789}
    segment = find_segment(columns, (columns["x"] > 100).astype(float), rng=rng)
    assert segment is not None
    assert segment.text == "x >= 100"


def test_what_is_not_there_is_found_no_more_often_than_promised() -> None:
    rng = np.random.default_rng(3)
    limits = SearchLimits(significance=0.05)
    discoveries = [
        find_segment(flights(rng, 400), (rng.random(400) < 0.2).astype(float), rng=rng, limits=limits) is not None
        for _ in range(80)
    ]
    assert sum(discoveries) <= 9  # at most 4 are expected; 10 or more has probability .006 at the promised level


def test_a_failure_that_is_everywhere_has_no_segment() -> None:
    rng = np.random.default_rng(4)
    assert find_segment(flights(rng), np.ones(ROWS), rng=rng) is None


def test_rows_that_share_a_day_are_one_observation() -> None:
    rng = np.random.default_rng(5)
    day = np.repeat(np.arange(40), 100)
    columns = {"snow": np.repeat(np.arange(40) < 6, 100), "noise": rng.normal(size=4000)}
    loss = np.repeat(rng.normal(size=40) + 0.5 * (np.arange(40) < 6), 100) + 0.01 * rng.normal(size=4000)

    as_rows = [find_segment(columns, loss, rng=np.random.default_rng(seed)) for seed in range(5)]
    as_days = [find_segment(columns, loss, rng=np.random.default_rng(seed), blocks=day) for seed in range(5)]

    assert all(segment is not None for segment in as_rows)
    assert all(segment is None for segment in as_days)


def test_rows_without_a_loss_are_left_out_and_counted() -> None:
    rng = np.random.default_rng(6)
    columns = flights(rng)
    loss = np.array([carrier == "EV" for carrier in columns["carrier"]], dtype=float)
    loss[::4] = math.nan
    segment = find_segment(columns, loss, rng=rng)
    assert segment is not None
    assert segment.text == 'carrier == "EV"'
    assert segment.left_out == ROWS // 4


@pytest.mark.parametrize("rows", [0, 1, 50])
def test_too_few_rows_have_no_segment(rows: int) -> None:
    rng = np.random.default_rng(7)
    columns = flights(rng, rows)
    assert find_segment(columns, np.arange(rows, dtype=float), rng=rng) is None
    assert find_segment(columns, np.full(rows, math.nan), rng=rng) is None


def test_a_table_without_columns_has_no_segment() -> None:
    assert find_segment({}, np.arange(500.0), rng=np.random.default_rng(0)) is None


def test_losses_that_are_no_losses_are_refused() -> None:
    rng = np.random.default_rng(8)
    with pytest.raises(SegmentRowsError, match="finite"):
        find_segment({"x": [1, 2]}, [0.0, math.inf], rng=rng)
    with pytest.raises(SegmentRowsError, match="3 losses"):
        find_segment({"x": [1, 2]}, [0.0, 1.0, 0.0], rng=rng)
    with pytest.raises(SegmentRowsError, match="1 blocks"):
        find_segment({"x": [1, 2]}, [0.0, 1.0], blocks=["a"], rng=rng)


def test_arms_are_compared_where_each_request_went_to_one() -> None:
    rng = np.random.default_rng(9)
    columns = flights(rng, 20000)
    carrier = np.array(columns["carrier"])
    arm = rng.random(20000) < 0.2
    risk = 0.1 + 0.3 * (carrier == "UA") + 0.3 * ((carrier == "EV") & arm)  # UA is hard for both; EV only for one
    loss = (rng.random(20000) < risk).astype(float)
    loss[:100] = math.nan
    sides = [{name: np.asarray(column)[side] for name, column in columns.items()} for side in (arm, ~arm)]

    share = np.full(20000, 0.2)
    contrasted = contrast_arms(sides[0], loss[arm], share[arm], sides[1], loss[~arm], share[~arm])
    segment = find_segment(*contrasted, rng=rng)

    assert segment is not None
    assert segment.text == 'carrier == "EV"'
    assert segment.effect == pytest.approx(0.3, abs=0.1)


def test_arms_that_cannot_be_compared_are_refused() -> None:
    one, none = np.ones(1), np.full(1, math.nan)
    with pytest.raises(SegmentRowsError, match="different columns"):
        contrast_arms({"x": [1]}, one, one / 2, {"y": [1]}, one, one / 2)
    with pytest.raises(SegmentRowsError, match="no rows"):
        contrast_arms({"x": [1]}, one, one / 2, {"x": [1]}, none, one / 2)


def test_rows_of_a_ramp_count_by_their_own_chance() -> None:
    """Two equal arms, while the share grows and losses do: nowhere is the candidate worse."""
    rng, rows = np.random.default_rng(10), 40_000
    late = np.arange(rows) % 2 == 1
    weight = np.where(late, 0.5, 0.05)
    arm, loss = rng.random(rows) < weight, np.where(late, 0.5, 0.1) + rng.normal(0, 0.1, rows)

    def means(share: np.ndarray) -> list[float]:
        sides = [{"late": late[side]} for side in (arm, ~arm)]
        columns, value = contrast_arms(sides[0], loss[arm], share[arm], sides[1], loss[~arm], share[~arm])
        inside = np.asarray(columns["late"], dtype=bool)
        return [float(value[inside].mean()), float(value[~inside].mean())]

    assert means(weight) == pytest.approx([0.0, 0.0], abs=0.03)
    assert max(map(abs, means(np.full(rows, arm.mean())))) > 0.1, "what one share for the whole ramp would show"


def test_independent_rows_are_compared_as_by_welch() -> None:
    rng = np.random.default_rng(10)
    loss, inside = rng.normal(size=1000), rng.random(1000) < 0.4
    ours = contrast(loss, inside, np.arange(1000))
    theirs = stats.ttest_ind(loss[inside], loss[~inside], equal_var=False, alternative="greater")
    assert ours.p_value == pytest.approx(float(theirs.pvalue), rel=0.01)


def test_few_blocks_say_little_however_clear_they_are() -> None:
    inside = np.arange(20) < 10
    clear = contrast(inside.astype(float), inside, np.arange(20))
    assert clear.p_value == 0.5**10
    assert contrast(1 - inside.astype(float), inside, np.arange(20)).p_value == 1.0
    assert contrast(inside.astype(float), np.arange(20) < 5, np.arange(20)).p_value == 1.0


@settings(max_examples=30)
@given(st.data())
def test_any_small_table_is_searched_or_refused(data: st.DataObject) -> None:
    rows = data.draw(st.integers(0, 40))
    cell = st.none() | st.floats(allow_nan=True) | st.booleans() | st.sampled_from(["a", "b"])
    columns = {name: data.draw(st.lists(cell, min_size=rows, max_size=rows)) for name in ("x", "y")}
    loss = data.draw(st.lists(st.floats(0, 1) | st.just(math.nan), min_size=rows, max_size=rows))
    limits = SearchLimits(min_rows=1, significance=1.0)
    segment = find_segment(columns, loss, rng=np.random.default_rng(0), limits=limits)
    if segment is not None:
        assert segment.rows == Predicate.parse(segment.text).mask(columns).sum()
