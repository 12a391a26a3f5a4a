"""The parts of a feature that can move: where it lies, how wide, how skew, its cells, and what is no value."""

from __future__ import annotations

from typing import Any

import numpy as np

from falaj.statistics.drift.shifts import Array, Blocks, Shift, cell_shift, level_shift, mean_shift, share_shift
from falaj.statistics.profiles import CategoryCells, NumberCells

COMPONENTS = ("location", "scale", "skew")


NEW_SHARE = 0.9
"""Share of the reference's values that no other block has, from which on values are not compared."""


def untested(cells: NumberCells | CategoryCells, reference: Array) -> str:
    """Why a feature's values cannot be compared, whatever the window holds; empty when they can.

    Args:
        cells: Of the feature.
        reference: Counts, one row a block.
    """
    counts = reference.sum(axis=0)
    values = float(counts[: cells.valued].sum())
    fresh = float(counts[cells.valued]) if isinstance(cells, CategoryCells) else 0.0
    if not values + fresh:
        return "the reference has no values"
    return "nearly every value is new" if fresh >= NEW_SHARE * (values + fresh) else ""


def feature_shifts(
    cells: NumberCells | CategoryCells, reference: Array, window: Array, minimum: float, calibrated: bool
) -> tuple[Shift, ...]:
    """Every part of a feature that can be compared.

    Args:
        cells: Of the feature.
        reference: Counts, one row a block.
        window: The same of the window.
        minimum: Smallest effect that counts.
        calibrated: Whether blocks differ by more than their rows.
    """
    reason = untested(cells, reference)
    shifts = [] if reason else [*_value_shifts(cells, reference, window, minimum, calibrated)]
    for place, name in enumerate(_extras(cells), start=cells.valued):
        if not (reason and name == "unseen"):
            before, after = (Blocks.of(_beside(counts, place)) for counts in (reference, window))
            shifts.append(share_shift(name, before, after, minimum, calibrated))
    return tuple(shift for shift in shifts if shift is not None)


def _extras(cells: NumberCells | CategoryCells) -> tuple[str, ...]:
    return cells.labels[cells.valued :]


def _beside(counts: Array, place: int) -> Array:
    """Rows of a cell, and all other rows."""
    rows = counts.sum(axis=1)
    return np.stack([counts[:, place], rows - counts[:, place]], axis=1)


def _value_shifts(
    cells: NumberCells | CategoryCells, reference: Array, window: Array, minimum: float, calibrated: bool
) -> list[Shift | None]:
    before, after = (Blocks.of(counts[:, : cells.valued]) for counts in (reference, window))
    if np.count_nonzero(before.shares) == 1 and not _only_others(cells, before):
        return [_constant_shift(cells, reference, window, minimum, calibrated)]
    if not len(after.rows):
        return []
    calibrated = calibrated and len(before.rows) > 2
    shifts = [cell_shift("cells", before, after, minimum, calibrated)]
    if isinstance(cells, CategoryCells):
        return [*shifts, level_shift(before, after, minimum, calibrated)]
    components = smooth_components(np.array(cells.positions), before.shares)
    for name, values in zip(COMPONENTS, components, strict=False):
        shifts.append(mean_shift(name, values, 1.0, before, after, minimum, calibrated))
    return shifts


def _only_others(cells: NumberCells | CategoryCells, reference: Blocks) -> bool:
    """Whether no level is frequent enough to have a count of its own: many levels are no constant."""
    return isinstance(cells, CategoryCells) and not reference.counts[:, : len(cells.levels)].any()


def _constant_shift(
    cells: NumberCells | CategoryCells, reference: Array, window: Array, minimum: float, calibrated: bool
) -> Shift | None:
    """Rows that are not the reference's only value.

    Where they are most of the window they count as rows: what never moved and is another now is seen at once. Fewer
    count by blocks, as other rare values do: rain after two weeks without any is no fault.
    """
    values = cells.valued + isinstance(cells, CategoryCells)  # unseen ones are values as well
    place = int(np.argmax(reference[:, : cells.valued].sum(axis=0)))
    before, after = (Blocks.of(_beside(counts[:, :values], place)[:, ::-1]) for counts in (reference, window))
    if not len(after.rows):
        return None
    most = after.shares[0] > 0.5
    return share_shift("constant", before, after, minimum, calibrated and not most)


def smooth_components(positions: Array, shares: Array) -> list[np.ndarray[Any, np.dtype[np.float64]]]:
    """Polynomials of the middle rank, of degree 1 to 3, with mean 0 and variance 1 over the reference.

    Args:
        positions: Where each cell lies.
        shares: The reference's share of each.

    Returns:
        Values by cell; fewer polynomials where few cells have rows.

    Source: J. Neyman, "Smooth test for goodness of fit" (1937).
    """
    order = np.argsort(positions, kind="stable")
    ranks = np.empty(len(shares))
    ranks[order] = np.cumsum(shares[order]) - shares[order] / 2
    basis = [np.ones(len(shares))]
    for degree in range(1, min(4, int(np.count_nonzero(shares)))):
        values = (2 * ranks - 1) ** degree
        for component in basis:
            values = values - component * float(shares @ (values * component))
        norm = float(shares @ values**2)
        if norm < 1e-8:
            break
        basis.append(values / norm**0.5)
    return basis[1:]
