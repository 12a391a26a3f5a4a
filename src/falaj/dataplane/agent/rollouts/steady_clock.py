"""Unix time that does not jump while a rollout is under way.

Somebody sets the machine's clock, and by its time a step has lasted for a day, requests wait for an hour, a candidate
was not ready in time: none of that is so, and nothing may be rolled back or promoted for it. So time passes here by a
clock that nobody sets, from what the machine's clock said in the beginning.
"""

from __future__ import annotations

import time
from collections.abc import Callable


class SteadyClock:
    """Tells unix time by the time that has passed.

    Args:
        wall: The machine's clock, unix time.
        elapsed: Seconds since any moment, by a clock that nobody sets.
    """

    def __init__(self, wall: Callable[[], float] = time.time, elapsed: Callable[[], float] = time.monotonic) -> None:
        self.wall = wall
        self._elapsed = elapsed
        self.reset()

    def reset(self) -> None:
        """Begin anew at what the machine's clock says now."""
        self._began, self._began_elapsed = self.wall(), self._elapsed()

    def __call__(self) -> float:
        """Unix seconds."""
        return self._began + self._elapsed() - self._began_elapsed
