"""Does a candidate answer at all? That is no question of statistics (pure).

A candidate that answers nobody is found by its last requests alone, in burn-in as well and outside the error bound:
no bound is spent on it, as no candidate that works is ever like that while its baseline answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from falaj.core.json_record import JsonRecord
from falaj.dataplane.access_log import Access
from falaj.dataplane.agent.rollouts.blocks import failed

LAST = 10
"""So many requests without one good answer, while the others answered 9 of 10."""
LEAST_WAIT_S = 2.0
"""A request may take at least so long."""
OTHERS_GOOD = 0.9


@dataclass(frozen=True)
class Vitals(JsonRecord):
    """Signs of life of a candidate.

    Args:
        bad: Requests that it answered badly since its last good answer.
        others: Requests that its baseline got since then.
        others_good: How many of them it answered well.
        stalled_s: Since when it has work and ended none of it, unix seconds; None while it has none.
        waiting: The least number of requests that it worked on since then.
    """

    bad: int = 0
    others: int = 0
    others_good: int = 0
    stalled_s: float | None = None
    waiting: int = 0

    def after(self, candidate: Sequence[Access], others: Sequence[Access], now: float) -> Vitals:
        """The signs after requests that ended.

        Args:
            candidate: Those of the candidate, in order.
            others: Those of its baseline and of the stable release.
            now: Unix seconds.
        """
        good = [place for place, access in enumerate(candidate) if not failed(access)]
        counted = self
        if good:
            counted = Vitals(bad=len(candidate) - 1 - good[-1], stalled_s=now, waiting=self.waiting)
        elif candidate:
            counted = replace(self, bad=self.bad + len(candidate), stalled_s=now)
        well = sum(not failed(access) for access in others)
        return replace(counted, others=counted.others + len(others), others_good=counted.others_good + well)

    def working(self, in_flight: int, now: float) -> Vitals:
        """The signs while the candidate works on so many requests."""
        if not in_flight:
            return replace(self, stalled_s=None, waiting=0)
        if self.stalled_s is None or self.stalled_s == now:
            return replace(self, stalled_s=now, waiting=in_flight)
        return replace(self, waiting=min(self.waiting, in_flight))

    def silent(self, longest_wait_s: float, now: float) -> int:
        """How many requests wait for longer than one may take, while the candidate ends none.

        Args:
            longest_wait_s: So long a request may take.
            now: Unix seconds.
        """
        hangs = self.stalled_s is not None and now - self.stalled_s >= longest_wait_s
        return self.waiting if hangs else 0

    def dead(self, longest_wait_s: float, now: float) -> str:
        """Why the candidate is taken for dead, in words; empty when it is not.

        Args:
            longest_wait_s: So long a request may take.
            now: Unix seconds.
        """
        silent = self.silent(longest_wait_s, now)
        if self.bad + silent < LAST or self.others < LAST // 2 or self.others_good < OTHERS_GOOD * self.others:
            return ""
        waited = f", {silent} wait for {now - self.stalled_s:.0f} s" if silent and self.stalled_s is not None else ""
        words = f"{self.bad} failed{waited}"
        return (
            f"does not answer: of its last {self.bad + silent} requests none was answered well ({words}), while stable "
            f"and baseline replicas answered {self.others_good} of {self.others}"
        )
