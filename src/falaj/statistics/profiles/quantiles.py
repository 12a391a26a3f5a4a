"""Quantiles of a block from its counts, also where most of it lies outside the cells."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from falaj.statistics.profiles.counts import FeatureCounts
from falaj.statistics.profiles.grids import FINE
from falaj.statistics.profiles.number_cells import NumberCells


def quantile(cells: NumberCells, feature_counts: FeatureCounts, share: float) -> float:
    """The value below which a share of the values lies; between the ends of a cell, values are taken as even.

    Args:
        cells: Of the feature.
        feature_counts: Its counts in a block.
        share: From 0 to 1.

    Returns:
        NaN where there are no values.
    """
    pieces = sorted(piece for piece in _pieces(cells, feature_counts) if piece[2])
    target_rank = share * sum(count for _, _, count in pieces)
    for low, high, count in pieces:
        if target_rank <= count:
            return low + (high - low) * target_rank / count
        target_rank -= count
    return pieces[-1][1] if pieces else float("nan")


def _pieces(cells: NumberCells, feature_counts: FeatureCounts) -> Iterator[tuple[float, float, int]]:
    """Lower end, upper end and count of everything that is counted of values."""
    ends = (cells.grid.value(start - 0.5) for start in (*cells.starts, FINE + 1))
    for (low, high), count in zip(pairwise(ends), feature_counts.counts[1:], strict=False):
        yield low, high, count
    for value, count in zip(cells.atoms, feature_counts.counts[len(cells.starts) + 2 :], strict=False):
        yield value, value, count
    for key, count in feature_counts.tails.items():
        yield *cells.tail_range(key), count
