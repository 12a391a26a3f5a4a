"""When to start a fallen replica again, and when to call it a crash loop (pure)."""

from __future__ import annotations

from collections.abc import Sequence

FIRST_DELAY_S = 0.25
MAX_DELAY_S = 30.0
STABLE_AFTER_S = 60.0
CRASH_LOOP_DEATHS = 5


def remember_death(deaths: Sequence[float], *, started_at: float, now: float) -> tuple[float, ...]:
    """Add a death to the history; a life of 60 s wipes the earlier ones out.

    Args:
        deaths: Unix times of the earlier deaths.
        started_at: When the fallen process was started, Unix time.
        now: Unix time.
    """
    earlier = () if now - started_at >= STABLE_AFTER_S else tuple(deaths)
    return (*earlier, now)[-CRASH_LOOP_DEATHS:]


def start_at(deaths: Sequence[float]) -> float:
    """Earliest Unix time for the next start: 0.25 s after the first death, then doubling up to 30 s."""
    if not deaths:
        return 0.0
    if len(deaths) >= CRASH_LOOP_DEATHS:
        return deaths[-1] + MAX_DELAY_S
    return deaths[-1] + FIRST_DELAY_S * 2.0 ** (len(deaths) - 1)


def is_crash_loop(deaths: Sequence[float]) -> bool:
    """Whether a process fell so often, so soon, that starting it again will not help."""
    return len(deaths) >= CRASH_LOOP_DEATHS
