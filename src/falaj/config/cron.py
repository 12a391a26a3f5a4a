"""When a cron line is due, in a time zone (pure).

Fields as in POSIX crontab: minute, hour, day of month, month, weekday (0 and 7 are Sunday); lists, ranges and steps.
When both day fields are restricted, either is enough, as POSIX says. A local time that the clocks skip is due when they
have been put forward; one that they show twice is due the first time only.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from falaj.core.errors import UsageError
from falaj.core.ids import parse_number

_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_LONGEST_GAP_DAYS = 8 * 366 + 1
"""From one 29 February to the next but one, when a year that 100 divides lies between them."""


class CronError(UsageError):
    """A cron line cannot be read, or no day ever meets it."""

    code = "project.cron"


@dataclass(frozen=True)
class Cron:
    """A cron line in a time zone.

    Args:
        line: As it was written.
        minutes: At which it is due.
        hours: At which it is due.
        days: Of the month.
        months: Of the year.
        weekdays: 0 is Sunday.
        either_day: Both day fields are restricted, and meeting one is enough.
        zone: What the hours mean.
    """

    line: str
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either_day: bool
    zone: ZoneInfo

    @classmethod
    def parse(cls, line: str, timezone: str = "UTC") -> Cron:
        """Read a line.

        Raises:
            CronError: It is not a cron line.
        """
        fields = line.split()
        if len(fields) != len(_RANGES):
            raise CronError(f"{line[:60]!r} has {len(fields)} fields", hint="minute, hour, day, month, weekday")
        minutes, hours, days, months, weekdays = map(_values, fields, _RANGES)
        restricted = not fields[2].startswith("*") and not fields[4].startswith("*")
        sundays = frozenset(day % 7 for day in weekdays)
        return cls(line, minutes, hours, days, months, sundays, restricted, ZoneInfo(timezone))

    def before(self, at: float) -> float:
        """The last time at or before `at` when it was due.

        Args:
            at: Unix seconds.

        Raises:
            CronError: It is never due, such as on 31 February.
        """
        today = datetime.fromtimestamp(at, self.zone).date()
        for back in range(-1, _LONGEST_GAP_DAYS):  # tomorrow too: clocks put forward over midnight
            due = [moment for moment in self._due_on(today - timedelta(days=back)) if moment <= at]
            if due:
                return max(due)
        raise CronError(f"{self.line[:60]!r} is never due")

    def after(self, at: float) -> float:
        """The first time after `at` when it is due.

        Args:
            at: Unix seconds.

        Raises:
            CronError: It is never due.
        """
        today = datetime.fromtimestamp(at, self.zone).date()
        for ahead in range(-1, _LONGEST_GAP_DAYS):
            due = [moment for moment in self._due_on(today + timedelta(days=ahead)) if moment > at]
            if due:
                return min(due)
        raise CronError(f"{self.line[:60]!r} is never due")

    def _due_on(self, day: date) -> list[float]:
        if not self._meets(day):
            return []
        times = (time(hour, minute) for hour in self.hours for minute in self.minutes)
        return [_moment(datetime.combine(day, each), self.zone) for each in times]

    def _meets(self, day: date) -> bool:
        of_month, of_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return day.month in self.months and (of_month or of_week if self.either_day else of_month and of_week)


def _moment(local: datetime, zone: ZoneInfo) -> float:
    """When the clocks of a zone show a time first; if they skip it, when they have been put forward."""
    moment = local.replace(tzinfo=zone, fold=0).timestamp()
    shown = datetime.fromtimestamp(moment, UTC).astimezone(zone).replace(tzinfo=None)
    if shown == local:
        return moment
    return _put_forward(moment, zone)


def _put_forward(moment: float, zone: ZoneInfo) -> float:
    """The minute, at most a day before, at which the clocks jumped."""
    after = datetime.fromtimestamp(moment, zone).utcoffset()
    low, high = int(moment) - 86_400, int(moment)
    while high - low > 60:
        middle = (low + high) // 120 * 60
        same = datetime.fromtimestamp(middle, zone).utcoffset() == after
        low, high = (low, middle) if same else (middle, high)
    return float(high)


def _values(field: str, bounds: tuple[int, int]) -> frozenset[int]:
    return frozenset(value for part in field.split(",") for value in _part(part, bounds))


def _number(text: str) -> int:
    number = parse_number(text)
    if number is None:
        raise ValueError(text)
    return number


def _part(part: str, bounds: tuple[int, int]) -> range:
    span, _, step = part.partition("/")
    low, _, high = span.partition("-")
    try:
        start = bounds[0] if span == "*" else _number(low)
        end = _number(high) if high else bounds[1] if span == "*" or step else start
        number_range = range(start, end + 1, _number(step) if step else 1)
    except ValueError:
        raise CronError(f"{part[:20]!r} is not a part of a cron line", hint="a number, a-b, * or */n") from None
    if not number_range or start < bounds[0] or end > bounds[1]:
        raise CronError(f"{part[:20]!r} is not within {bounds[0]}-{bounds[1]}")
    return number_range
