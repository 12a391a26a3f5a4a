"""The report of a window: each feature and their dependence, beside the reference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np

from falaj.statistics.drift.combining import cauchy, discoveries, evidence
from falaj.statistics.drift.dependence import NOTHING, DependenceShift, dependence_shift
from falaj.statistics.drift.features import feature_shifts, untested
from falaj.statistics.drift.shifts import LEAST_BLOCKS, Shift
from falaj.statistics.profiles import Profile, ProfileError, ProfileSchema, ReferenceProfile, merged

DISCOVERY_RATE = 0.05
LEAST_EFFECT = 0.02
LEAST_ROWS = 30
JOINT = "joint"


class DriftVerdict(StrEnum):
    """What a window says of a feature."""

    STEADY = "steady"
    DRIFTED = "drifted"
    NOT_TESTED = "not_tested"


@dataclass(frozen=True)
class FeatureDrift:
    """A feature in a window.

    Args:
        feature: Its name.
        verdict: Drifted when it is a discovery among those of the window and exceeds the minimum effect; not tested
            where there was nothing to compare, with the reason.
        effect: w of the part that moved most surely, about a shift in standard deviations.
        p_value: Of no change, over all parts.
        beyond: p-value of the minimum effect, over all parts.
        evidence: e-value of `beyond`.
        leading: The part that moved most surely: location, scale, skew, cells, missing, unseen, ...
        shifts: Every part.
        reason: Why it was not tested, or which of it was not.
        least: The smallest effect of the leading part that counts.
    """

    feature: str
    verdict: DriftVerdict
    effect: float
    p_value: float
    beyond: float
    evidence: float
    leading: str
    shifts: tuple[Shift, ...] = ()
    reason: str = ""
    least: float = 0.0

    @property
    def tested(self) -> bool:
        """Whether anything of it was compared."""
        return bool(self.shifts) or self.verdict is not DriftVerdict.NOT_TESTED


@dataclass(frozen=True)
class DriftReport:
    """A window beside the reference.

    Args:
        start: When the window begins, Unix seconds.
        end: When it ends.
        rows: Rows in it.
        blocks: Blocks with rows in it.
        calibration: `blocks` when differences between the reference's blocks are allowed for, else `rows`.
        minimum: Smallest effect that counts.
        features: Every feature, in the order of the schema.
        joint: The features' dependence, judged beside them.
        dependence: The pair that changed most.
    """

    start: float
    end: float
    rows: int
    blocks: int
    calibration: str
    minimum: float
    features: tuple[FeatureDrift, ...]
    joint: FeatureDrift
    dependence: DependenceShift

    @property
    def drifted(self) -> tuple[str, ...]:
        """Names of what drifted; `joint` for the dependence."""
        return tuple(
            feature_drift.feature
            for feature_drift in self.all_features
            if feature_drift.verdict is DriftVerdict.DRIFTED
        )

    @property
    def all_features(self) -> tuple[FeatureDrift, ...]:
        """The features and their dependence."""
        return (*self.features, self.joint)

    def to_json(self) -> dict[str, Any]:
        """The report as a JSON document."""
        return {**asdict(self), "drifted": list(self.drifted)}


def judge_window(
    reference: ReferenceProfile,
    window: Sequence[Profile],
    *,
    by_rows: bool = False,
    discovery_rate: float = DISCOVERY_RATE,
    minimum: float | None = None,
) -> DriftReport:
    """Compare the blocks of a window with the reference.

    Args:
        reference: Of the release that served.
        window: Profiles of its blocks, of the same schema; at least one, which may be empty.
        by_rows: Take rows as independent, although the reference has blocks.
        discovery_rate: Share of false ones expected among what a window finds.
        minimum: Smallest effect that counts; by default 0.02, or two standard errors of the reference's rows.

    Raises:
        ProfileError: There is no profile, or one is of another schema.
    """
    total = merged(window)
    if total.schema != reference.schema.digest:
        raise ProfileError(
            "the window was counted over the cells of another reference",
            hint="compare a release's blocks with the reference of that release",
            code="profile.schema-differs",
        )
    blocks = [block for block in reference.blocks if block.rows]
    filled = [profile for profile in window if profile.rows]
    calibrated = not by_rows and len(blocks) >= LEAST_BLOCKS
    least = max(LEAST_EFFECT, 2 / math.sqrt(max(1, reference.total.rows))) if minimum is None else minimum
    if reason := _too_little(total.rows, blocks):
        features, dependence = [_nothing(name, reason) for name in reference.schema.names], NOTHING
        joint = _nothing(JOINT, reason)
    else:
        features, dependence = _compared(reference.schema, blocks, filled, least, calibrated)
        *features, joint = _decided([*features, _of_dependence(dependence)], discovery_rate)
    calibration = "blocks" if calibrated else "rows"
    return DriftReport(
        total.start, total.end, total.rows, len(filled), calibration, least, tuple(features), joint, dependence
    )


def _too_little(rows: int, reference: Sequence[Profile]) -> str:
    if not reference:
        return "the reference has no rows"
    return f"too few rows: {rows} of {LEAST_ROWS}" if rows < LEAST_ROWS else ""


def _nothing(name: str, reason: str) -> FeatureDrift:
    return FeatureDrift(name, DriftVerdict.NOT_TESTED, 0.0, 1.0, 1.0, evidence(1.0), "", (), reason)


def _compared(
    schema: ProfileSchema, blocks: Sequence[Profile], window: Sequence[Profile], minimum: float, calibrated: bool
) -> tuple[list[FeatureDrift], DependenceShift]:
    features = []
    for cells in schema.features:
        before, after = (_counts(part, cells.name) for part in (blocks, window))
        shifts = feature_shifts(cells, before, after, minimum, calibrated)
        features.append(_of_shifts(cells.name, shifts, untested(cells, before)))
    before_joint, after_joint = ([block.joint for block in part] for part in (blocks, window))
    return features, dependence_shift(schema.joint, before_joint, after_joint, minimum, calibrated)


def _counts(blocks: Sequence[Profile], name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([block.features[name].counts for block in blocks], dtype=np.float64)


def _of_shifts(name: str, shifts: Sequence[Shift], reason: str) -> FeatureDrift:
    if not shifts:
        return _nothing(name, reason or "the window has no values")
    beyond, p_value = cauchy(shift.beyond for shift in shifts), cauchy(shift.p_value for shift in shifts)
    leading = _leading(shifts)
    return FeatureDrift(
        name, DriftVerdict.NOT_TESTED if reason else DriftVerdict.STEADY, leading.effect, p_value, beyond,
        evidence(beyond),
        leading.name, tuple(shifts), reason, leading.least,
    )  # fmt: skip


def _leading(shifts: Sequence[Shift]) -> Shift:
    """The part that moved most surely; cells, which move with every other part, only where nothing else did."""
    named = [shift for shift in shifts if shift.name not in ("cells", "level") and shift.beyond <= 0.01]
    return min(named or shifts, key=lambda shift: (shift.beyond, shift.p_value))


def _of_dependence(shift: DependenceShift) -> FeatureDrift:
    if not shift.pair:
        return _nothing(JOINT, "there are no two features whose rows are counted together")
    leading = " and ".join(shift.pair)
    return FeatureDrift(
        JOINT, DriftVerdict.STEADY, shift.effect, shift.p_value, shift.beyond, evidence(shift.beyond), leading
    )


def _decided(feature_drifts: Sequence[FeatureDrift], rate: float) -> list[FeatureDrift]:
    """Two keys: a change is a discovery among the window's, and it exceeds the minimum effect."""
    discovery_flags = discoveries([each.p_value for each in feature_drifts], rate)
    return [
        replace(each, verdict=DriftVerdict.DRIFTED) if discovered and each.beyond <= rate else each
        for each, discovered in zip(feature_drifts, discovery_flags, strict=True)
    ]
