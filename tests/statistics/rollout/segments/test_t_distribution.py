"""Student's t, against scipy's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from falaj.statistics.rollout.segments.t_distribution import student_quantile, student_tail


@given(st.floats(-20, 20), st.integers(1, 299))
def test_the_tail_is_that_of_students_t(t: float, freedom: int) -> None:
    assert student_tail(t, freedom) == pytest.approx(float(stats.t.sf(t, freedom)), abs=1e-12)


def test_the_tail_goes_over_into_the_normal_one() -> None:
    assert student_tail(2.0, 300) == pytest.approx(float(stats.norm.sf(2.0)), abs=1e-12)


@given(st.floats(0.51, 0.999), st.integers(1, 400))
def test_the_quantile_is_that_of_students_t(confidence: float, freedom: int) -> None:
    expected = float(stats.t.ppf(confidence, freedom) if freedom < 300 else stats.norm.ppf(confidence))
    assert student_quantile(confidence, freedom) == pytest.approx(expected, rel=1e-6, abs=1e-9)
