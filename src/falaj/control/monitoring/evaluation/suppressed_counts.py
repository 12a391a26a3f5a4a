"""Reading counts of which small ones stayed at the location, so that what was held back does not look like drift."""

from __future__ import annotations

from dataclasses import replace
from math import lgamma
from typing import Any

import numpy as np

from falaj.statistics.profiles import FeatureCounts, Profile

Vector = np.ndarray[Any, np.dtype[np.float64]]


def restored(profile: Profile, reference: Profile, least: int) -> Profile:
    """A profile with each count as it is to be expected after what was told of it.

    With a minimum of 10, a count that was told as 40 was 40 to 49, and one that was not told was 0 to 9. Within that
    range it is taken for what the reference lets expect (the mean of a Poisson number that is known to lie there), so
    that counts are evidence as far as they were told and no further.

    Args:
        profile: As it was told.
        reference: The reference's blocks as one.
        least: The minimum; 0 where all was told.
    """
    if not least:
        return profile
    features = {
        name: _counts(feature_counts, reference.features[name], profile.rows, least)
        for name, feature_counts in profile.features.items()
    }
    return replace(profile, features=features)


def _counts(feature_counts: FeatureCounts, reference: FeatureCounts, rows: int, least: int) -> FeatureCounts:
    reported = np.array(feature_counts.counts, dtype=np.float64)
    expected = np.array(reference.counts, dtype=np.float64) / max(1, sum(reference.counts)) * rows
    means = _means_within(reported, expected, least)
    return replace(feature_counts, counts=tuple(int(count) for count in np.rint(means)))


def _means_within(low: Vector, expected: Vector, least: int) -> Vector:
    """Mean of Poisson numbers of these expectations that are known to lie in [low, low + least)."""
    possible = low[:, None] + np.arange(least)
    sizes = np.vectorize(lgamma)(possible + 1)
    logs = possible * np.log(np.maximum(expected, 1e-9))[:, None] - sizes
    weights = np.exp(logs - logs.max(axis=1, keepdims=True))
    means: Vector = (possible * weights).sum(axis=1) / weights.sum(axis=1)
    return means
