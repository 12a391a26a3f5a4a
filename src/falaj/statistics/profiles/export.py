"""What may cross a border: fixed counts only, none of few rows, all rounded.

Left out are the sketch of distinct values (its registers rule values out), frequent unseen categories (raw texts), the
sums of a block of few rows, and every count below the minimum. The other counts are rounded down to a multiple of the
minimum, and the number of rows is what the counts give, so that no cell that was left out is found by subtraction.
"""

from __future__ import annotations

from dataclasses import replace

from falaj.statistics.profiles.counts import FeatureCounts, Moments
from falaj.statistics.profiles.errors import ProfileError
from falaj.statistics.profiles.joint import JointSums
from falaj.statistics.profiles.profile import Profile

JOINT_ROWS = 50  # sums of products over fewer rows come near to telling them


def for_export(profile: Profile, least: int) -> Profile:
    """The profile without what could point to a person.

    Args:
        profile: Of a block.
        least: The smallest count that is told, and the step of rounding; at least 2.

    Raises:
        ProfileError: The minimum is below 2.
    """
    if least < 2:
        raise ProfileError(f"a minimum count of {least} hides nobody", hint="the minimum is at least 2")
    return replace(
        profile,
        rows=_coarse(profile.rows, least),
        features={name: _counts(feature_counts, least) for name, feature_counts in profile.features.items()},
        joint=profile.joint if profile.joint.rows >= max(least, JOINT_ROWS) else JointSums(),
        repeated=_coarse(profile.repeated, least),
        unexpected=frozenset(),
    )


def _counts(feature_counts: FeatureCounts, least: int) -> FeatureCounts:
    tails = {key: _coarse(count, least) for key, count in feature_counts.tails.items() if count >= least}
    # the sums of all values less those of most would tell the few that are left, so they go where a cell does
    small = any(0 < count < least for count in feature_counts.counts)
    return FeatureCounts(
        tuple(_coarse(count, least) for count in feature_counts.counts),
        Moments() if small else feature_counts.moments,
        tails,
    )


def _coarse(count: int, least: int) -> int:
    return count // least * least
