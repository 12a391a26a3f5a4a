"""Fine grids over the range of a number: 1,024 cells that are found by arithmetic alone.

Index 0 is below the grid and index `FINE + 1` above it. Where a reference has a heavy tail on one side the grid is
logarithmic: the bits of a positive float, read as an integer, grow with its logarithm (piecewise linear between
powers of two), so that shifting them right is a logarithmic cell at the price of a linear one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from falaj.statistics.profiles.columns import Reals

FINE = 1024
SMALLEST = 1e-300  # a width below it has no reciprocal
NEAREST = 1e-90  # of the farthest distance on a logarithmic grid
CHUNK = 1 << 15  # rows; three arrays of them stay in the cache

Floats = np.ndarray[Any, np.dtype[np.float64]]
Indices = np.ndarray[Any, np.dtype[np.intp]]


@dataclass(frozen=True)
class Room:
    """Arrays to work in, made once for all chunks of a column: fresh memory costs more than the arithmetic.

    Args:
        places: Floats of a chunk.
        cells: Its indices.
    """

    places: Floats
    cells: Indices

    @classmethod
    def of(cls, rows: int) -> Room:
        """Room for chunks of a column of so many rows."""
        size = min(rows, CHUNK)
        return cls(np.empty(size), np.empty(size, np.intp))


class Grid(Protocol):
    """Where a value lies among fine cells."""

    def index(self, values: Reals, room: Room | None = None) -> Indices:
        """Fine index of each value; NaN must have been left out. What is in the room is overwritten by the next."""

    def value(self, index: float) -> float:
        """The value in the middle of a fine cell."""


@dataclass(frozen=True)
class LinearGrid:
    """Cells of equal width.

    Args:
        low: Lower end of the first cell.
        high: Upper end of the last one, above `low`.
    """

    low: float
    high: float

    def index(self, values: Reals, room: Room | None = None) -> Indices:
        """Fine index of each value."""
        place, cells = _occupied(room or Room.of(len(values)), values)
        width = (self.high - self.low) / FINE
        with np.errstate(over="ignore"):  # what overflows is above the grid anyway
            np.subtract(values, np.float64(self.low - width), out=place)  # in 64 bits whatever the values have
            np.multiply(place, 1 / width, out=place)
        np.maximum(place, 0, out=place)
        np.minimum(place, FINE + 1, out=place)
        np.copyto(cells, place, casting="unsafe")
        return cells

    def value(self, index: float) -> float:
        """The value in the middle of a fine cell."""
        return self.low + (index - 0.5) * (self.high - self.low) / FINE


@dataclass(frozen=True)
class LogGrid:
    """Cells whose width grows with the distance from an origin, to one side of it.

    Args:
        origin: Where the distance is counted from.
        sign: 1 when large values are the tail, -1 when small ones are.
        first: Shifted bits of the smallest distance on the grid.
        shift: How many bits are dropped; the more, the wider the cells.
    """

    origin: float
    sign: int
    first: int
    shift: int

    def index(self, values: Reals, room: Room | None = None) -> Indices:
        """Fine index of each value."""
        distance, cells = _occupied(room or Room.of(len(values)), values)
        with np.errstate(over="ignore"):
            np.subtract(values, np.float64(self.origin), out=distance)
            np.multiply(distance, self.sign, out=distance)
        np.right_shift(distance.view(np.int64), self.shift, out=cells)
        np.subtract(cells, self.first - 1, out=cells)
        np.maximum(cells, 0, out=cells)
        np.minimum(cells, FINE + 1, out=cells)
        if self.sign < 0:
            np.subtract(FINE + 1, cells, out=cells)
        return cells

    def value(self, index: float) -> float:
        """The value in the middle of a fine cell."""
        place = index if self.sign > 0 else FINE + 1 - index
        bits = np.int64(round((self.first - 1 + place + 0.5) * 2**self.shift))
        return self.origin + self.sign * float(bits.view(np.float64))


def linear_grid(low: float, high: float) -> LinearGrid:
    """Equal cells from one value to another, at least two floats wide each, so that arithmetic tells them apart."""
    least = FINE * 2 * max(float(np.spacing(max(abs(low), abs(high)))), SMALLEST)
    if high - low >= least:
        return LinearGrid(low, high)
    middle = low / 2 + high / 2
    return LinearGrid(middle - least / 2, middle + least / 2)


def log_grid(origin: float, sign: int, near: float, far: float) -> LogGrid:
    """The finest logarithmic grid that reaches from distance `near` to distance `far` of an origin."""
    bits = [int(np.float64(max(distance, SMALLEST)).view(np.int64)) for distance in (max(near, far * NEAREST), far)]
    shift = max(0, math.ceil(math.log2(max(1.0, (bits[1] - bits[0]) / (FINE - 2)))))
    return LogGrid(origin, sign, bits[0] >> shift, shift)


def _occupied(room: Room, values: Reals) -> tuple[Floats, Indices]:
    if len(values) > len(room.places):
        room = Room(np.empty(len(values)), np.empty(len(values), np.intp))
    return room.places[: len(values)], room.cells[: len(values)]


def chunks(values: Reals) -> Iterator[Reals]:
    """Consecutive parts that fit the cache."""
    for start in range(0, len(values), CHUNK):
        yield values[start : start + CHUNK]


def present(values: Reals) -> Reals:
    """The values that are not NaN; the same array where there is none."""
    if values.dtype.kind != "f" or not len(values) or values.max() == values.max():
        return values
    present_values: Reals = values[values == values]
    return present_values
