"""Where does a failure concentrate? A beam search over conjunctions, confirmed on rows that it has not seen.

Half of the blocks are searched, the other half confirms. At most one predicate of each length is put to the test, so
the correction is by their number and not by the thousands that were looked at. What is found is where the loss is
*larger than elsewhere*: a failure that is everywhere has no segment. A combination whose conditions are each without
any effect alone (an exclusive or) is not found.

Source: subgroup discovery by beam search with a mean-test quality: M. Atzmueller, "Subgroup discovery", WIREs Data
Mining and Knowledge Discovery 5 (2015), 35-49.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from falaj.statistics.rollout.segments.candidates import Feature, Vector, features_of
from falaj.statistics.rollout.segments.columns import Columns, Mask, count_rows
from falaj.statistics.rollout.segments.confirmation import Contrast, contrast
from falaj.statistics.rollout.segments.errors import SegmentRowsError
from falaj.statistics.rollout.segments.predicate import Predicate, SegmentCondition


@dataclass(frozen=True)
class SearchLimits:
    """How far a search goes, and what it must show.

    Args:
        conditions: At most so many in a predicate.
        min_rows: Fewest rows inside and outside, in the searched half and in the confirming one.
        min_effect: By how much the mean loss must be larger inside, on the confirming half.
        significance: Limit of the corrected p-value on the confirming half.
        gain: Factor by which one more condition must improve the evidence to be worth reading.
        beam: Predicates of each length that are extended.
    """

    conditions: int = 3
    min_rows: int = 30
    min_effect: float = 0.0
    significance: float = 0.01
    gain: float = 1.1
    beam: int = 8


@dataclass(frozen=True)
class Segment:
    """A part of the rows in which the failure concentrates.

    Attributes:
        predicate: Which rows they are.
        rows: How many of all rows.
        effect: Mean loss inside minus outside, on the confirming half alone.
        inside: Mean loss inside, on the confirming half.
        outside: Mean loss outside, on the confirming half.
        held_out_rows: Rows inside, in the confirming half.
        held_out_p: Of "not larger inside", on the confirming half, corrected for the predicates put to the test.
        left_out: Rows without a loss, which were not looked at.
    """

    predicate: Predicate
    rows: int
    effect: float
    inside: float
    outside: float
    held_out_rows: int
    held_out_p: float
    left_out: int

    @property
    def conditions(self) -> tuple[SegmentCondition, ...]:
        """The conditions of the predicate."""
        return self.predicate.conditions

    @property
    def text(self) -> str:
        """The predicate as it is written into a gate."""
        return self.predicate.text


@dataclass(frozen=True)
class _FailingRegion:
    conditions: tuple[SegmentCondition, ...]
    rows: Mask
    quality: float


def find_segment(
    columns: Columns,
    loss: Sequence[float] | Vector,
    *,
    rng: np.random.Generator,
    blocks: Sequence[Any] | NDArray[Any] | None = None,
    limits: SearchLimits | None = None,
) -> Segment | None:
    """Find the part of the rows in which the loss is largest compared with the rest.

    Args:
        columns: Column name to one value a row; numbers, booleans or text. Columns of other kinds are passed over.
        loss: One a row: a loss, a flag of failure (0 or 1), or the candidate's loss minus the stable release's
            (`contrast_arms` makes one where each request went to one of them). NaN where it is not known yet.
        rng: Which blocks are searched and which confirm.
        blocks: What each row belongs to (its day, its user), where rows of one are alike; None when rows are
            independent. Whole blocks are held out.
        limits: How far to search and what to show.

    Returns:
        The segment, or None when no part stands out on rows that were not searched.

    Raises:
        SegmentRowsError: The columns, losses and blocks have different lengths, or a loss is infinite.
    """
    limits = limits or SearchLimits()
    values = np.asarray(loss, dtype=np.float64)
    block = np.arange(len(values)) if blocks is None else _numbered(blocks)
    _check(columns, values, block)
    labelled_rows = np.flatnonzero(~np.isnan(values))
    searched, confirming = _halves(block, labelled_rows, rng)
    if min(len(searched), len(confirming)) < 2 * limits.min_rows:
        return None
    for predicate, tests in _worth_testing(columns, values, searched, limits):
        inside = predicate.mask(columns)
        held_out = _confirmed(values[confirming], inside[confirming], block[confirming], tests, limits)
        if held_out is not None:
            return _segment(predicate, int(inside.sum()), held_out, tests, len(values) - len(labelled_rows))
    return None


def _check(columns: Columns, loss: Vector, block: NDArray[np.intp]) -> None:
    if loss.ndim != 1 or np.isinf(loss).any():
        raise SegmentRowsError("losses must be one finite number a row", hint="NaN where the label is not known yet")
    rows = count_rows(columns) if columns else len(loss)
    if not rows == len(loss) == len(block):
        raise SegmentRowsError(f"{rows} rows, {len(loss)} losses and {len(block)} blocks")


def _numbered(blocks: Sequence[Any] | NDArray[Any]) -> NDArray[np.intp]:
    number: NDArray[np.intp] = np.unique(np.asarray(blocks), return_inverse=True)[1]
    return number


def _halves(
    block: NDArray[np.intp], labelled_rows: NDArray[np.intp], rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The rows of a random half of the blocks that have losses, and the rows of the others."""
    present = np.unique(block[labelled_rows])
    chosen = rng.permutation(present)[: (len(present) + 1) // 2]
    first = np.isin(block[labelled_rows], chosen)
    return labelled_rows[first], labelled_rows[~first]


def _worth_testing(
    columns: Columns, loss: Vector, rows: NDArray[np.intp], limits: SearchLimits
) -> list[tuple[Predicate, int]]:
    """The best predicate of each length that is worth its length, the longest first, and how many there are."""
    best: list[_FailingRegion] = []
    for candidate in _search(features_of(columns, rows), loss[rows], limits):
        if not best or candidate.quality >= limits.gain * best[-1].quality:
            best.append(candidate)
    return [(Predicate(candidate.conditions), len(best)) for candidate in reversed(best)]


def _search(features: list[Feature], loss: Vector, limits: SearchLimits) -> list[_FailingRegion]:
    """The best predicate of each length, if it improves on shorter ones at all."""
    beam, best = [_FailingRegion((), np.ones(len(loss), dtype=bool), 0.0)], []
    for _ in range(limits.conditions):
        longer = [candidate for parent in beam for candidate in _extensions(parent, features, loss, limits)]
        beam = _distinct(longer)[: limits.beam]
        if not beam:
            break
        best.append(beam[0])
    return best


def _extensions(
    parent: _FailingRegion, features: list[Feature], loss: Vector, limits: SearchLimits
) -> list[_FailingRegion]:
    """A predicate with one condition more, for each feature the ones that improve it most."""
    weight = parent.rows.astype(np.float64)
    extensions = []
    for feature in features:
        sums = [feature.sums(part) for part in (weight, weight * loss, weight * loss**2)]
        quality = _quality(sums, loss, limits.min_rows)
        for index in np.argsort(-quality, kind="stable")[:3]:
            if quality[index] > parent.quality:
                conditions = (*parent.conditions, feature.conditions[index])
                extensions.append(
                    _FailingRegion(conditions, parent.rows & feature.rows(int(index)), float(quality[index]))
                )
    return extensions


def _quality(inside: list[Vector], loss: Vector, min_rows: int) -> Vector:
    """Welch's statistic of the mean inside against outside; minus infinity where there are too few rows."""
    count, total, square = inside
    others = len(loss) - count, loss.sum() - total, (loss**2).sum() - square
    enough = np.minimum(count, others[0]) >= min_rows
    with np.errstate(invalid="ignore", divide="ignore"):
        means = total / count, others[1] / others[0]
        spreads = (square / count - means[0] ** 2, others[2] / others[0] - means[1] ** 2)
        overall = loss.var() / len(loss)  # keeps segments finite in which nothing varies
        error = np.maximum(spreads[0], 0) / count + np.maximum(spreads[1], 0) / others[0] + overall
        statistic: Vector = (means[0] - means[1]) / np.sqrt(error)
    return np.where(enough & np.isfinite(statistic), statistic, -np.inf)


def _distinct(candidate_list: list[_FailingRegion]) -> list[_FailingRegion]:
    """Best first; of those that hold for the same rows the first alone."""
    first_by_rows: dict[bytes, _FailingRegion] = {}
    for each in sorted(candidate_list, key=lambda one: -one.quality):
        first_by_rows.setdefault(np.packbits(each.rows).tobytes(), each)
    return list(first_by_rows.values())


def _confirmed(
    loss: Vector, inside: Mask, block: NDArray[np.intp], tests: int, limits: SearchLimits
) -> Contrast | None:
    if min(inside.sum(), (~inside).sum()) < limits.min_rows:
        return None
    held_out = contrast(loss, inside, _numbered(block))
    shown = held_out.p_value * tests <= limits.significance and held_out.effect > limits.min_effect
    return held_out if shown else None


def _segment(predicate: Predicate, rows: int, held_out: Contrast, tests: int, left_out: int) -> Segment:
    return Segment(
        predicate=_without_redundant(predicate),
        rows=rows,
        effect=held_out.effect,
        inside=held_out.inside,
        outside=held_out.outside,
        held_out_rows=held_out.rows,
        held_out_p=min(1.0, held_out.p_value * tests),
        left_out=left_out,
    )


def _without_redundant(predicate: Predicate) -> Predicate:
    """Of two limits on the same side of a column, the stricter alone."""
    strictest: dict[tuple[str, str], SegmentCondition] = {}
    for condition in predicate.conditions:
        strictest[condition.column, condition.op] = condition  # the search only ever narrows, so the later is stricter
    return Predicate(tuple(strictest.values()))
