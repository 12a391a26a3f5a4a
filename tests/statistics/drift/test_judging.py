"""A window beside the reference: each kind of change is found and named, and nothing is found where nothing is."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from falaj.statistics.drift import DriftMonitor, DriftReport, DriftVerdict, FeatureDrift, judge_window
from falaj.statistics.profiles import Categorical, ProfileError, ReferenceProfile, block_profiles


def rows(seed: int, count: int = 4000) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    speed = rng.normal(0, 1, count)
    return {
        "speed": speed,
        "load": 0.2 * speed + rng.normal(0, 1, count),
        "fare": rng.lognormal(3, 1, count),
        "rain": np.where(rng.random(count) < 0.6, 0.0, rng.exponential(1, count)),
        "hour": rng.integers(0, 24, count),
        "carrier": Categorical(rng.choice(4, count, p=[0.4, 0.3, 0.2, 0.1]), ("AA", "UA", "DL", "B6", "ZZ")),
        "still": np.full(count, 5.0),
        "gone": np.full(count, np.nan),
    }


REFERENCE = ReferenceProfile.build(rows(1, 12_000))


def drift_report(columns: dict[str, Any], **options: Any) -> DriftReport:
    return judge_window(REFERENCE, block_profiles(REFERENCE.schema, columns, blocks=8), **options)


def of(report: DriftReport, name: str) -> FeatureDrift:
    return next(each for each in report.all_features if each.feature == name)


@pytest.mark.parametrize("by_rows", [False, True])
def test_windows_like_the_reference_are_steady(by_rows: bool) -> None:
    reports = [drift_report(rows(seed), by_rows=by_rows) for seed in range(10, 30)]
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
    "unseen": (
        "carrier",
        Categorical(np.where(RNG.random(4000) < 0.01, 4, BASE["carrier"].codes), BASE["carrier"].levels),
    ),
    "cells": ("carrier", Categorical(RNG.choice(4, 4000, p=[0.3, 0.4, 0.2, 0.1]), BASE["carrier"].levels)),
}


@pytest.mark.parametrize("part", CHANGES)
def test_a_change_is_found_in_its_feature_and_part(part: str) -> None:
    name, column = CHANGES[part]
    report = drift_report(changed(name, column))
    assert name in report.drifted
    assert of(report, name).leading in ((part, "level") if part == "cells" else (part,))
    assert of(report, name).effect > 0.05


def test_the_effect_of_a_shift_is_about_the_shift() -> None:
    feature_result = of(drift_report(changed("speed", BASE["speed"] + 0.5)), "speed")
    assert next(shift for shift in feature_result.shifts if shift.name == "location").effect == pytest.approx(
        0.5, abs=0.1
    )


def test_a_constant_that_changed_and_a_column_that_came_back() -> None:
    report = drift_report(rows(5) | {"still": np.full(4000, 6.0), "gone": np.full(4000, 1.0)})
    assert {"still", "gone"} <= set(report.drifted)
    assert of(report, "gone").leading == "missing"


def test_a_change_of_dependence_alone_is_found_by_the_joint_test() -> None:
    rng = np.random.default_rng(8)
    load = np.sqrt(1.04) * (0.5 * BASE["speed"] + np.sqrt(0.75) * rng.normal(0, 1, 4000))
    report = drift_report(changed("load", load))
    assert report.drifted == ("joint",)
    assert set(report.dependence.pair) == {"speed", "load"}


def test_an_effect_below_the_minimum_is_no_drift() -> None:
    moved = changed("speed", BASE["speed"] + 0.2)
    assert drift_report(moved, minimum=0.3).drifted == ()


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
def test_too_few_rows_are_not_tested(count: int) -> None:
    window = [REFERENCE.schema.profile(rows(5, count), 0.0, 1.0)]
    report = judge_window(REFERENCE, window)
    assert {(each.verdict, each.reason) for each in report.all_features} == {
        (DriftVerdict.NOT_TESTED, f"too few rows: {count} of 30")
    }
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
    document = json.loads(json.dumps(drift_report(rows(5)).to_json()))
    assert [feature["feature"] for feature in document["features"]] == list(REFERENCE.schema.names)


def ids(seed: int, count: int, among: int = 10**9) -> np.ndarray[Any, Any]:
    return np.array([f"ORD-{value:09d}" for value in np.random.default_rng(seed).integers(0, among, count)], object)


def test_text_that_is_new_in_nearly_every_row_is_not_tested_but_its_missing_values_are() -> None:
    reference = ReferenceProfile.build({"order": ids(1, 5000), "x": rows(1, 5000)["speed"]})
    window = {"order": ids(2, 3000), "x": rows(2, 3000)["speed"]}
    feature_result = of(judge_window(reference, block_profiles(reference.schema, window, blocks=7)), "order")
    assert (feature_result.verdict, feature_result.reason) == (DriftVerdict.NOT_TESTED, "nearly every value is new")
    assert "unseen" not in {shift.name for shift in feature_result.shifts}
    window["order"] = np.where(np.arange(3000) % 3 == 0, None, window["order"])
    feature_result = of(judge_window(reference, block_profiles(reference.schema, window, blocks=7)), "order")
    assert (feature_result.verdict, feature_result.leading) == (DriftVerdict.DRIFTED, "missing")


@pytest.mark.parametrize("levels", [2, 40, 400, 4000, 40_000, 400_000])
def test_a_category_of_any_cardinality_that_does_not_change_has_no_alarm(levels: int) -> None:
    reference = ReferenceProfile.build({"customer": ids(1, 6000, levels)})
    monitor, drifted = DriftMonitor(), 0
    for seed in range(2, 14):
        window = block_profiles(reference.schema, {"customer": ids(seed, 1500, levels)}, blocks=7)
        report = judge_window(reference, window)
        monitor, alarm = monitor.step(report)
        drifted += bool(report.drifted)
        assert alarm is None
    assert drifted <= 2


@settings(max_examples=15, deadline=None)
@given(
    common=st.floats(0.0, 1.0),
    levels=st.integers(1, 60),
    pool=st.sampled_from([50, 2_000, 30_000, 10**12]),
    seed=st.integers(0, 2**16),
)
def test_text_of_any_share_of_new_values_is_not_unseen_while_it_does_not_change(
    common: float, levels: int, pool: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)

    def texts(count: int) -> np.ndarray[Any, Any]:
        frequent, rare = rng.zipf(1.5, count) % levels, rng.integers(0, pool, count)
        chosen = rng.random(count) < common
        return np.array([f"w{a}" if one else f"u{b}" for a, b, one in zip(frequent, rare, chosen, strict=True)], object)

    reference = ReferenceProfile.build({"note": texts(3_000)})
    reports = [
        judge_window(reference, block_profiles(reference.schema, {"note": texts(900)}, blocks=7)) for _ in range(6)
    ]
    unseen = [report for report in reports if report.drifted and of(report, "note").leading == "unseen"]
    assert len(unseen) <= 1  # at most 5% of windows are promised


def test_what_has_no_values_in_the_reference_is_not_tested_until_it_has_some() -> None:
    feature_result = of(drift_report(rows(5)), "gone")
    assert (feature_result.verdict, feature_result.reason) == (DriftVerdict.NOT_TESTED, "the reference has no values")


def test_one_feature_alone_has_no_dependence_that_could_be_steady() -> None:
    reference = ReferenceProfile.build({"x": rows(1)["speed"]})
    assert judge_window(reference, block_profiles(reference.schema, {"x": rows(2)["speed"]})).joint.reason


@settings(max_examples=60, deadline=None)
@given(
    st.floats(-1e15, 1e15).map(lambda value: value + 0.0),
    st.integers(1, 6),
    st.floats(0.6, 1.0),
    st.integers(0, 2**32 - 1),
)
def test_a_constant_that_changes_is_an_alarm_at_once(value: float, digits: int, part: float, seed: int) -> None:
    other = value + max(abs(value), 1.0) * 10.0**-digits
    rng = np.random.default_rng(seed)
    still = {"still": np.full(600, value), "x": rng.normal(size=600), "code": np.full(600, "on", object)}
    reference = ReferenceProfile.build(still, block_of_row=np.arange(600) // 40)
    chosen = rng.random(280) < part
    window = {
        "still": np.where(chosen, other, value), "x": rng.normal(size=280), "code": np.where(chosen, "off", "on"),
    }  # fmt: skip
    blocks = block_profiles(reference.schema, window, np.arange(280) // 40)
    _, alarm = DriftMonitor().step(judge_window(reference, blocks))
    assert alarm is not None
    assert {"still", "code"} <= set(alarm.features)
    same = {"still": np.full(280, value), "x": rng.normal(size=280), "code": np.full(280, "on", object)}
    report = judge_window(reference, block_profiles(reference.schema, same, np.arange(280) // 40))
    assert {of(report, name).verdict for name in ("still", "code")} == {DriftVerdict.STEADY}


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([0.0, 1e6, 1e9, -1e12, 1.7e15]), st.floats(-2, 6), st.integers(0, 2**32 - 1))
def test_offset_and_scale_change_no_verdict(offset: float, power: float, seed: int) -> None:
    rng, scale = np.random.default_rng(seed), 10.0**power
    if float(np.spacing(abs(offset) or 1.0)) > scale * 1e-4:
        return
    before, same, moved = rng.normal(size=4000), rng.normal(size=1400), rng.normal(0.6, 1, size=1400)
    verdicts = []
    for place, unit in ((0.0, 1.0), (offset, scale)):
        reference = ReferenceProfile.build({"x": place + unit * before})
        windows = (block_profiles(reference.schema, {"x": place + unit * each}, blocks=7) for each in (same, moved))
        verdicts.append([of(judge_window(reference, window), "x") for window in windows])
    plain, there = verdicts
    assert plain[1].verdict is there[1].verdict is DriftVerdict.DRIFTED
    assert there[1].effect == pytest.approx(plain[1].effect, abs=0.15)
    # Where nothing has moved, chance says which statistic leads; two of different kinds are only both small.
    bound = 0.1 if there[0].leading == plain[0].leading else 0.15
    assert there[0].effect == pytest.approx(plain[0].effect, abs=bound)


def days_of_weather(rng: np.random.Generator, count: int) -> tuple[dict[str, Any], np.ndarray[Any, Any]]:
    """Days that differ as a whole, some of which lack a gauge, and of which each has its own event."""
    day = np.repeat(np.arange(count), 150)
    spread = rng.normal(0, 1, (count, 6))
    columns: dict[str, Any] = {f"t{place}": spread[day, place] + rng.normal(0, 1, len(day)) for place in range(6)}
    gone = (rng.random(count) < 0.06)[day] & (rng.random(len(day)) < 0.5)
    columns["gauge"] = np.where(gone, np.nan, rng.normal(size=len(day)))
    storm = (rng.random(count) < 0.05)[day] & (rng.random(len(day)) < 0.3)
    columns["event"] = np.where(storm, "storm", "none").astype(object)
    return columns, day


@pytest.mark.parametrize("size", [14, 28])
def test_a_reference_of_few_days_raises_no_more_alarms_than_promised(size: int) -> None:
    alarms, windows = 0, 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        columns, day = days_of_weather(rng, size)
        reference = ReferenceProfile.build(columns, block_of_row=day)
        monitor = DriftMonitor(run_length=100)
        for _ in range(20):
            columns, day = days_of_weather(rng, 7)
            monitor, alarm = monitor.step(judge_window(reference, block_profiles(reference.schema, columns, day)))
            alarms, windows = alarms + (alarm is not None), windows + 1
    assert alarms <= 0.01 * windows + 3  # 160 windows: five or more have a chance of 2% at the promised rate


def test_the_least_effect_is_two_standard_errors_of_the_references_blocks() -> None:
    rng = np.random.default_rng(3)
    columns, day = days_of_weather(rng, 14)
    reference = ReferenceProfile.build(columns, block_of_row=day)
    columns, day = days_of_weather(rng, 7)
    feature_result = of(judge_window(reference, block_profiles(reference.schema, columns, day)), "t0")
    location = next(shift for shift in feature_result.shifts if shift.name == "location")
    assert 0.2 < location.least < 0.7  # 2 sqrt(1 / 2 / 14) standard deviations: days are half of the variance
    assert feature_result.least in {shift.least for shift in feature_result.shifts}
