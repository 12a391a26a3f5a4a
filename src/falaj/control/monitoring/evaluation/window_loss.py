"""The loss of a window: by its labels where there are enough, else by what scores meant in the reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from falaj.statistics.comparison import upper_bound
from falaj.statistics.performance import (
    STRIPS,
    UNCOVERED,
    Calibration,
    EstimationWindow,
    Measured,
    Strips,
    estimate,
    is_selective,
    strip_of,
    uncovered,
    unknown,
    weighted_by,
    weighted_loss,
)
from falaj.statistics.profiles import NumberCells, Profile, ReferenceProfile
from falaj.statistics.reference import PREDICTION, ReleaseReference

FEWEST_LABELS = 100
FEWEST_BLOCKS = 8
MOST_VALUES = 20_000
CONFIDENCE = 0.95
RESAMPLES = 400
Vector = NDArray[np.float64]
Tally = Mapping[str, Any]


def measured_loss(
    reference: ReleaseReference,
    tallies: Sequence[Tally | None],
    predictions: Sequence[Profile | None],
    *,
    far: bool,
    seed: int,
) -> Measured:
    """The loss of a window with its interval.

    Args:
        reference: Of the release.
        tallies: Losses of each block: `labelled`, `total` and `cells`.
        predictions: Profile of the predictions of each block.
        far: Whether inputs are so unlike the reference's that scores may mean anything.
        seed: Of the order in which rows are bet on, or of resamples.
    """
    if reference.loss is None:
        return unknown("loss", "the release came without an expected loss")
    labelled_tallies = [tally for tally in tallies if tally and tally["labelled"]]
    rng = np.random.default_rng(seed)
    if sum(tally["labelled"] for tally in labelled_tallies) >= FEWEST_LABELS:
        strips = labelled_strips(reference, tallies, predictions)
        if strips is not None and is_selective(strips):
            return _by_strips(reference.loss.metric, strips)
        return _by_labels(reference.loss.metric, labelled_tallies, rng)
    if reference.calibration is None or reference.predictions is None:
        return unknown(reference.loss.metric, "too few labels have come, and what scores mean is not known")
    return _by_scores(reference.calibration, reference.predictions, predictions, far=far, rng=rng)


def labelled_strips(
    reference: ReleaseReference, tallies: Sequence[Tally | None], predictions: Sequence[Profile | None]
) -> Strips | None:
    """Labelled rows, and all rows, by their scores; None where scores are no probabilities or were not told."""
    scored_tallies = [tally for tally in tallies if tally and tally.get("score_rows")]
    cells = reference.predictions.schema[PREDICTION] if reference.predictions else None
    profiles = [profile for profile in predictions if profile is not None and profile.rows]
    if not scored_tallies or not profiles or not isinstance(cells, NumberCells):
        return None
    scores = np.concatenate([_scores(cells, profile.features[PREDICTION].counts) for profile in profiles])
    rows, losses = (np.array([tally[name] for tally in scored_tallies], np.float64).sum(axis=0) for name in _BY_SCORE)
    return Strips(np.bincount(strip_of(scores), minlength=STRIPS).astype(np.float64), rows, losses)


def labels_are_selective(
    reference: ReleaseReference, tallies: Sequence[Tally | None], predictions: Sequence[Profile | None]
) -> bool:
    """Whether labels come for some scores more often than for others."""
    strips = labelled_strips(reference, tallies, predictions)
    return strips is not None and is_selective(strips)


_BY_SCORE = ("score_rows", "score_losses")


def _by_strips(metric: str, strips: Strips) -> Measured:
    """By labels that do not come for all scores alike, such as of predicted positives only."""
    if (left_out := uncovered(strips)) > UNCOVERED:
        return unknown(metric, f"labels come for some scores only: {left_out:.0%} of the rows have scores without any")
    value, interval = weighted_loss(strips, CONFIDENCE)
    return Measured(metric, value, interval, "score-weighted", weighted_by(strips))


def _by_labels(metric: str, tallies: Sequence[Tally], rng: np.random.Generator) -> Measured:
    rows = np.array([tally["labelled"] for tally in tallies], dtype=np.float64)
    means = np.array([tally["total"] for tally in tallies]) / rows
    value, reason = float(np.average(means, weights=rows)), f"{int(rows.sum())} labels"
    if len(tallies) >= FEWEST_BLOCKS:
        chosen = rng.integers(0, len(tallies), (RESAMPLES, len(tallies)))
        resampled = (means[chosen] * rows[chosen]).sum(axis=1) / rows[chosen].sum(axis=1)
        low, high = np.quantile(resampled, ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2))
        return Measured(metric, value, (float(low), float(high)), "bootstrap", reason)
    values = rng.permutation(_values(tallies))
    error = (1 - CONFIDENCE) / 2
    low, high = 1 - upper_bound(1 - values, error), upper_bound(values, error)
    return Measured(metric, value, (min(low, value), max(high, value)), "betting", reason)


def _values(tallies: Sequence[Tally]) -> Vector:
    """Losses in the middle of the cells that they were counted in; of very many, fewer."""
    cells = np.sum([tally["cells"] for tally in tallies], axis=0)
    if cells.sum() > MOST_VALUES:
        cells = (cells * (MOST_VALUES / cells.sum())).astype(np.int64)
    return np.repeat((np.arange(len(cells)) + 0.5) / len(cells), cells)


def _by_scores(
    calibration: Calibration,
    reference: ReferenceProfile,
    predictions: Sequence[Profile | None],
    *,
    far: bool,
    rng: np.random.Generator,
) -> Measured:
    cells = reference.schema[PREDICTION]
    usable_profiles = [profile for profile in predictions if profile is not None and profile.rows]
    if not isinstance(cells, NumberCells) or not usable_profiles:
        return unknown("brier", "the window has no predictions")
    parts = [_scores(cells, profile.features[PREDICTION].counts) for profile in usable_profiles]
    score, block = np.concatenate(parts), np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    if not len(score):
        return unknown("brier", "the window has no predictions that are numbers")
    window = EstimationWindow(score, np.full(len(score), np.nan), block.astype(np.intp), far)
    return estimate("brier", window, calibration, rng=rng, confidence=CONFIDENCE)


def _scores(cells: NumberCells, counts: Sequence[int]) -> Vector:
    """Scores in the middle of the cells that they were counted in."""
    middle = np.array([cells.grid.value(place) for place in cells.positions], dtype=np.float64)
    return np.repeat(np.clip(middle, 0.0, 1.0), counts[: cells.valued])
