"""When a model is worth training again by its rows or its age."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falaj.control.retraining.growth import (
    GrowthPolicy,
    LabelledGrowth,
    growth_occasion,
    growth_reason,
    rows_to_wait_for,
)
from falaj.control.retraining.training_history import DAY_S, TriggerError

NOW = 1_000 * DAY_S
YOUNG, OLD = NOW - 10 * DAY_S, NOW - 60 * DAY_S


@pytest.mark.parametrize(
    ("growth", "reason"),
    [
        (LabelledGrowth(1000, 1999, YOUNG), ""),
        (LabelledGrowth(1000, 2000, YOUNG), "from 1000 to 2000, 2 times as many"),
        (LabelledGrowth(1000, 1001, OLD), "trained 60 days ago"),
        (LabelledGrowth(1000, 1000, OLD), ""),
        (LabelledGrowth(0, 5000, YOUNG), ""),
        (LabelledGrowth(0, 1, OLD), "trained 60 days ago"),
        (LabelledGrowth(0, 0, OLD), ""),
    ],
)
def test_a_model_is_due_by_its_rows_or_its_age(growth: LabelledGrowth, reason: str) -> None:
    actual_reason = growth_reason(GrowthPolicy(2.0), growth, NOW)
    assert (reason in actual_reason) if reason else not actual_reason


def test_an_age_may_not_matter() -> None:
    assert not growth_reason(GrowthPolicy(2.0, max_age_s=None), LabelledGrowth(1000, 1001, 0.0), NOW)


@pytest.mark.parametrize(("factor", "age"), [(1.0, 1.0), (float("nan"), 1.0), (2.0, 0.0), (2.0, -1.0)])
def test_a_policy_that_cannot_be_is_refused(factor: float, age: float) -> None:
    with pytest.raises(TriggerError):
        GrowthPolicy(factor, age)


@given(st.integers(1, 10**9))
def test_after_a_loss_a_fifth_more_rows_are_needed(rows: int) -> None:
    assert 1.2 * rows - 1e-3 <= rows_to_wait_for(rows) <= 1.2 * rows + 1


@given(st.integers(1, 10**7))
def test_an_occasion_is_another_once_rows_have_grown(rows: int) -> None:
    first = growth_occasion("r1", LabelledGrowth(rows, rows, 0.0))
    assert first == growth_occasion("r1", LabelledGrowth(0, rows, 1.0))
    assert first != growth_occasion("r1", LabelledGrowth(rows, rows * 13 // 10 + 2, 0.0))
