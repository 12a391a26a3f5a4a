"""Losses as blocks: weights, late labels, and how long blocks must be."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from falaj.statistics.concept import LossError, Losses, by_count, by_time, rows_per_block, single_rows

DAY = 86_400.0


def test_rows_are_judged_by_event_time_however_late_their_labels_are() -> None:
    losses = Losses(np.array([1.0, 0.0, math.nan]), np.array([20.0, 10.0, 5.0]), np.array([21.0, 90.0, 91.0]))
    rows = single_rows(losses)
    assert rows.mean.tolist() == [0.0, 1.0]
    assert rows.start.tolist() == rows.end.tolist() == [10.0, 20.0]
    assert rows.labelled_at.tolist() == [90.0, 21.0]
    assert rows.left_out == 1


def test_blocks_by_count_leave_the_rest_for_later() -> None:
    blocks = by_count(Losses(np.arange(7) / 10, np.arange(7.0)), 3)
    assert blocks.mean == pytest.approx([0.1, 0.4])
    assert blocks.rows.tolist() == [3, 3]
    assert (blocks.start.tolist(), blocks.end.tolist()) == ([0, 3], [2, 5])


def test_blocks_by_time_leave_out_small_ones() -> None:
    times = np.array([0, 1, DAY, DAY + 1, DAY + 2, 3 * DAY])
    blocks = by_time(Losses(np.array([0, 1, 1, 1, 0, 1.0]), times), DAY, min_rows=2)
    assert blocks.mean == pytest.approx([0.5, 2 / 3])
    assert blocks.left_out == 1


def test_rows_that_are_rarely_labelled_count_for_the_others_like_them() -> None:
    losses = Losses(np.array([1.0, 0.0]), np.zeros(2), label_probability=np.array([0.5, 0.1]))
    assert by_time(losses, DAY).mean == pytest.approx([2 / 12])
    assert single_rows(losses, lowest_probability=0.1).stake == pytest.approx([0.2, 1.0])


@pytest.mark.parametrize("make", [single_rows, lambda losses: by_count(losses, 2), lambda losses: by_time(losses, DAY)])
@pytest.mark.parametrize("loss", [[], [math.nan], [math.nan] * 3])
def test_without_labels_there_are_no_blocks(make: object, loss: list[float]) -> None:
    blocks = make(Losses(np.array(loss), np.zeros(len(loss))))  # type: ignore[operator]
    assert len(blocks) == 0
    assert blocks.left_out == len(loss)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"loss": np.array([1.5])}, "reach from 1.5"),
        ({"loss": np.array([-0.1])}, "reach from -0.1"),
        ({"loss": np.array([math.inf])}, "reach from inf"),
        ({"event_time": np.zeros(2)}, "another length"),
        ({"event_time": np.array([math.nan])}, "event time"),
        ({"label_probability": np.array([0.0])}, "label probability"),
        ({"label_probability": np.array([1.5])}, "label probability"),
        ({"label_probability": np.array([math.nan])}, "label probability"),
    ],
)
def test_losses_out_of_range_are_refused(bad: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(LossError, match=message):
        Losses(**{"loss": np.zeros(1), "event_time": np.zeros(1), **bad})


@pytest.mark.parametrize("width", [0.0, -1.0, math.nan])
def test_blocks_without_a_width_are_refused(width: float) -> None:
    with pytest.raises(LossError):
        by_time(Losses(np.zeros(1), np.zeros(1)), width)
    with pytest.raises(LossError):
        by_count(Losses(np.zeros(1), np.zeros(1)), 0)


def test_independent_rows_need_no_blocks_and_rows_that_share_a_day_do() -> None:
    rng = np.random.default_rng(0)
    days = np.repeat(rng.uniform(0, 0.8, 200), 50)
    assert rows_per_block((rng.random(10_000) < 0.3).astype(float)) == 1
    assert rows_per_block((rng.random(10_000) < days).astype(float)) >= 32
    assert rows_per_block(np.zeros(1000)) == 1
    assert rows_per_block(np.zeros(0)) == 1


@given(st.lists(st.floats(0, 1) | st.just(math.nan), max_size=30), st.integers(1, 5))
def test_no_row_is_lost_or_counted_twice(loss: list[float], rows: int) -> None:
    losses = Losses(np.array(loss, dtype=float), np.arange(len(loss), dtype=float))
    labelled_count = len(loss) - int(np.isnan(losses.loss).sum())
    timed, counted = by_time(losses, 4.0, min_rows=rows), by_count(losses, rows)
    assert timed.rows.sum() + timed.left_out == len(loss)
    assert counted.rows.sum() == labelled_count // rows * rows
    assert ((timed.mean >= 0) & (timed.mean <= 1)).all()
