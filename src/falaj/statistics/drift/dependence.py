"""Did features change how they depend on each other? The largest move among all correlations of rank scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from falaj.statistics.drift.distributions import student_tail
from falaj.statistics.drift.shifts import ERRORS
from falaj.statistics.profiles import JointSums

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class DependenceShift:
    """The pair of features whose dependence moved most beyond chance.

    Args:
        pair: Their names; empty where nothing could be compared.
        effect: Change of their rank correlation.
        p_value: Chance of such a largest move among all pairs when nothing changed.
        beyond: The same when the true moves are just the minimum that matters.
    """

    pair: tuple[str, ...]
    effect: float
    p_value: float
    beyond: float


NOTHING = DependenceShift((), 0.0, 1.0, 1.0)


def dependence_shift(
    names: Sequence[str],
    reference: Sequence[JointSums],
    window: Sequence[JointSums],
    minimum: float,
    calibrated: bool,
) -> DependenceShift:
    """Compare the correlations of all pairs.

    Args:
        names: Of the features, in the order of the sums.
        reference: Sums of its blocks.
        window: Sums of its blocks.
        minimum: Smallest change of a correlation that matters.
        calibrated: Whether blocks differ by more than their rows.
    """
    reference = [sums for sums in reference if sums.rows > 1]
    window = [sums for sums in window if sums.rows > 1]
    if len(names) < 2 or not reference or not window:
        return NOTHING
    before, after = _total(reference), _total(window)
    base = _Moments.of(before, len(names))
    moved = _covariances(after, base.means) - base.covariances
    error = np.sqrt(base.variances * (1 / before.rows + 1 / after.rows))
    freedom, own_error = math.inf, np.sqrt(base.variances / before.rows)
    if calibrated:
        between = _between(reference, window, base)
        error = np.sqrt(error**2 + between * (1 / _effective(window) + 1 / _effective(reference)))
        own_error = np.sqrt(own_error**2 + between / _effective(reference))
        freedom = len(reference) - 1
    least = np.maximum(minimum * base.scale, ERRORS * own_error)
    return _largest(names, base, moved, error, freedom, least)


def _largest(
    names: Sequence[str], base: _Moments, moved: Array, error: Array, freedom: float, least: Array
) -> DependenceShift:
    usable = (error > 0) & (base.scale > 0)
    if not usable.any():
        return NOTHING
    sizes = np.where(usable, np.abs(moved), 0.0)
    beyond = np.where(usable, (sizes - least) / np.where(usable, error, 1.0), -np.inf)
    place = int(np.argmax(beyond))
    pairs = int(usable.sum())
    p_value = 2 * pairs * student_tail(float(sizes[place] / error[place]), freedom)
    p_beyond = 2 * pairs * student_tail(float(beyond[place]), freedom)
    first, second = (int(index[place]) for index in np.triu_indices(len(names), 1))
    effect = float(sizes[place] / base.scale[place])
    return DependenceShift((names[first], names[second]), effect, min(1.0, p_value), min(1.0, p_beyond))


@dataclass(frozen=True)
class _Moments:
    """Of every feature: mean; of every pair: covariance, variance of the product, product of deviations."""

    means: Array
    covariances: Array
    variances: Array
    scale: Array

    @classmethod
    def of(cls, sums: JointSums, features: int) -> _Moments:
        means = np.array(sums.scores, np.float64) / sums.rows
        products, squares = (_square(part, features) / sums.rows for part in (sums.products, sums.squares))
        deviations = np.sqrt(np.maximum(0.0, np.diag(products) - means**2))
        pairs = np.triu_indices(features, 1)
        variances = np.maximum(0.0, squares - products**2)[pairs]
        return cls(means, _covariances(sums, means), variances, np.outer(deviations, deviations)[pairs])


def _covariances(sums: JointSums, means: Array) -> Array:
    """Mean product of every pair's distances from the reference's means.

    Means of the block itself would hide how blocks differ: days on which two features were both high by chance.
    """
    own, products = np.array(sums.scores, np.float64) / sums.rows, _square(sums.products, len(means)) / sums.rows
    centered = products - np.outer(means, own) - np.outer(own, means) + np.outer(means, means)
    pair_covariances: Array = centered[np.triu_indices(len(means), 1)]
    return pair_covariances


def _square(upper: Sequence[int], features: int) -> Array:
    square = np.zeros((features, features))
    square[np.triu_indices(features)] = upper
    return square


def _total(blocks: Sequence[JointSums]) -> JointSums:
    parts = ([getattr(sums, name) for sums in blocks] for name in ("scores", "products", "squares"))
    return JointSums(sum(sums.rows for sums in blocks), *(tuple(np.sum(part, axis=0).tolist()) for part in parts))


def _effective(blocks: Sequence[JointSums]) -> float:
    rows = np.array([sums.rows for sums in blocks], np.float64)
    return float(rows.sum() ** 2 / (rows**2).sum())


def _between(reference: Sequence[JointSums], window: Sequence[JointSums], base: _Moments) -> Array:
    """Variance of block covariances that rows do not explain; the window's blocks count where it grows by them."""
    parts = [_spread(blocks, base.means) for blocks in (reference, window)]
    between_variance: Array = np.zeros_like(base.variances)
    for used in (parts[:1], parts):
        squares, freedom, size = (sum(part) for part in zip(*used, strict=True))
        between_variance = np.maximum(between_variance, (squares / freedom - base.variances) / (size / freedom))
    return between_variance


def _spread(blocks: Sequence[JointSums], means: Array) -> tuple[Array, int, float]:
    rows = np.array([sums.rows for sums in blocks], np.float64)
    covariances = np.stack([_covariances(sums, means) for sums in blocks])
    center = rows @ covariances / rows.sum()
    return rows @ (covariances - center) ** 2, len(blocks) - 1, float(rows.sum() - (rows**2).sum() / rows.sum())
