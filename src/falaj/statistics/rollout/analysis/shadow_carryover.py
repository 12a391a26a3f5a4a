"""What a shadow phase has shown, taken into the canary that follows.

Evidence of two phases about the same null multiplies. Since all of it is sums of logs, that is: counts are added and
wealth goes on. A metric is the same when its whole specification is.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from falaj.statistics.rollout.analysis import rates
from falaj.statistics.rollout.analysis.betting import Bets
from falaj.statistics.rollout.analysis.plan import MetricSpec
from falaj.statistics.rollout.analysis.tally import Counts, Tally

if TYPE_CHECKING:
    from falaj.statistics.rollout.analysis.analysis import Analysis


def carry(earlier: Analysis, fresh: Analysis) -> Analysis:
    """The fresh state with the evidence of an earlier one for the metrics that both judge.

    The bounds of ratios and the evidence for promotion go on from where they were; what the earlier phase decided,
    and how many requests it exposed, is its own.
    """
    same = [spec for spec in fresh.plan.metrics if spec in earlier.plan.metrics]
    names = {spec.name for spec in same}
    return replace(
        fresh,
        requests=_carried(earlier, fresh, same),
        labels={
            name: _from_the_start(earlier.labels[name]) if name in names else tally
            for name, tally in fresh.labels.items()
        },
        bets={name: _wealth(earlier, fresh, name) if name in names else bets for name, bets in fresh.bets.items()},
        label_blocks={
            name: earlier.label_blocks[name] if name in names else blocks for name, blocks in fresh.label_blocks.items()
        },
        peaks=replace(
            fresh.peaks,
            safe={name: value for name, value in earlier.peaks.safe.items() if name in names},
            at_most={name: value for name, value in earlier.peaks.at_most.items() if name in names},
        ),
    )


def _wealth(earlier: Analysis, fresh: Analysis, name: str) -> Bets:
    """The earlier bets, with the share of the first start in all that was won: what is not yet at risk counts too."""
    return earlier.bets[name].carried(earlier.plan.unspent(earlier.step), fresh.plan.start_weight(0))


def _carried(earlier: Analysis, fresh: Analysis, same: list[MetricSpec]) -> Tally:
    """The earlier counts of requests, each series at its place in the new plan."""
    places = [(0, 0)]
    for spec in same:
        old, new = rates.first_series(earlier.plan, spec), rates.first_series(fresh.plan, spec)
        places += [(old + index, new + index) for index in range(rates.width(spec))]
    tally = Tally(fresh.requests.series)
    for cell in earlier.requests.cells:
        counts: Counts = np.zeros((tally.series, 2), dtype=np.int64)
        for old, new in places:
            counts[new] = cell.counts[old]
        tally = tally.add(0, cell.weight, counts)
    return tally


def _from_the_start(tally: Tally) -> Tally:
    moved = Tally(tally.series)
    for cell in tally.cells:
        moved = moved.add(0, cell.weight, cell.counts)
    return moved
