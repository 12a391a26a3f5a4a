"""How long a name must wait after failed attempts (pure).

Five are free; then the wait doubles from one second to fifteen minutes. That leaves some hundred guesses a day, and
whoever owns the name is never shut out for longer than the last wait.
"""

from __future__ import annotations

FREE_FAILURES = 5
LONGEST_WAIT_S = 900.0
FORGET_S = 86_400.0
"""Failures are forgotten after a day without one."""

_DOUBLINGS = 10


def wait_s(failures: int, last_at: float, now: float) -> float:
    """Return how long the next attempt must wait, seconds; 0 when it may happen now.

    Args:
        failures: Since the last success.
        last_at: Time of the last one, unix seconds.
        now: Unix seconds.
    """
    if failures < FREE_FAILURES:
        return 0.0
    pause_s = min(2.0 ** min(failures - FREE_FAILURES, _DOUBLINGS), LONGEST_WAIT_S)
    return min(max(0.0, last_at + pause_s - now), pause_s)


def after_failure(failures: int, last_at: float, now: float) -> int:
    """Return the number of failures when one more happens now."""
    return 1 if now - last_at > FORGET_S else failures + 1
