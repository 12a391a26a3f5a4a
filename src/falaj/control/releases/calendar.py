"""When an environment may be changed: windows of the week and freezes, as pure functions of the time.

Emergencies pass both; whoever decides on one does not ask here.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from falaj.config.platform_spec import EnvironmentSpec, FreezeSpec, WindowSpec

_DAYS_AHEAD = 15
"""A window comes back after 7 days, and after 14 where a clock change swallows it once."""


def open_at(environment: EnvironmentSpec, at: float) -> tuple[bool, str]:
    """Tell whether changes are deployed to an environment at a moment.

    Args:
        environment: With its freezes, windows and time zone.
        at: Unix seconds.

    Returns:
        Whether it is open, and why not; an empty text when it is.
    """
    freeze = _freeze_at(environment, at)
    if freeze is not None:
        return False, f"frozen until {_moment(environment, freeze.end)}: {freeze.reason}"
    if environment.windows and not _in_window(environment, at):
        hours = ", ".join(map(str, environment.windows))
        return False, f"outside the change windows of {environment.name}: {hours} ({environment.timezone})"
    return True, ""


def next_opening(environment: EnvironmentSpec, at: float) -> float | None:
    """Find the first moment, not before `at`, at which changes are deployed to an environment.

    Args:
        environment: With its freezes, windows and time zone.
        at: Unix seconds.

    Returns:
        Unix seconds; `at` itself when it is open then; None when no window opens within 15 days after `at` and after
        every freeze.
    """
    moments = [at, *(freeze.end for freeze in environment.freeze if freeze.end > at)]
    starts = (start for moment in moments for start, _ in _intervals(environment, moment, _DAYS_AHEAD))
    candidates = sorted({*moments, *(start for start in starts if start >= at)})
    return next((moment for moment in candidates if open_at(environment, moment)[0]), None)


def _freeze_at(environment: EnvironmentSpec, at: float) -> FreezeSpec | None:
    """The freeze that holds at a moment; of several the one that ends last."""
    holding = [freeze for freeze in environment.freeze if freeze.start <= at < freeze.end]
    return max(holding, key=lambda freeze: freeze.end, default=None)


def _in_window(environment: EnvironmentSpec, at: float) -> bool:
    return any(start <= at < end for start, end in _intervals(environment, at, 0))


def _intervals(environment: EnvironmentSpec, at: float, days_ahead: int) -> Iterator[tuple[float, float]]:
    """The windows that begin on the day before a moment, on its day, and on so many days after it."""
    zone = ZoneInfo(environment.timezone)
    today = datetime.fromtimestamp(at, zone).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    for offset in range(-1, days_ahead + 1):
        midnight = today + timedelta(days=offset)
        for window in environment.windows:
            if midnight.weekday() in window.days:
                yield _interval(window, midnight, zone)


def _interval(window: WindowSpec, midnight: datetime, zone: ZoneInfo) -> tuple[float, float]:
    """Both ends of a window in unix seconds; the local clock decides, whatever it does in between."""
    overnight = window.end_minute <= window.start_minute
    start = midnight + timedelta(minutes=window.start_minute)
    end = midnight + timedelta(days=1 if overnight else 0, minutes=window.end_minute)
    return start.replace(tzinfo=zone).timestamp(), end.replace(tzinfo=zone).timestamp()


def _moment(environment: EnvironmentSpec, at: float) -> str:
    local = datetime.fromtimestamp(at, ZoneInfo(environment.timezone))
    return f"{local:%Y-%m-%d %H:%M} {environment.timezone}"
