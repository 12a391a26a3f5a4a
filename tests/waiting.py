"""Waiting for facts. No test decides by a clock that other processes can steal: limits only end what hangs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Fact = TypeVar("Fact")
HANGS_AFTER_S = 600.0
"""For every wait of a test: below the limit of the test itself, and far above what a busy machine needs."""
_POLL_S = 0.02


def until(condition: Callable[[], Fact | None], explain: Callable[[], str] = str) -> Fact:
    """The first true value of a condition.

    Args:
        condition: Asked again and again, and less often the longer its answer takes: what is waited for needs the
            cores more than asking does.
        explain: Says more when it never comes true.

    Raises:
        AssertionError: It did not come true for so long that something hangs.
    """
    deadline = time.monotonic() + HANGS_AFTER_S
    while (poll_start := time.monotonic()) < deadline:
        if fact := condition():
            return fact
        time.sleep(max(_POLL_S, 2 * (time.monotonic() - poll_start)))
    raise AssertionError(f"it did not happen within {HANGS_AFTER_S:.0f} s\n{explain()}")
