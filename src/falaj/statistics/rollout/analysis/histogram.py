"""Latencies as counts on a fixed grid: quantiles that cost no memory and can be added."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from falaj.statistics.rollout.analysis.batch import Numbers

_STEP = math.log(1.02)
"""Cells are 2% wide: much less than any difference that is not tolerated."""
_LOWEST_MS, _HIGHEST_MS = 1e-3, 1e6


@dataclass(frozen=True)
class Histogram:
    """Counts of latencies.

    Attributes:
        cells: By number of the cell, how many; cell k holds latencies up to `edge(k)`.
    """

    cells: Mapping[int, int]

    def add(self, latency_ms: Numbers) -> Histogram:
        """With more latencies; those that never ended count as the longest."""
        if len(latency_ms) == 0:
            return self
        places = np.ceil(np.log(np.clip(latency_ms, _LOWEST_MS, _HIGHEST_MS)) / _STEP - 1e-9).astype(int)
        cell_counts = dict(self.cells)
        for place, count in zip(*np.unique(places, return_counts=True), strict=True):
            cell_counts[int(place)] = cell_counts.get(int(place), 0) + int(count)
        return Histogram(cell_counts)

    @property
    def count(self) -> int:
        """How many latencies."""
        return sum(self.cells.values())

    def quantiles(self, at: Sequence[float]) -> tuple[float, ...]:
        """Upper edges of the cells that hold the quantiles, ms; at least one latency must be there."""
        places = np.array(sorted(self.cells))
        upto = np.cumsum([self.cells[place] for place in places])
        cell_index = np.searchsorted(upto, np.asarray(at) * upto[-1] - 1e-9)
        return tuple(math.exp(int(place) * _STEP) for place in places[np.minimum(cell_index, len(places) - 1)])

    def to_json(self) -> list[list[int]]:
        """Pairs of a cell and its count."""
        return [[place, count] for place, count in sorted(self.cells.items())]

    @staticmethod
    def from_json(document: Sequence[Sequence[int]]) -> Histogram:
        """What `to_json` made."""
        return Histogram({cell[0]: cell[1] for cell in document})


NOTHING = Histogram({})
