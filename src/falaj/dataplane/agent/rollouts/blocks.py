"""From lines of the access log to blocks of time that two arms are compared by (pure)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from falaj.dataplane.access_log import Access
from falaj.statistics.rollout import WHOLE, Pair, RolloutPlan
from falaj.statistics.rollout.analysis import Block

GRACE_S = 1.0
"""A block is closed so long after its end; what is answered later counts in the next one, with the time it took."""
Row = tuple[bool, str, float, bool, bool]
"""Candidate's arm, replica, milliseconds (infinite without a whole answer), failed, by the release's own fault."""


@dataclass(frozen=True)
class OpenBlocks:
    """Requests whose block is not closed yet.

    Args:
        length_s: Of a block.
        rows: By number of the block since the epoch.
        closed: Blocks below this number are closed.
        looked_s: When the last look was, unix seconds.
    """

    length_s: float = 1.0
    rows: Mapping[int, tuple[Row, ...]] = field(default_factory=dict)
    closed: int = 0
    looked_s: float = 0.0

    def add(self, requests: Iterable[tuple[float, Row]], now: float) -> OpenBlocks:
        """With more requests, each in the block in which it began, or the oldest open one where that is closed.

        Args:
            requests: When each began, unix seconds, and what it was.
            now: Unix seconds; a request from later than that began now.
        """
        rows = dict(self.rows)
        for began, row in requests:
            number = max(self.closed, self._number(min(began, now)))
            rows[number] = (*rows.get(number, ()), row)
        return replace(self, rows=rows)

    def close(self, now: float) -> tuple[list[tuple[float, Sequence[Row]]], OpenBlocks]:
        """The blocks that are over, as when each ended and its requests, and what stays open.

        Where the clock was set back nothing would be over for long: all that is open is closed then.
        """
        first_open = self._number(now - GRACE_S)
        if now < self.looked_s - GRACE_S:
            return self.all(), OpenBlocks(self.length_s, {}, first_open, now)
        over: list[tuple[float, Sequence[Row]]] = [
            (self._end(n), rows) for n, rows in sorted(self.rows.items()) if n < first_open
        ]
        open_rows = {n: rows for n, rows in self.rows.items() if n >= first_open}
        return over, OpenBlocks(self.length_s, open_rows, max(self.closed, first_open), now)

    def all(self) -> list[tuple[float, Sequence[Row]]]:
        """All blocks, over or not."""
        return [(self._end(n), rows) for n, rows in sorted(self.rows.items())]

    def to_json(self) -> list[Any]:
        """Plain values; a latency without end is None."""
        rows = [[n, [[a, b, c if math.isfinite(c) else None, d, e] for a, b, c, d, e in each]] for n, each in
                sorted(self.rows.items())]  # fmt: skip
        return [self.length_s, rows, self.closed, self.looked_s]

    @classmethod
    def from_json(cls, value: Sequence[Any]) -> OpenBlocks:
        """What `to_json` made."""
        length_s, rows, closed, looked_s = value
        rows_by_block = {
            n: tuple((a, b, math.inf if c is None else c, d, e) for a, b, c, d, e in each) for n, each in rows
        }
        return cls(length_s, rows_by_block, closed, looked_s)

    def _number(self, at: float) -> int:
        return int(at // self.length_s)

    def _end(self, number: int) -> float:
        return (number + 1) * self.length_s


def rows_of(plan: RolloutPlan, pair: Pair | None, accesses: Iterable[Access]) -> list[tuple[float, Row]]:
    """The requests of the two arms that are compared, while both got the same share.

    Args:
        plan: Of the rollout.
        pair: What is compared; None where a canary is compared with all of the stable release.
        accesses: Requests that can be judged.
    """
    timed_rows = []
    for access in accesses:
        arm = _arm(plan, pair, access)
        if arm is not None:
            latency = access.latency_ms
            row = (arm, access.replica or "", latency, failed(access), failed(access) and not refused(access))
            timed_rows.append((access.at, row))
    return timed_rows


def _arm(plan: RolloutPlan, pair: Pair | None, access: Access) -> bool | None:
    """Whether a request went to the candidate's arm of the pair; None where it was in neither."""
    if pair is None:
        chance = access.release in (plan.stable, plan.candidate) and 0 < access.weight < WHOLE
        return access.release == plan.candidate if chance and not access.baseline else None
    smaller = min(access.weight, WHOLE - access.weight)
    if not access.baseline_weight or access.baseline_weight != smaller:
        return None
    if pair.baseline_of == plan.stable and access.weight <= WHOLE // 2:
        arms = {(plan.candidate, False): True, (plan.stable, True): False}
    elif pair.baseline_of == plan.candidate and access.weight > WHOLE // 2:
        arms = {(plan.candidate, True): True, (plan.stable, False): False}
    else:
        return None
    return arms.get((access.release or 0, bool(access.baseline)))


def block_of(rows: Sequence[Row], *, whole: bool) -> Block:
    """The columns of one closed block."""
    candidate, replica, latency_ms, bad, own = zip(*rows, strict=True)
    return Block(
        np.array(candidate, dtype=bool), tuple(replica), np.array(latency_ms, dtype=float),
        np.array(bad, dtype=bool), np.array(own, dtype=bool), whole,
    )  # fmt: skip


def failed(access: Access) -> bool:
    """Whether the arm gave no good answer, also where another one gave it instead.

    Refused requests count, and cancel out where both sides refuse them.
    """
    return access.status >= 400 or access.status == 0 or access.failed_over


def refused(access: Access) -> bool:
    """Whether the request itself may be at fault."""
    return 400 <= access.status < 500
