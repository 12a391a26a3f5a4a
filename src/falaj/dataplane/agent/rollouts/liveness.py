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
MOST_WAITING = 50
"""So many that wait are remembered."""


@dataclass(frozen=True)
class Vitals(JsonRecord):
    """Signs of life of a candidate.

    Args:
        bad: Requests that it answered badly since its last good answer.
        others: Requests that its baseline got since then.
        others_good: How many of them it answered well.
        waiting_s: Since when it has at least one request, at least two, ... and has ended none of them, unix seconds.
    """

    bad: int = 0
    others: int = 0
    others_good: int = 0
    waiting_s: tuple[float, ...] = ()

    def after(self, candidate: Sequence[Access], others: Sequence[Access]) -> Vitals:
        """The signs after requests that ended.

        Args:
            candidate: Those of the candidate, in order.
            others: Those of its baseline and of the stable release.
        """
        good = [place for place, access in enumerate(candidate) if not failed(access)]
        counted = self
        if good:
            counted = Vitals(bad=len(candidate) - 1 - good[-1])
        elif candidate:
            counted = replace(self, bad=self.bad + len(candidate), waiting_s=())
        well = sum(not failed(access) for access in others)
        return replace(counted, others=counted.others + len(others), others_good=counted.others_good + well)

    def working(self, in_flight: int, now: float) -> Vitals:
        """The signs while the candidate works on so many requests."""
        at_most = min(in_flight, MOST_WAITING)
        return replace(self, waiting_s=(*self.waiting_s, *[now] * (at_most - len(self.waiting_s)))[:at_most])

    def silent(self, longest_wait_s: float, now: float) -> int:
        """How many requests wait for longer than one may take, while the candidate ends none.

        Args:
            longest_wait_s: So long a request may take.
            now: Unix seconds.
        """
        return sum(now - since >= longest_wait_s for since in self.waiting_s)

    def dead(self, longest_wait_s: float, now: float) -> str:
        """Why the candidate is taken for dead, in words; empty when it is not.

        Args:
            longest_wait_s: So long a request may take.
            now: Unix seconds.
        """
        silent = self.silent(longest_wait_s, now)
        if self.bad + silent < LAST or self.others < LAST // 2 or self.others_good < OTHERS_GOOD * self.others:
            return ""
        waited = f", {silent} wait for {now - self.waiting_s[silent - 1]:.0f} s" if silent else ""
        words = f"{self.bad} failed{waited}"
        return (
            f"does not answer: of its last {self.bad + silent} requests none was answered well ({words}), while stable "
            f"and baseline replicas answered {self.others_good} of {self.others}"
        )
