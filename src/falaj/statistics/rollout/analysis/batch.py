"""Requests in columns, as the agent reads them from the prediction log."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Flags = NDArray[np.bool_]
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Batch:
    """Requests in the order in which they were answered; a sticky session is one row.

    Attributes:
        candidate: Whether the candidate answered.
        weight: Share of the traffic that the candidate was to get when the request was routed, in [0, 1]. Requests
            that were routed by anything but chance (a header, a tester) do not belong here.
        error: Whether it failed.
        latency_ms: How long it took; NaN is never above a cut.
        score: The predicted score or class number; NaN is in no bin.
        burn_in: Requests to a cold server: counted as exposed, not judged.
    """

    candidate: Flags
    weight: Numbers
    error: Flags
    latency_ms: Numbers
    score: Numbers | None = None
    burn_in: Flags | None = None

    def __post_init__(self) -> None:
        columns = (self.weight, self.error, self.latency_ms, self.score, self.burn_in)
        if any(column is not None and column.shape != self.candidate.shape for column in columns):
            raise ValueError("the columns of a batch have different lengths")
        if len(self) and not (self.weight.min() >= 0 and self.weight.max() <= 1):
            raise ValueError("a weight is outside [0, 1]")

    def __len__(self) -> int:
        return len(self.candidate)

    def evidential(self) -> Batch:
        """The requests that carry evidence: not burn-in, and routed by chance rather than all to one arm."""
        keep = (self.weight > 0) & (self.weight < 1)
        if self.burn_in is not None:
            keep &= ~self.burn_in
        return self if keep.all() else self.rows(keep)

    def rows(self, keep: Flags | slice) -> Batch:
        """Some of the requests."""
        return Batch(
            self.candidate[keep], self.weight[keep], self.error[keep], self.latency_ms[keep],
            None if self.score is None else self.score[keep], None if self.burn_in is None else self.burn_in[keep],
        )  # fmt: skip

    @staticmethod
    def of_pairs(
        error_stable: Flags, error_candidate: Flags, latency_stable_ms: Numbers, latency_candidate_ms: Numbers
    ) -> Batch:
        """Mirrored requests: each is a row of stable and a row of the candidate, at weight one half.

        The bet on the arm of an event stays a fair one however the two answers to one request depend on each other:
        a pair in which both have the event multiplies the evidence by less than 1.
        """
        count = len(error_stable)
        return Batch(
            candidate=np.tile([False, True], count),
            weight=np.full(2 * count, 0.5),
            error=np.column_stack((error_stable, error_candidate)).ravel(),
            latency_ms=np.column_stack((latency_stable_ms, latency_candidate_ms)).ravel(),
        )
