"""Losses as blocks: single rows where rows are independent, means of many where neighbours are alike.

A detector that is fed single rows takes each as new information. Rows of one day share the day's weather, and so it
would take a bad day for a change. Block means do away with that; `rows_per_block` says how long blocks must be.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from falaj.statistics.concept.errors import LossError

Vector = NDArray[np.float64]
FEWEST_BLOCKS = 16
LIKELY_BY_CHANCE = 2.6  # of a correlation of unrelated block means, in its standard errors


@dataclass(frozen=True)
class LossBlocks:
    """Mean losses, in the order in which they are judged.

    Attributes:
        mean: Of each block, in [0, 1].
        rows: Labelled rows of each block.
        start: Event time of the first row, unix seconds.
        end: Event time of the last row.
        labelled_at: When the last label of the block came in, unix seconds.
        stake: In (0, 1]: smallest label probability / label probability where a block is a single row, else 1.
        left_out: Rows without a loss.
    """

    mean: Vector
    rows: NDArray[np.int64]
    start: Vector
    end: Vector
    labelled_at: Vector
    stake: Vector
    left_out: int = 0

    def __len__(self) -> int:
        return len(self.mean)


@dataclass(frozen=True)
class Losses:
    """One loss a row.

    Args:
        loss: In [0, 1]; NaN where there is no label. Scale other losses first.
        event_time: When the prediction was made, unix seconds.
        labelled_at: When the label came in, unix seconds; equal to `event_time` when None.
        label_probability: Of the row being labelled at all, in (0, 1], where labels are selective; 1 when None.

    Raises:
        LossError: Lengths differ, or a value is out of its range.
    """

    loss: Vector
    event_time: Vector
    labelled_at: Vector | None = None
    label_probability: Vector | None = None

    def __post_init__(self) -> None:
        columns = [self.event_time, self.labelled_at, self.label_probability]
        if any(column is not None and len(column) != len(self.loss) for column in columns):
            raise LossError(f"{len(self.loss)} losses have columns of another length")
        finite_losses = self.loss[~np.isnan(self.loss)]
        if finite_losses.size and not (finite_losses.min() >= 0 and finite_losses.max() <= 1):
            raise LossError(
                f"losses reach from {finite_losses.min():.4g} to {finite_losses.max():.4g}", hint="scale them to [0, 1]"
            )
        if not np.isfinite(self.event_time).all():
            raise LossError("an event time is not finite")
        chance = np.ones(1) if self.label_probability is None else self.label_probability
        if not ((chance > 0) & (chance <= 1)).all():
            raise LossError("a label probability is not in (0, 1]")

    def labelled(self) -> tuple[Vector, Vector, Vector, Vector]:
        """Loss, event time, label time and probability of the labelled rows, by event time."""
        order = np.argsort(self.event_time, kind="stable")
        order = order[~np.isnan(self.loss[order])]
        arrival = self.event_time if self.labelled_at is None else self.labelled_at
        chance = np.ones(len(self.loss)) if self.label_probability is None else self.label_probability
        return self.loss[order], self.event_time[order], arrival[order], chance[order]


def single_rows(losses: Losses, *, lowest_probability: float = 1.0) -> LossBlocks:
    """Every labelled row as a block of its own.

    Args:
        losses: The rows.
        lowest_probability: A lower bound of all label probabilities, fixed in advance; rarer rows count as this rare.
    """
    loss, event_time, arrival, chance = losses.labelled()
    stake = lowest_probability / np.maximum(chance, lowest_probability)
    ones = np.ones(len(loss), dtype=np.int64)
    return LossBlocks(loss, ones, event_time, event_time, arrival, stake, len(losses.loss) - len(loss))


def by_count(losses: Losses, rows: int) -> LossBlocks:
    """Blocks of so many labelled rows each; rows that do not fill the last one wait for the next call.

    Args:
        losses: The rows.
        rows: A block.
    """
    if rows < 1:
        raise LossError(f"blocks of {rows} rows")
    count = int((~np.isnan(losses.loss)).sum()) // rows * rows
    return _means(losses, np.repeat(np.arange(count // rows), rows))


def by_time(losses: Losses, width_s: float, *, min_rows: int = 1) -> LossBlocks:
    """Blocks of a fixed width in event time, such as days.

    Args:
        losses: The rows of whole blocks: a block is closed when its labels are in.
        width_s: Of a block, counted from the unix epoch.
        min_rows: A block with fewer is left out, because its mean varies more than those of the reference.
    """
    if not width_s > 0:
        raise LossError(f"blocks {width_s} s wide")
    blocks = _means(losses, np.unique(losses.labelled()[1] // width_s, return_inverse=True)[1])
    small = blocks.rows < min_rows
    parts = {name: getattr(blocks, name)[~small] for name in ("mean", "rows", "start", "end", "labelled_at", "stake")}
    return replace(blocks, **parts, left_out=blocks.left_out + int(blocks.rows[small].sum()))


def _means(losses: Losses, block: NDArray[np.intp]) -> LossBlocks:
    """Means weighted by one over the label probability, so that rarely labelled rows count for the others like them."""
    loss, event_time, arrival, chance = (column[: len(block)] for column in losses.labelled())
    first = np.flatnonzero(np.diff(block, prepend=-1))
    if not first.size:
        none = np.zeros(0)
        return LossBlocks(none, np.zeros(0, dtype=np.int64), none, none, none, none, len(losses.loss))
    mean = np.clip(np.add.reduceat(loss / chance, first) / np.add.reduceat(1 / chance, first), 0, 1)
    last, latest = np.maximum.reduceat(event_time, first), np.maximum.reduceat(arrival, first)
    left_out = int(np.isnan(losses.loss).sum())
    return LossBlocks(mean, np.bincount(block), event_time[first], last, latest, np.ones(len(first)), left_out)


def rows_per_block(loss: Vector, *, largest: int = 4096) -> int:
    """The shortest blocks, by doubling, whose means do not follow their predecessors.

    Args:
        loss: Losses of the reference in the order of their events, without NaN.
        largest: Not longer than this.

    Returns:
        1 when single rows are as good as independent. Blocks never get so long that fewer than `FEWEST_BLOCKS` remain:
        a reference that is too short for its own correlation is judged by the longest blocks that it allows.
    """
    lengths, rows = [], 1
    while rows < largest and len(loss) // (2 * rows) >= FEWEST_BLOCKS:
        lengths.append(rows)
        rows *= 2
    # all of them: single rows hardly show what they share, and blocks of some length do
    return max((2 * length for length in lengths if _follows(loss, length)), default=1)


def _follows(loss: Vector, rows: int) -> bool:
    means = loss[: len(loss) // rows * rows].reshape(-1, rows).mean(axis=1)
    centred = means - means.mean()
    spread = float(centred @ centred)
    return spread > 0 and float(centred[1:] @ centred[:-1]) / spread > LIKELY_BY_CHANCE / len(means) ** 0.5
