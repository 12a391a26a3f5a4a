"""What two arms did in one block of time: the unit that evidence about errors and latency is made of.

Requests of one second depend on each other: a stall hits whatever a process works on. So a block is one observation,
however many requests are in it, and only what differs between the arms within a block counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from falaj.statistics.rollout.analysis.batch import Flags, Numbers


@dataclass(frozen=True)
class Block:
    """The requests that began in one block, of the candidate and of its baseline.

    Attributes:
        candidate: Whether the candidate's arm was asked, by request.
        replica: Address of the replica that answered, by request; empty where none did.
        latency_ms: By request; infinite where there was no whole answer.
        failed: Whether it got no good answer, by request.
        own: Whether that is the release's fault whatever the other one does (no refusal such as a 4xx), by request.
        whole: Whether all replicas of both arms ran warm during the block; else latencies are not compared.
    """

    candidate: Flags
    replica: tuple[str, ...]
    latency_ms: Numbers
    failed: Flags
    own: Flags
    whole: bool = True

    def __post_init__(self) -> None:
        columns = (self.replica, self.latency_ms, self.failed, self.own)
        if any(len(column) != len(self.candidate) for column in columns):
            raise ValueError("the columns of a block have different lengths")

    def latencies(self, *, candidate: bool) -> Numbers:
        """Latencies of one arm, ms."""
        latencies: Numbers = self.latency_ms[self.candidate == candidate]
        return latencies

    def by_replica(self, *, candidate: bool) -> dict[str, Numbers]:
        """Latencies of one arm by replica, ms; requests that nobody answered belong to none."""
        names = np.asarray(self.replica, dtype=object)
        mine = (self.candidate == candidate) & (names != "")
        return {name: self.latency_ms[mine & (names == name)] for name in sorted(set(names[mine]))}
