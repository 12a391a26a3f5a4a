"""When cron lines are due: against known dates, against each other, and where clocks are changed."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falaj.config.cron import Cron, CronError


def _at(text: str, zone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


@pytest.mark.parametrize(
    ("line", "zone", "now", "before", "after"),
    [
        ("0 3 1 * *", "Asia/Dubai", "2013-04-15 12:00", "2013-04-01 03:00", "2013-05-01 03:00"),
        ("*/15 8-9 * * 1-5", "UTC", "2026-11-20 09:50", "2026-11-20 09:45", "2026-11-23 08:00"),
        ("0 0 29 2 *", "UTC", "2097-01-01 00:00", "2096-02-29 00:00", "2104-02-29 00:00"),
        ("0 12 13 * 5", "UTC", "2026-11-14 00:00", "2026-11-13 12:00", "2026-11-20 12:00"),
        ("0 12 * * 0", "UTC", "2026-11-24 00:00", "2026-11-22 12:00", "2026-11-29 12:00"),
        ("0 12 * * 7", "UTC", "2026-11-24 00:00", "2026-11-22 12:00", "2026-11-29 12:00"),
        ("5,10 0 1 1 *", "UTC", "2026-01-01 00:05", "2026-01-01 00:05", "2026-01-01 00:10"),
        ("50/5 0 * * *", "UTC", "2026-01-02 00:56", "2026-01-02 00:55", "2026-01-03 00:50"),
    ],
    ids=["monthly", "working-hours", "leap-day", "either-day", "sunday-0", "sunday-7", "exactly-now", "open-step"],
)
def test_a_line_is_due(line: str, zone: str, now: str, before: str, after: str) -> None:
    cron = Cron.parse(line, zone)

    assert cron.before(_at(now, zone)) == _at(before, zone)
    assert cron.after(_at(now, zone)) == _at(after, zone)


def test_a_skipped_time_is_due_when_the_clocks_were_put_forward() -> None:
    cron = Cron.parse("30 2 * * *", "America/New_York")

    assert cron.after(_at("2013-03-10 01:00", "America/New_York")) == _at("2013-03-10 07:00")


def test_a_time_shown_twice_is_due_once() -> None:
    cron = Cron.parse("30 1 * * *", "America/New_York")
    first = cron.after(_at("2013-11-03 00:00", "America/New_York"))

    assert first == _at("2013-11-03 05:30")
    assert cron.after(first) == _at("2013-11-04 06:30")


@given(
    st.sampled_from(["0 3 1 * *", "*/7 */5 * * *", "30 2 * * 0", "0 0 29 2 *", "15 1 1-7 * 1"]),
    st.sampled_from(["UTC", "Asia/Dubai", "America/New_York", "Australia/Lord_Howe"]),
    st.integers(0, 2**31),
)
def test_before_and_after_agree(line: str, zone: str, now: int) -> None:
    cron = Cron.parse(line, zone)
    before, after = cron.before(now), cron.after(now)

    assert before <= now < after
    assert cron.before(after) == after
    assert cron.after(before) == after


@pytest.mark.parametrize("line", ["", "* * * *", "60 * * * *", "a * * * *", "5-1 * * * *", "*/0 * * * *", "0 0 0 * *"])
def test_what_is_no_line_is_refused(line: str) -> None:
    with pytest.raises(CronError):
        Cron.parse(line)


def test_a_line_that_is_never_due_is_refused() -> None:
    never = Cron.parse("0 0 31 2 *")

    with pytest.raises(CronError, match="never due"):
        never.after(0)
    with pytest.raises(CronError, match="never due"):
        never.before(0)
