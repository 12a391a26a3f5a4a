"""Is the candidate failing more often than its baseline? By blocks, so that a burst of failures is one observation.

Harm: of the blocks in which the arms differ, in how many did the candidate fail more? Where both are alike it is one
half, whatever a burst looks like, and a burst longer than a block is about one observation (see `sign_runs`).

Good enough: bets that the candidate's share of failures is below a multiple of the baseline's, or of a floor. These are
about means, so a block in which everything fails counts as much as it weighs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from falaj.statistics.rollout.analysis import rates
from falaj.statistics.rollout.analysis.batch import Numbers
from falaj.statistics.rollout.analysis.block import Block
from falaj.statistics.rollout.analysis.bounded import BoundedBets
from falaj.statistics.rollout.analysis.evidence import MetricEvidence, at_most_of
from falaj.statistics.rollout.analysis.plan import AnalysisPlan, MetricSpec
from falaj.statistics.rollout.analysis.sign_runs import SignRuns

_OWN = 0.75
"""Share of the stake on the floor: most releases fail less, and then nothing else can tell that they are good."""
_CERTAIN = 0.98
"""A block in which everything fails may cost nearly all of what speaks for a candidate."""


@dataclass(frozen=True, eq=False)
class ErrorBlocks:
    """What blocks have said of failures.

    Attributes:
        signs: Which arm failed more.
        relative: Bets on a multiple of the baseline's share, one a ratio of `ratios_of`.
        own: Bets on a multiple of the floor.
        failed: Failures of (baseline, candidate).
        requests: Of (baseline, candidate).
    """

    signs: SignRuns
    relative: BoundedBets
    own: BoundedBets
    failed: tuple[int, int] = (0, 0)
    requests: tuple[int, int] = (0, 0)

    @staticmethod
    def of(spec: MetricSpec) -> ErrorBlocks:
        """The state before the first block."""
        ratios = len(ratios_of(spec))
        return ErrorBlocks(SignRuns(), BoundedBets.of(ratios), BoundedBets.of(ratios))

    def observe(self, block: Block, spec: MetricSpec, step: int) -> ErrorBlocks:
        """Take one closed block in."""
        arms = (~block.candidate, block.candidate)
        requests = [int(np.count_nonzero(arm)) for arm in arms]
        failed = [int(np.count_nonzero(arm & block.failed)) for arm in arms]
        totals = replace(
            self,
            signs=self.signs.add(step, _more(failed, spec.tolerated)),
            failed=(self.failed[0] + failed[0], self.failed[1] + failed[1]),
            requests=(self.requests[0] + requests[0], self.requests[1] + requests[1]),
        )
        if not all(requests):
            return totals
        own = int(np.count_nonzero(block.candidate & block.own)) / requests[1]
        shares = (failed[0] / requests[0], failed[1] / requests[1])
        return totals._with_bets(shares, own, spec)

    def evidence(self, spec: MetricSpec, plan: AnalysisPlan, step: int) -> MetricEvidence:
        """What all blocks say together."""
        even = spec.tolerated / (1 + spec.tolerated)
        harm = self.signs.log_harm(even, plan, step)
        own, relative = math.log(_OWN), math.log(1 - _OWN)
        safe = np.logaddexp(relative + self.relative.log_wealth, own + self.own.log_wealth)
        ratios = ratios_of(spec)
        return MetricEvidence(harm, float(safe[ratios.tolist().index(spec.margin)]), at_most_of(ratios, safe, plan))

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "signs": self.signs.to_json(), "relative": self.relative.to_json(),
            "own": self.own.to_json(), "failed": list(self.failed), "requests": list(self.requests),
        }  # fmt: skip

    @staticmethod
    def from_json(document: Mapping[str, Any]) -> ErrorBlocks:
        """What `to_json` made."""
        relative, own = (BoundedBets.from_json(document[name]) for name in ("relative", "own"))
        (stable, candidate), (of_stable, of_candidate) = document["failed"], document["requests"]
        signs = SignRuns.from_json(document["signs"])
        return ErrorBlocks(signs, relative, own, (stable, candidate), (of_stable, of_candidate))

    def _with_bets(self, shares: tuple[float, float], own: float, spec: MetricSpec) -> ErrorBlocks:
        ratios = ratios_of(spec)
        floors = np.minimum(ratios * spec.floor, 0.5)
        return replace(
            self,
            relative=self.relative.play(ratios * shares[0] - shares[1], 1.0, _CERTAIN),
            own=self.own.play(floors - own, 1 - floors, _CERTAIN),
        )


def ratios_of(spec: MetricSpec) -> Numbers:
    """Ratios that are tried to be ruled out, ascending: the margin, and the gates of ramps."""
    return np.unique(np.array([spec.margin, *rates.GATES]))


def blocks_to_rule_out(spec: MetricSpec, ratio: float, alpha: float) -> float:
    """In how many blocks without a failure a multiple of the floor is ruled out at an error bound."""
    floor = min(ratio * spec.floor, 0.5)
    return math.log(1 / (alpha * _OWN)) / math.log1p(_CERTAIN * floor / (1 - floor))


def _more(failed: list[int], tolerated: float) -> int:
    excess = failed[1] - tolerated * failed[0]
    return (excess > 0) - (excess < 0)
