"""The parts of a feature that can move: where it lies, how wide, how skew, its cells, and what is no value."""

from __future__ import annotations

from typing import Any

import numpy as np

from falaj.monitoring.drift.shifts import Array, Blocks, Shift, cell_shift, mean_shift, share_shift
from falaj.monitoring.profiles import CategoryCells, NumberCells

COMPONENTS = ("location", "scale", "skew")


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
    found = [*_value_shifts(cells, reference, window, minimum, calibrated)]
    for place, name in enumerate(_extras(cells), start=cells.valued):
        before, after = (Blocks.of(_with_and_without(counts, place)) for counts in (reference, window))
        found.append(share_shift(name, before, after, minimum, calibrated))
    return tuple(shift for shift in found if shift is not None)


def _extras(cells: NumberCells | CategoryCells) -> tuple[str, ...]:
    return cells.labels[cells.valued :]


def _with_and_without(counts: Array, place: int) -> Array:
    rows = counts.sum(axis=1)
    return np.stack([counts[:, place], rows - counts[:, place]], axis=1)


def _value_shifts(
    cells: NumberCells | CategoryCells, reference: Array, window: Array, minimum: float, calibrated: bool
) -> list[Shift | None]:
    before, after = (Blocks.of(counts[:, : cells.valued]) for counts in (reference, window))
    if not len(before.rows) or not len(after.rows):
        return []
    calibrated = calibrated and len(before.rows) > 2
    found = [cell_shift("cells", before, after, minimum, calibrated)]
    if isinstance(cells, NumberCells):
        components = smooth_components(np.array(cells.positions), before.shares)
        found += [
            mean_shift(name, values, 1.0, before, after, minimum, calibrated)
            for name, values in zip(COMPONENTS, components, strict=False)
        ]
    return found


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
        for known in basis:
            values = values - known * float(shares @ (values * known))
        norm = float(shares @ values**2)
        if norm < 1e-8:
            break
        basis.append(values / norm**0.5)
    return basis[1:]
