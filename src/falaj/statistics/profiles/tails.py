"""Counts of values outside a grid: by side, by distance in widths of the grid, and by size.

Distance alone could not tell 0.2 from 0.3 where 100 to 300 was usual, as after a change of units; size alone could not
tell 1,000,001 from 1,000,100 where 1,000,000 was usual. So a count is of one eighth of an octave of each.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from falaj.statistics.profiles.columns import Reals

OCTAVE_PARTS = 8
SIZES = (-64, 128)  # octaves of sizes that are told apart
NEAR_PARTS = 64  # of the grid: distances below one of them are told apart evenly
MOST_DISTANCE = 1023 * OCTAVE_PARTS
_SIZE_STEPS = 4096  # of both signs
_ZERO = _SIZE_STEPS // 2
_MOST = float(np.finfo(np.float64).max)

Ints = np.ndarray[Any, np.dtype[np.int64]]
Floats = np.ndarray[Any, np.dtype[np.float64]]


def count_tails(outside: Reals, low: float, high: float) -> dict[int, int]:
    """Count finite values by their key.

    Args:
        outside: Values that are not on the grid.
        low: Its lower end.
        high: Its upper end.
    """
    if not len(outside):
        return {}
    values = outside.astype(np.float64)
    above = values > low / 2 + high / 2
    with np.errstate(over="ignore"):
        distance = np.maximum(0.0, np.where(above, values - high, low - values)) / (high - low) * NEAR_PARTS
        steps = np.minimum(np.floor(np.log2(1 + distance) * OCTAVE_PARTS), MOST_DISTANCE).astype(np.int64)
    keys = (1 + steps * _SIZE_STEPS + _size_steps(values) + _ZERO) * np.where(above, 1, -1)
    tail_keys, counts = np.unique(keys, return_counts=True)
    return dict(zip(tail_keys.tolist(), counts.tolist(), strict=True))


def _size_steps(values: Floats) -> Ints:
    """Eighths of an octave from the smallest size on, from 1, with the sign of the value."""
    smallest, largest = (octave * OCTAVE_PARTS for octave in SIZES)
    size = np.maximum(np.abs(values), 2.0 ** SIZES[0])
    steps = np.clip(np.floor(np.log2(size) * OCTAVE_PARTS), smallest, largest).astype(np.int64) - smallest + 1
    signed: Ints = np.where(values < 0, -steps, steps)
    return signed


def tail_range(key: int, low: float, high: float) -> tuple[float, float]:
    """The values, from and to, that a count is of.

    Args:
        key: Of the count.
        low: Lower end of the grid.
        high: Its upper end.
    """
    step, size = divmod(abs(key) - 1, _SIZE_STEPS)
    with np.errstate(over="ignore"):
        parts = ((np.exp2(part / OCTAVE_PARTS) - 1) / NEAR_PARTS for part in (step, step + 1))
        near, far = (float(np.minimum(part * (high - low), _MOST / 2)) for part in parts)
    far = _MOST / 2 if step == MOST_DISTANCE else far
    by_distance = (high + near, high + far) if key > 0 else (low - far, low - near)
    by_size = _sizes(size - _ZERO)
    near_end = max(by_distance[0], by_size[0])
    return near_end, max(near_end, min(by_distance[1], by_size[1]))


def _sizes(step: int) -> tuple[float, float]:
    place = abs(step) - 1 + SIZES[0] * OCTAVE_PARTS
    low, high = (2.0 ** ((place + more) / OCTAVE_PARTS) for more in (0, 1))
    low = 0.0 if abs(step) == 1 else low
    high = _MOST if place >= SIZES[1] * OCTAVE_PARTS else high
    return (low, high) if step > 0 else (-high, -low)
