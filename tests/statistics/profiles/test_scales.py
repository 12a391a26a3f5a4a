"""Numbers at any offset, scale and cardinality: cells go by the spread, and nothing goes by the size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from falaj.statistics.profiles import NumberCells, ProfileSchema, quantile
from falaj.statistics.profiles.tails import count_tails, tail_range

N = 2000
RNG = np.random.default_rng(6)
SHAPES: dict[str, Any] = {
    "normal": RNG.normal(0, 1, N),
    "heavy": RNG.lognormal(0, 1.5, N),
    "mirrored": -RNG.lognormal(0, 1.5, N),
    "whole": RNG.integers(0, 24, N).astype(float),
    "many": RNG.permutation(N).astype(float),
    "two": RNG.integers(0, 2, N).astype(float),
    "mostly zero": np.where(RNG.random(N) < 0.9, 0.0, RNG.exponential(1, N)),
    "constant": np.zeros(N),
}
OFFSETS = st.one_of(st.just(0.0), st.floats(-1e15, 1e15), st.sampled_from([1e9, -1e9, 1.7e18, 2.0**63]))
SCALES = st.floats(-12, 12).map(lambda power: 10.0**power)
everywhere = settings(max_examples=150, deadline=None)


def fitted(values: np.ndarray[Any, Any]) -> NumberCells:
    cells = ProfileSchema.from_reference({"x": values})["x"]
    assert isinstance(cells, NumberCells)
    return cells


def resolved(values: np.ndarray[Any, Any], scale: float) -> bool:
    """Whether floats tell values of this scale apart where they lie."""
    return float(np.spacing(np.abs(values).max())) < scale * 1e-4


@everywhere
@given(st.sampled_from(sorted(SHAPES)), OFFSETS, SCALES)
@example("normal", 1e9, 1.0)
@example("whole", 1.7e9, 1.0)
@example("constant", 1e9, 1.0)
@example("normal", 0.0, 1e-12)
def test_offset_and_scale_do_not_change_what_is_told_apart(shape: str, offset: float, scale: float) -> None:
    values = offset + scale * SHAPES[shape]
    here, plain = fitted(values), fitted(SHAPES[shape])
    counts = here.count(values).counts
    assert sum(counts) == N
    assert sum(counts[: here.valued]) == N
    if resolved(values, scale):
        usual = plain.count(SHAPES[shape]).counts
        assert np.count_nonzero(counts) >= 0.7 * np.count_nonzero(usual)
        assert max(counts) <= max(usual) + 0.05 * N


@everywhere
@given(st.sampled_from(sorted(SHAPES)), OFFSETS, SCALES, st.floats(-300, 300))
@example("normal", 1e9, 1.0, 30.0)
@example("normal", 1e9, 1.0, -30.0)
def test_quantiles_are_right_within_the_spread_wherever_a_block_has_moved(
    shape: str, offset: float, scale: float, moved: float
) -> None:
    values = offset + scale * SHAPES[shape]
    block = offset + scale * (SHAPES[shape] + moved)
    if not resolved(block, scale) or shape in ("constant", "two"):
        return
    cells = fitted(values)
    for share in (0.1, 0.5, 0.9):
        quantile_estimate = quantile(cells, cells.count(block), share)
        real = float(np.quantile(block, share, method="inverted_cdf"))
        rounding = 8 * float(np.spacing(np.abs(block).max()))
        assert abs(quantile_estimate - real) <= width_at(cells, real) + width_at(cells, quantile_estimate) + rounding
        assert width_at(cells, real) <= widest_at(cells, real) + rounding


def width_at(cells: NumberCells, value: float) -> float:
    """How wide what is counted together with a value is: nothing finer can be said of a quantile there."""
    alone = cells.count(np.array([value]))
    return quantile(cells, alone, 1.0) - quantile(cells, alone, 0.0)


def widest_at(cells: NumberCells, value: float) -> float:
    """An eighth of an octave of the distance from the grid and 1/64 of it; on the grid, all of it."""
    low, high = cells.ends
    distance = max(low - value, value - high)
    return high - low if distance <= 0 else (2 ** (1 / 8) - 1) * (distance + (high - low) / 64)


@everywhere
@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
@example(1e9, 1e9 + 1)
@example(0.0, 1e-300)
@example(1.7e18, 1.7e18 + 1e6)
def test_whatever_is_not_the_constant_is_counted_apart(constant: float, other: float) -> None:
    cells = fitted(np.full(50, constant))
    assert cells.atoms == (constant,)
    place = len(cells.starts) + 2
    assert cells.count(np.full(7, constant)).counts[place] == 7
    with np.errstate(over="ignore"):
        in_32_bits = np.float32(other) == np.float32(constant)
    if other != constant and not in_32_bits:
        assert cells.count(np.full(7, other)).counts[place] == 0


@everywhere
@given(st.integers(1, N), OFFSETS, SCALES, st.integers(0, 2**32 - 1))
def test_every_cardinality_is_counted(levels: int, offset: float, scale: float, seed: int) -> None:
    values = offset + scale * np.random.default_rng(seed).integers(0, levels, N)
    cells = fitted(values)
    counts = cells.count(values).counts
    assert sum(counts) == N
    if resolved(values, scale):
        assert np.count_nonzero(counts) >= min(20, 0.6 * len(np.unique(values)))


@pytest.mark.parametrize("kind", ["i1", "u1", "i2", "i4", "u8", "f2", "f4", "f8"])
def test_a_type_of_fewer_bits_is_counted_as_its_values(kind: str) -> None:
    values = np.arange(100).repeat(20).astype(kind)
    assert fitted(values).count(values).counts == fitted(values).count(values.astype(np.float64)).counts


def test_a_constant_that_was_written_in_32_bits_is_the_same_value_in_64() -> None:
    single = fitted(np.full(50, np.float32(0.1)))
    assert single.count(np.full(5, 0.1)).counts[len(single.starts) + 2] == 5
    double = fitted(np.full(50, 0.1))
    assert double.count(np.full(5, 0.1, np.float32)).counts[len(double.starts) + 2] == 5


@everywhere
@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20),
    st.floats(-1e150, 1e150),
    st.floats(1e-290, 1e150),
)
def test_a_tail_count_tells_where_its_values_lie(values: list[float], low: float, width: float) -> None:
    high = low + width
    if not low < high:
        return
    outside = np.array([value for value in values if not low <= value <= high])
    for value in outside[np.abs(outside) < 1e300]:
        ((key, count),) = count_tails(np.array([value]), low, high).items()
        near, far = tail_range(key, low, high)
        slack = 1e-6 * (abs(value) / 2 + abs(low) + abs(high))
        assert count == 1
        assert near / 2 - slack <= value / 2 <= far / 2 + slack
        assert value > high or far <= low + slack


@everywhere
@given(st.lists(st.floats(allow_subnormal=True), min_size=1, max_size=60))
@example([1.7e308, -1.7e308])
@example([5e-324] * 20 + [0.0] * 20)
@example([float("inf")] * 3)
def test_no_numbers_are_too_odd_to_count(values: list[float]) -> None:
    column = np.array(values)
    cells = fitted(column)
    assert sum(cells.count(column).counts) == len(values)
    assert len(cells.labels) == len(cells.count(column).counts)
    assert np.isfinite(cells.row_scores(column)).all()
