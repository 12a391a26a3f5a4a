from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from falaj.dataplane.runtimes.process import backoff

GAPS = st.lists(st.floats(min_value=0.01, max_value=300), max_size=30)


def test_delays_double_from_a_quarter_second() -> None:
    deaths: tuple[float, ...] = ()
    delays = []
    for _ in range(7):
        deaths = backoff.remember_death(deaths, started_at=100.0, now=100.0)
        delays.append(backoff.start_at(deaths) - 100.0)
    assert delays == [0.25, 0.5, 1.0, 2.0, 30.0, 30.0, 30.0]


def test_five_quick_deaths_are_a_crash_loop_and_a_long_life_ends_it() -> None:
    deaths: tuple[float, ...] = ()
    for count in range(1, 6):
        deaths = backoff.remember_death(deaths, started_at=count, now=count + 1.0)
        assert backoff.is_crash_loop(deaths) is (count == 5)
    deaths = backoff.remember_death(deaths, started_at=10.0, now=70.0)
    assert deaths == (70.0,) and not backoff.is_crash_loop(deaths)


@given(GAPS)
def test_a_start_is_never_before_the_last_death_nor_later_than_30_s(lives: list[float]) -> None:
    now, deaths = 0.0, ()
    for life in lives:
        started = now
        now += life
        deaths = backoff.remember_death(deaths, started_at=started, now=now)
        assert now < backoff.start_at(deaths) <= now + backoff.MAX_DELAY_S
        assert len(deaths) <= backoff.CRASH_LOOP_DEATHS
        now = backoff.start_at(deaths)
