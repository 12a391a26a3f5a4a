from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falaj.config.platform_spec import EnvironmentSpec, FreezeSpec, WindowSpec
from falaj.control.releases.calendar import next_opening, open_at

ZONES = ["UTC", "Asia/Dubai", "Europe/Berlin", "America/New_York", "Pacific/Kiritimati", "Africa/Casablanca"]
HOUR, DAY = 3600.0, 86_400.0
START = datetime(2026, 1, 1, tzinfo=ZoneInfo("UTC")).timestamp()

windows = st.builds(
    WindowSpec,
    st.sets(st.integers(0, 6), min_size=1).map(sorted).map(tuple),
    st.integers(0, 1439),
    st.integers(0, 1439),
)
moments = st.floats(START, START + 2 * 366 * DAY)
freezes = st.builds(lambda start, length: FreezeSpec(start, start + length, "frozen"), moments, st.floats(1, 60 * DAY))
environments = st.builds(
    EnvironmentSpec,
    name=st.just("prod"),
    rank=st.just(3),
    freeze=st.lists(freezes, max_size=3).map(tuple),
    windows=st.lists(windows, max_size=3).map(tuple),
    timezone=st.sampled_from(ZONES),
)


def at(text: str, zone: str = "Asia/Dubai") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


OFFICE = EnvironmentSpec("prod", 3, windows=(WindowSpec((0, 1, 2, 3), 540, 960),), timezone="Asia/Dubai")
NIGHT = EnvironmentSpec("prod", 3, windows=(WindowSpec((4,), 1320, 120),), timezone="Asia/Dubai")
FROZEN = EnvironmentSpec(
    "prod",
    3,
    windows=OFFICE.windows,
    freeze=(FreezeSpec(at("2026-12-01"), at("2026-12-04"), "National Day"),),
    timezone="Asia/Dubai",
)


@pytest.mark.parametrize(
    ("environment", "moment", "open_"),
    [
        (EnvironmentSpec("dev", 0), "2026-06-06T03:00", True),
        (OFFICE, "2026-06-01T08:59:59", False),  # a Monday
        (OFFICE, "2026-06-01T09:00", True),
        (OFFICE, "2026-06-01T15:59:59", True),
        (OFFICE, "2026-06-01T16:00", False),
        (OFFICE, "2026-06-05T10:00", False),  # a Friday
        (NIGHT, "2026-06-05T22:00", True),
        (NIGHT, "2026-06-06T01:59", True),
        (NIGHT, "2026-06-06T02:00", False),
        (NIGHT, "2026-06-05T01:00", False),
        (FROZEN, "2026-12-01T10:00", False),
        (FROZEN, "2026-11-30T10:00", True),
    ],
)
def test_open_at(environment: EnvironmentSpec, moment: str, open_: bool) -> None:
    is_open, reason = open_at(environment, at(moment))
    assert (is_open, bool(reason)) == (open_, not open_)


def test_the_reason_tells_until_when_and_why() -> None:
    _, frozen = open_at(FROZEN, at("2026-12-01T10:00"))
    assert frozen == "frozen until 2026-12-04 00:00 Asia/Dubai: National Day"
    _, closed = open_at(OFFICE, at("2026-06-05T10:00"))
    assert closed == "outside the change windows of prod: Mon Tue Wed Thu 09:00-16:00 (Asia/Dubai)"


@pytest.mark.parametrize(
    ("environment", "moment", "opening"),
    [
        (OFFICE, "2026-06-01T10:00", "2026-06-01T10:00"),
        (OFFICE, "2026-06-04T16:00", "2026-06-08T09:00"),
        (FROZEN, "2026-12-01T10:00", "2026-12-07T09:00"),  # the freeze ends on a Friday
        (NIGHT, "2026-06-06T02:00", "2026-06-12T22:00"),
    ],
)
def test_next_opening(environment: EnvironmentSpec, moment: str, opening: str) -> None:
    assert next_opening(environment, at(moment)) == at(opening)


def test_a_window_that_a_clock_change_swallows_comes_back_a_week_later() -> None:
    spring = EnvironmentSpec("prod", 3, windows=(WindowSpec((6,), 150, 190),), timezone="Europe/Berlin")
    assert next_opening(spring, at("2026-03-28T12:00", "Europe/Berlin")) == at("2026-04-05T02:30", "Europe/Berlin")


@given(environments, moments)
def test_the_next_opening_is_open_and_none_is_before_it(environment: EnvironmentSpec, moment: float) -> None:
    opening = next_opening(environment, moment)
    assert opening is not None and opening >= moment
    assert open_at(environment, opening)[0]
    assert (opening == moment) == open_at(environment, moment)[0]


@given(environments, moments, st.floats(0, 1, exclude_max=True))
def test_nothing_between_now_and_the_next_opening_is_open(
    environment: EnvironmentSpec, moment: float, share: float
) -> None:
    opening = next_opening(environment, moment)
    assert opening is not None
    between = moment + share * (opening - moment)
    assert opening == moment or between >= opening or not open_at(environment, between)[0]


@given(environments, moments)
def test_a_freeze_closes_whatever_the_windows_say(environment: EnvironmentSpec, moment: float) -> None:
    if any(freeze.start <= moment < freeze.end for freeze in environment.freeze):
        assert not open_at(environment, moment)[0]


def test_a_window_in_words() -> None:
    assert str(WindowSpec((4, 5), 1320, 120)) == "Fri Sat 22:00-02:00"
