"""Data quality: rules of a window's data that hold whatever its distribution does.

A drift of data that is right asks for another model; data that are wrong ask for somebody who mends their source. So
these findings go before drift when an alert is looked into.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from falaj.statistics.drift import DriftReport, DriftVerdict
from falaj.statistics.profiles import CategoryCells, NumberCells, Profile, ReferenceProfile, merged
from falaj.statistics.units import unit_change

LEAST_ROWS = 30
USUAL = 0.05
"""Share of the reference's own windows that break a rule, from which on breaking it is no sign of a fault."""
MOST_OWN_WINDOWS = 40
CHANCE = 0.001
"""Chance, at most, that a window breaks a rule of shares although the share of its source is at the limit."""
STUCK_CELLS = 0.5  # standard deviation, in fine cells, below which a value does not move
MOVING_CELLS = 5.0


class QualityRule(StrEnum):
    """What was found."""

    NO_ROWS = "no-rows"
    VOLUME = "volume"
    FRESHNESS = "freshness"
    DUPLICATES = "duplicates"
    SCHEMA = "schema"
    TYPE = "type"
    RANGE = "range"
    NOT_FINITE = "not-finite"
    MISSING = "missing"
    UNSEEN = "unseen"
    MANY_CATEGORIES = "many-categories"
    STUCK = "stuck"
    UNIT = "unit"
    SOURCE = "source"
    SKEW = "training-serving-skew"


@dataclass(frozen=True)
class QualityLimits:
    """How much of what is too much; shares are of the rows, above the reference's own share.

    Args:
        oldest_s: Largest age of the newest block with rows, seconds; None does not ask.
        rows: Fewest and most rows of a window; None does not ask.
        repeated: Rows whose id was there before.
        wrong_type: Values of another type.
        missing: Missing values.
        outside: Values outside the reference's range.
        unseen: Categories that the reference does not have.
        categories: Distinct categories, in times those of the reference.
        skew: Effect at which the first windows of a release differ from its training data, in standard deviations.
    """

    oldest_s: float | None = None
    rows: tuple[int, int] | None = None
    repeated: float = 0.01
    wrong_type: float = 0.001
    missing: float = 0.05
    outside: float = 0.05
    unseen: float = 0.01
    categories: float = 3.0
    skew: float = 0.5


@dataclass(frozen=True)
class QualityFinding:
    """A rule that a window breaks.

    Args:
        rule: Which.
        message: What is wrong, in a sentence without values of rows.
        features: Of which features; empty for the whole window.
        value: What was measured.
        limit: What was allowed.
    """

    rule: QualityRule
    message: str
    features: tuple[str, ...] = ()
    value: float = 0.0
    limit: float = 0.0


@dataclass(frozen=True)
class _ColumnQuality:
    reference: ReferenceProfile
    window: Profile
    limits: QualityLimits

    def shares(self, name: str, place: int) -> tuple[float, float]:
        """Share of a count in the reference and in the window."""
        before, after = self.reference.total.features[name].counts, self.window.features[name].counts
        return before[place] / max(1, sum(before)), after[place] / max(1, sum(after))


def judge_quality(
    reference: ReferenceProfile,
    window: Sequence[Profile],
    *,
    now: float,
    limits: QualityLimits | None = None,
    report: DriftReport | None = None,
    sources: Mapping[str, str] | None = None,
    first: bool = False,
) -> tuple[QualityFinding, ...]:
    """Hold a window against the rules.

    Args:
        reference: Of the release that served.
        window: Profiles of its blocks; at least one, which may be empty.
        now: Unix seconds.
        limits: How much is too much.
        report: The window's drift, for the rules of sources and of skew.
        sources: Where each feature comes from, by feature.
        first: Whether the window is among the release's first, where a difference is a skew and no drift.

    Raises:
        ProfileError: There is no profile, or one is of another schema.
    """
    inspection = _ColumnQuality(reference, merged(window), limits or QualityLimits())
    newest = max((block.end for block in window if block.rows), default=None)
    findings = [*_of_window(inspection, newest, now)]
    if inspection.window.rows:
        for cells in reference.schema.features:
            if cells.name not in inspection.window.absent:
                findings += _unusual(inspection, cells, len(window))
    if report is not None:
        findings += _of_sources(report, sources or {})
        findings += _of_skew(report, inspection.limits.skew) if first else ()
    return tuple(findings)


def _of_window(inspection: _ColumnQuality, newest: float | None, now: float) -> Iterator[QualityFinding]:
    window, limits = inspection.window, inspection.limits
    if not window.rows:
        yield QualityFinding(QualityRule.NO_ROWS, "the window has no rows")
    elif limits.rows and not limits.rows[0] <= window.rows <= limits.rows[1]:
        limit = limits.rows[0] if window.rows < limits.rows[0] else limits.rows[1]
        message = f"{window.rows} rows where {limits.rows[0]} to {limits.rows[1]} are expected"
        yield QualityFinding(QualityRule.VOLUME, message, (), window.rows, limit)
    age = now - (window.start if newest is None else newest)
    if limits.oldest_s is not None and age > limits.oldest_s:
        yield QualityFinding(QualityRule.FRESHNESS, f"the newest rows are {age:.0f} s old", (), age, limits.oldest_s)
    repeated = window.repeated / max(1, window.rows)
    if repeated > limits.repeated:
        message = f"{repeated:.1%} of the rows have an id that was there before"
        yield QualityFinding(QualityRule.DUPLICATES, message, (), repeated, limits.repeated)
    if window.absent and window.rows:
        names = tuple(sorted(window.absent))
        yield QualityFinding(QualityRule.SCHEMA, f"no column {', '.join(names)}", names, len(names))
    if window.unexpected:
        yield QualityFinding(QualityRule.SCHEMA, f"{len(window.unexpected)} columns that the release does not know")


def _unusual(inspection: _ColumnQuality, cells: NumberCells | CategoryCells, blocks: int) -> Iterator[QualityFinding]:
    """What a feature breaks, but not what windows of as many blocks break in the reference itself.

    A week without rain is no stuck gauge where the reference has such weeks.
    """
    feature_findings = list(_of_feature(inspection, cells))
    if not feature_findings:
        return
    own = [replace(inspection, window=each) for each in _own_windows(inspection.reference, blocks)]
    broken = [{finding.rule for finding in _of_feature(each, cells)} for each in own]
    for finding in feature_findings:
        if not own or sum(finding.rule in each for each in broken) < USUAL * len(own):
            yield finding


def _own_windows(reference: ReferenceProfile, blocks: int) -> list[Profile]:
    """Windows of so many blocks of the reference, half overlapping; none where it has fewer."""
    with_rows = [block for block in reference.blocks if block.rows]
    starts = range(0, len(with_rows) - blocks + 1, max(1, blocks // 2))
    step = -(-len(starts) // MOST_OWN_WINDOWS) or 1
    return [merged(with_rows[start : start + blocks]) for start in starts[::step]]


def _of_feature(inspection: _ColumnQuality, cells: NumberCells | CategoryCells) -> Iterator[QualityFinding]:
    limits, extra = inspection.limits, cells.valued
    second = QualityRule.NOT_FINITE if isinstance(cells, NumberCells) else QualityRule.UNSEEN
    order = (QualityRule.MISSING, second) if isinstance(cells, NumberCells) else (second, QualityRule.MISSING)
    allowed = {QualityRule.MISSING: limits.missing, QualityRule.NOT_FINITE: 0.0, QualityRule.UNSEEN: limits.unseen}
    for place, rule in enumerate((*order, QualityRule.TYPE), start=extra):
        limit = limits.wrong_type if rule is QualityRule.TYPE else allowed[rule]
        yield from _risen(inspection, cells.name, rule, inspection.shares(cells.name, place), limit)
    if isinstance(cells, NumberCells):
        yield from _of_number(inspection, cells)
    else:
        yield from _of_category(inspection, cells)


_WORDS = {
    QualityRule.MISSING: "missing",
    QualityRule.NOT_FINITE: "infinite",
    QualityRule.UNSEEN: "categories that the reference does not have",
    QualityRule.TYPE: "of another type",
    QualityRule.RANGE: "outside the reference's range",
}


def _risen(
    inspection: _ColumnQuality, name: str, rule: QualityRule, shares: tuple[float, float], limit: float
) -> Iterator[QualityFinding]:
    before, after = shares
    if after * inspection.window.rows >= 2 and _beyond_chance(after, before + limit, inspection.window.rows):
        message = f"{after:.1%} of {name} are {_WORDS[rule]}, {before:.1%} in the reference"
        yield QualityFinding(rule, message, (name,), after, before + limit)


def _beyond_chance(share: float, limit: float, rows: int) -> bool:
    """Whether rows of which at most the limit are to be expected would have this share in 1 of 1,000 windows at most.

    By Chernoff's bound on a binomial's tail: exp(-rows KL(share, limit)).
    """
    if share <= limit:
        return False
    if limit <= 0:
        return True
    rest = (1 - share) * math.log((1 - share) / (1 - limit)) if share < 1 else 0.0
    return rows * (share * math.log(share / limit) + rest) >= -math.log(CHANCE)


def _of_number(inspection: _ColumnQuality, cells: NumberCells) -> Iterator[QualityFinding]:
    before, after = inspection.reference.total.features[cells.name], inspection.window.features[cells.name]
    above = len(cells.starts) + 1
    outside = [sum(inspection.shares(cells.name, place)[side] for place in (0, above)) for side in (0, 1)]
    changed = unit_change(cells, before, after) if inspection.window.rows >= LEAST_ROWS else None
    if changed:
        message = f"{cells.name} is {changed.factor:.3g} times what it was: {changed.meaning}"
        yield QualityFinding(QualityRule.UNIT, message, (cells.name,), changed.factor, 1.0)
    else:
        yield from _risen(
            inspection, cells.name, QualityRule.RANGE, (outside[0], outside[1]), inspection.limits.outside
        )
    still = after.moments.values >= LEAST_ROWS and after.moments.deviation < STUCK_CELLS
    if still and before.moments.deviation > MOVING_CELLS and not sum(after.tails.values()):
        yield QualityFinding(QualityRule.STUCK, f"{cells.name} does not move any more", (cells.name,))


def _of_category(inspection: _ColumnQuality, cells: CategoryCells) -> Iterator[QualityFinding]:
    before, after = inspection.reference.total.features[cells.name], inspection.window.features[cells.name]
    rows = sum(after.counts[: cells.valued])
    varied = max(before.counts[: cells.valued]) < 0.9 * sum(before.counts)
    if varied and rows >= LEAST_ROWS and max(after.counts[: cells.valued]) == rows:
        yield QualityFinding(QualityRule.STUCK, f"{cells.name} has one value in every row", (cells.name,))
    if before.distinct and after.distinct:
        baseline_count = max(before.distinct.estimate, float(len(cells.levels)), 10.0)
        if after.distinct.estimate > inspection.limits.categories * baseline_count:
            message = (
                f"{cells.name} has about {after.distinct.estimate:.0f} categories, {baseline_count:.0f} in the "
                "reference"
            )
            yield QualityFinding(
                QualityRule.MANY_CATEGORIES,
                message,
                (cells.name,),
                after.distinct.estimate,
                inspection.limits.categories * baseline_count,
            )


def _of_sources(report: DriftReport, sources: Mapping[str, str]) -> Iterator[QualityFinding]:
    """A source all of whose features moved, while fewer than half of the other features did."""
    moved = {
        feature_drift.feature for feature_drift in report.features if feature_drift.verdict is DriftVerdict.DRIFTED
    }
    for source in sorted(set(sources.values())):
        own = {
            feature_drift.feature for feature_drift in report.features if sources.get(feature_drift.feature) == source
        }
        others = {feature_drift.feature for feature_drift in report.features} - own
        if len(own) >= 2 and own <= moved and len(others & moved) < max(1, len(others)) / 2:
            yield QualityFinding(
                QualityRule.SOURCE, f"all {len(own)} features of {source} moved at once", tuple(sorted(own)), len(own)
            )


def _of_skew(report: DriftReport, limit: float) -> Iterator[QualityFinding]:
    for feature_drift in report.features:
        if feature_drift.verdict is DriftVerdict.DRIFTED and feature_drift.effect > limit:
            message = (
                f"{feature_drift.feature} is not served as it was trained: {feature_drift.leading} differs by "
                f"{feature_drift.effect:.2f}"
            )
            yield QualityFinding(QualityRule.SKEW, message, (feature_drift.feature,), feature_drift.effect, limit)
