"""A window beside the reference: each kind of change is found and named, and nothing is found where nothing is."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from falaj.monitoring.drift import DriftReport, FeatureDrift, Verdict, judge_window
from falaj.monitoring.profiles import Coded, ProfileError, ReferenceProfile, block_profiles


def rows(seed: int, count: int = 4000) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    speed = rng.normal(0, 1, count)
    return {
        "speed": speed,
        "load": 0.2 * speed + rng.normal(0, 1, count),
        "fare": rng.lognormal(3, 1, count),
        "rain": np.where(rng.random(count) < 0.6, 0.0, rng.exponential(1, count)),
        "hour": rng.integers(0, 24, count),
        "carrier": Coded(rng.choice(4, count, p=[0.4, 0.3, 0.2, 0.1]), ("AA", "UA", "DL", "B6", "ZZ")),
        "still": np.full(count, 5.0),
        "gone": np.full(count, np.nan),
    }


REFERENCE = ReferenceProfile.build(rows(1, 12_000))


def judged(columns: dict[str, Any], **options: Any) -> DriftReport:
    return judge_window(REFERENCE, block_profiles(REFERENCE.schema, columns, blocks=8), **options)


def of(report: DriftReport, name: str) -> FeatureDrift:
    return next(each for each in report.judged if each.feature == name)


@pytest.mark.parametrize("by_rows", [False, True])
def test_windows_like_the_reference_are_steady(by_rows: bool) -> None:
    reports = [judged(rows(seed), by_rows=by_rows) for seed in range(10, 30)]
    assert sum(bool(report.drifted) for report in reports) <= 3  # 5% are promised, and the reference errs for all
    assert {report.calibration for report in reports} == {"rows" if by_rows else "blocks"}


def changed(name: str, column: Any) -> dict[str, Any]:
    return rows(5) | {name: column}


RNG = np.random.default_rng(3)
BASE = rows(5)
CHANGES = {
    "location": ("speed", BASE["speed"] + 0.2),
    "scale": ("speed", BASE["speed"] * 1.2),
    "missing": ("speed", np.where(RNG.random(4000) < 0.05, np.nan, BASE["speed"])),
    "not finite": ("speed", np.where(RNG.random(4000) < 0.01, np.inf, BASE["speed"])),
    "wrong type": ("speed", np.where(RNG.random(4000) < 0.02, "fast", BASE["speed"].astype(object))),
    "unseen": ("carrier", Coded(np.where(RNG.random(4000) < 0.01, 4, BASE["carrier"].codes), BASE["carrier"].levels)),
    "cells": ("carrier", Coded(RNG.choice(4, 4000, p=[0.3, 0.4, 0.2, 0.1]), BASE["carrier"].levels)),
}


@pytest.mark.parametrize("part", CHANGES)
def test_a_change_is_found_in_its_feature_and_part(part: str) -> None:
    name, column = CHANGES[part]
    report = judged(changed(name, column))
    assert name in report.drifted
    assert of(report, name).leading == part
    assert of(report, name).effect > 0.05


def test_the_effect_of_a_shift_is_about_the_shift() -> None:
    found = of(judged(changed("speed", BASE["speed"] + 0.5)), "speed")
    assert next(shift for shift in found.shifts if shift.name == "location").effect == pytest.approx(0.5, abs=0.1)


def test_a_constant_that_changed_and_a_column_that_came_back() -> None:
    report = judged(rows(5) | {"still": np.full(4000, 6.0), "gone": np.full(4000, 1.0)})
    assert {"still", "gone"} <= set(report.drifted)
    assert of(report, "gone").leading == "missing"


def test_a_change_of_dependence_alone_is_found_by_the_joint_test() -> None:
    rng = np.random.default_rng(8)
    load = np.sqrt(1.04) * (0.5 * BASE["speed"] + np.sqrt(0.75) * rng.normal(0, 1, 4000))
    report = judged(changed("load", load))
    assert report.drifted == ("joint",)
    assert set(report.dependence.pair) == {"speed", "load"}


def test_an_effect_below_the_minimum_is_no_drift() -> None:
    moved = changed("speed", BASE["speed"] + 0.2)
    assert judged(moved, minimum=0.3).drifted == ()


def test_rows_that_are_alike_within_a_block_do_not_cry_wolf() -> None:
    rng = np.random.default_rng(4)

    def days(count: int) -> tuple[dict[str, Any], np.ndarray[Any, Any]]:
        day = np.repeat(np.arange(count), 300)
        return {f"t{place}": rng.normal(0, 1, count)[day] + rng.normal(0, 1, len(day)) for place in range(5)}, day

    columns, day = days(40)
    reference = ReferenceProfile.build(columns, block_of_row=day)
    weeks = []
    for _ in range(20):
        columns, day = days(7)
        weeks.append(block_profiles(reference.schema, columns, day))
    assert sum(bool(judge_window(reference, week).drifted) for week in weeks) <= 3
    assert sum(bool(judge_window(reference, week, by_rows=True).drifted) for week in weeks) == 20


@pytest.mark.parametrize("count", [0, 1, 29])
def test_too_few_rows_are_unknown(count: int) -> None:
    window = [REFERENCE.schema.profile(rows(5, count), 0.0, 1.0)]
    report = judge_window(REFERENCE, window)
    assert {each.verdict for each in report.judged} == {Verdict.UNKNOWN}
    assert report.rows == count


def test_empty_blocks_beside_full_ones_change_nothing() -> None:
    window = block_profiles(REFERENCE.schema, rows(5), blocks=4)
    empty = REFERENCE.schema.profile(rows(5, 0), 9.0, 9.0)
    assert judge_window(REFERENCE, [*window, empty]).features == judge_window(REFERENCE, window).features


def test_a_reference_of_few_blocks_is_judged_by_rows() -> None:
    few = ReferenceProfile.build(rows(1, 2000), block_of_row=np.arange(2000) // 1000)
    report = judge_window(few, [few.schema.profile(rows(5), 0.0, 1.0)])
    assert report.calibration == "rows"


def test_windows_of_another_reference_are_refused() -> None:
    other = ReferenceProfile.build({"speed": np.arange(100.0)})
    with pytest.raises(ProfileError, match="another reference"):
        judge_window(REFERENCE, list(other.blocks))
    with pytest.raises(ProfileError, match="no profiles"):
        judge_window(REFERENCE, [])


def test_a_report_is_a_json_document() -> None:
    document = json.loads(json.dumps(judged(rows(5)).to_json()))
    assert [feature["feature"] for feature in document["features"]] == list(REFERENCE.schema.names)
