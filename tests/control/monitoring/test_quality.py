"""Every rule fires on its fault and on nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from falaj.statistics.drift import judge_window
from falaj.statistics.profiles import Profile, ReferenceProfile
from falaj.statistics.quality import QualityFinding, QualityLimits, QualityRule, judge_quality

NOW = 10_000.0


def rows(seed: int, count: int = 2000) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {
        "temp": rng.normal(15, 6, count),
        "distance": rng.lognormal(6, 0.6, count),
        "wind": rng.gamma(3, 3, count),
        "carrier": np.array(["AA", "UA", "DL", "B6"], dtype=object)[rng.integers(0, 4, count)],
    }


REFERENCE = ReferenceProfile.build(rows(1, 8000))
ONE_COLUMN = ReferenceProfile.build({"temp": rows(1, 8000)["temp"]})


def window(columns: dict[str, Any], ids: list[int] | None = None) -> list[Profile]:
    return [REFERENCE.schema.profile(columns, 0.0, 3600.0, ids=ids)]


def findings_of(columns: dict[str, Any], **options: Any) -> list[QualityFinding]:
    return list(judge_quality(REFERENCE, window(columns), now=NOW, **options))


def rules(columns: dict[str, Any], **options: Any) -> set[tuple[QualityRule, tuple[str, ...]]]:
    return {(each.rule, each.features) for each in findings_of(columns, **options)}


def test_good_data_break_no_rule() -> None:
    assert findings_of(rows(2)) == []


def test_an_empty_window_is_said_to_be_empty() -> None:
    assert rules({name: column[:0] for name, column in rows(2).items()}) == {(QualityRule.NO_ROWS, ())}


def test_one_row_breaks_no_rule_of_many_rows() -> None:
    assert findings_of({name: column[:1] for name, column in rows(2).items()}) == []


def test_missing_values() -> None:
    broken = rows(2)
    broken["temp"][:200] = np.nan
    assert rules(broken) == {(QualityRule.MISSING, ("temp",))}


def test_shares_of_a_small_window_that_chance_explains_break_no_rule() -> None:
    """5% of 120 rows are allowed: 11 of them are missing by chance in one window of 20, 19 never."""
    few, many = rows(2, 120), rows(2, 120)
    few["temp"][:11], many["temp"][:19] = np.nan, np.nan
    assert findings_of(few) == []
    assert rules(many) == {(QualityRule.MISSING, ("temp",))}


def test_a_share_at_its_limit_breaks_the_rule_as_rarely_as_promised() -> None:
    rng, broken = np.random.default_rng(5), 0
    for missing in rng.binomial(60, 0.05, 3000):
        columns = {"temp": np.where(np.arange(60) < missing, np.nan, 15.0 + np.arange(60) % 7)}
        profiles = [ONE_COLUMN.schema.profile(columns, 0.0, 3600.0)]
        broken += any(each.rule is QualityRule.MISSING for each in judge_quality(ONE_COLUMN, profiles, now=NOW))
    assert broken <= 10  # 3 are allowed on average


def test_infinite_values() -> None:
    broken = rows(2)
    broken["temp"][:2] = np.inf, -np.inf
    assert rules(broken) == {(QualityRule.NOT_FINITE, ("temp",))}


def test_a_number_that_became_text() -> None:
    broken = rows(2) | {"temp": rows(2)["temp"].astype(str).astype(object)}
    assert rules(broken) == {(QualityRule.TYPE, ("temp",))}


def test_a_category_that_became_a_number() -> None:
    assert (QualityRule.TYPE, ("carrier",)) in rules(rows(2) | {"carrier": np.arange(2000) % 4})


def test_a_column_that_is_gone_and_one_that_nobody_knows() -> None:
    broken = rows(2)
    broken["temperature"] = broken.pop("temp")
    assert [(each.rule, each.features) for each in findings_of(broken)] == [
        (QualityRule.SCHEMA, ("temp",)),
        (QualityRule.SCHEMA, ()),
    ]


def test_unseen_categories_and_an_explosion_of_them() -> None:
    broken = rows(2)
    broken["carrier"][:100] = "ZZ"
    assert rules(broken) == {(QualityRule.UNSEEN, ("carrier",))}
    broken["carrier"] = np.array([f"id-{place}" for place in range(2000)], dtype=object)
    assert (QualityRule.MANY_CATEGORIES, ("carrier",)) in rules(broken)


def test_a_stuck_sensor() -> None:
    assert (QualityRule.STUCK, ("wind",)) in rules(rows(2) | {"wind": np.full(2000, 9.0)})
    assert (QualityRule.STUCK, ("carrier",)) in rules(rows(2) | {"carrier": np.full(2000, "AA", dtype=object)})


@pytest.mark.parametrize("factor", [1.609344, 1 / 1.609344, 1000.0, 0.01, 3.28084])
def test_a_change_of_unit_is_told_by_its_factor(factor: float) -> None:
    changed = rows(2) | {"distance": rows(2)["distance"] * factor}
    finding = next(each for each in findings_of(changed) if each.rule is QualityRule.UNIT)
    assert finding.features == ("distance",)
    assert finding.value == pytest.approx(factor, rel=0.01)


def test_a_season_that_moves_the_median_as_far_is_no_change_of_unit() -> None:
    def wind(*quantiles: float) -> dict[str, Any]:
        return rows(2) | {"wind": np.interp(np.linspace(0, 1, 2000), (0, 0.25, 0.5, 0.75, 1), quantiles)}

    reference = ReferenceProfile.build(wind(5, 25, 37, 41, 50))
    spring = [reference.schema.profile(wind(20, 46, 59.5, 67, 80), 0.0, 3600.0)]
    assert QualityRule.UNIT not in {each.rule for each in judge_quality(reference, spring, now=NOW)}


def test_celsius_and_fahrenheit() -> None:
    changed = rows(2) | {"temp": rows(2)["temp"] * 1.8 + 32}
    assert (QualityRule.UNIT, ("temp",)) in rules(changed)


def test_values_out_of_range() -> None:
    broken = rows(2)
    broken["temp"][:200] = -999.0
    assert rules(broken) == {(QualityRule.RANGE, ("temp",))}


def test_repeated_ids_and_volume_and_age() -> None:
    limits = QualityLimits(oldest_s=3600, rows=(100, 1000))
    quality_findings = judge_quality(
        REFERENCE, window(rows(2), [1] * 100 + list(range(2, 1902))), now=NOW, limits=limits
    )
    assert {each.rule for each in quality_findings} == {
        QualityRule.DUPLICATES,
        QualityRule.VOLUME,
        QualityRule.FRESHNESS,
    }


def test_a_source_all_of_whose_features_moved() -> None:
    moved = rows(2)
    moved["temp"] += 3
    moved["wind"] *= 1.3
    sources = {"temp": "weather", "wind": "weather", "distance": "schedule", "carrier": "schedule"}
    report = judge_window(REFERENCE, window(moved))
    named = [each for each in findings_of(moved, report=report, sources=sources) if each.rule is QualityRule.SOURCE]
    assert [each.features for each in named] == [("temp", "wind")]
    moved["distance"] *= 1.3
    moved["carrier"][:600] = "AA"
    report = judge_window(REFERENCE, window(moved))
    assert not [each for each in findings_of(moved, report=report, sources=sources) if each.rule is QualityRule.SOURCE]


def test_first_windows_that_differ_are_a_skew() -> None:
    moved = rows(2) | {"temp": rows(2)["temp"] + 6}
    report = judge_window(REFERENCE, window(moved))
    assert (QualityRule.SKEW, ("temp",)) in rules(moved, report=report, first=True)
    assert (QualityRule.SKEW, ("temp",)) not in rules(moved, report=report)


def test_what_windows_of_the_reference_break_themselves_is_no_fault() -> None:
    """Dry days are usual, dry sensors are not: the rain gauge may stand still for a day, the thermometer may not."""
    rng, days = np.random.default_rng(5), np.repeat(np.arange(40), 200)
    rain = np.where(days % 3 == 0, rng.gamma(1, 3, len(days)), 0.0)
    reference = ReferenceProfile.build(
        {"rain": rain, "temp": rng.normal(15, 6, len(days))}, {"rain": "number", "temp": "number"}, block_of_row=days
    )
    still = {"rain": np.zeros(200), "temp": np.full(200, 15.0)}
    broken = judge_quality(reference, [reference.schema.profile(still, 0.0, 3600.0)], now=NOW)
    assert {(each.rule, each.features) for each in broken} == {(QualityRule.STUCK, ("temp",))}
