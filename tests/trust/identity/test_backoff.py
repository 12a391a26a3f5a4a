from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from falaj.trust.identity.backoff import FORGET_S, FREE_FAILURES, LONGEST_WAIT_S, after_failure, wait_s

counts = st.integers(min_value=0, max_value=10_000)
times = st.floats(min_value=0, max_value=4e9)


@given(st.integers(min_value=0, max_value=FREE_FAILURES - 1), times, times)
def test_the_first_failures_are_free(failures: int, last_at: float, now: float) -> None:
    assert wait_s(failures, last_at, now) == 0.0


@given(counts, times)
def test_the_wait_grows_and_has_an_end(failures: int, at: float) -> None:
    assert 0 <= wait_s(failures, at, at) <= wait_s(failures + 1, at, at) <= LONGEST_WAIT_S
    assert wait_s(failures, at, at + LONGEST_WAIT_S) == 0.0


@given(counts, times, times)
def test_a_clock_that_was_set_back_shuts_nobody_out_for_longer(failures: int, last_at: float, now: float) -> None:
    assert wait_s(failures, last_at, now) <= LONGEST_WAIT_S


def test_a_day_of_guessing_is_a_hundred_guesses() -> None:
    now, failures, last_at, guesses = 0.0, 0, 0.0, 0
    while now < 86_400:
        now += wait_s(failures, last_at, now)
        failures, last_at, guesses = after_failure(failures, last_at, now), now, guesses + 1
    assert 90 <= guesses <= 120


def test_failures_are_forgotten_after_a_quiet_day() -> None:
    assert after_failure(7, 0.0, FORGET_S + 1) == 1
    assert after_failure(7, 0.0, FORGET_S - 1) == 8
