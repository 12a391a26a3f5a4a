"""The tails beside a library of statistics."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from falaj.statistics.drift import distributions

degrees = st.floats(0.6, 400)


def close(mine: float, theirs: float) -> None:
    assert mine == pytest.approx(theirs, rel=1e-6, abs=1e-13)


@settings(max_examples=150, deadline=None)
@given(st.floats(0.001, 6), degrees, st.floats(0.01, 300))
def test_chi_square(ratio: float, freedom: float, noncentrality: float) -> None:
    value = ratio * (freedom + noncentrality)
    close(distributions.chi_square_tail(value, freedom), stats.chi2.sf(value, freedom))
    close(distributions.chi_square_tail(value, freedom, noncentrality), stats.ncx2.sf(value, freedom, noncentrality))


@settings(max_examples=150, deadline=None)
@given(st.floats(0.01, 6), st.floats(1, 60), st.floats(4, 600), st.floats(0.1, 80))
def test_f(value: float, freedom: float, below: float, noncentrality: float) -> None:
    close(distributions.f_tail(value, freedom, below), stats.f.sf(value, freedom, below))
    close(
        distributions.f_tail(value, freedom, below, noncentrality), stats.ncf.sf(value, freedom, below, noncentrality)
    )


@settings(max_examples=100, deadline=None)
@given(st.floats(-9, 9), degrees)
def test_student(value: float, freedom: float) -> None:
    close(distributions.student_tail(value, freedom), stats.t.sf(value, freedom))
    close(distributions.student_tail(value, math.inf), stats.norm.sf(value))


@settings(max_examples=100, deadline=None)
@given(st.integers(-1, 60), st.integers(1, 50), st.floats(0, 1))
def test_binomial(count: int, trials: int, chance: float) -> None:
    close(distributions.binomial_tail(count, trials, chance), stats.binom.sf(count - 1, trials, chance))


def test_f_over_many_degrees_is_chi_square() -> None:
    close(distributions.f_tail(1.4, 31, math.inf, 3.0), stats.ncx2.sf(1.4 * 31, 31, 3.0))
