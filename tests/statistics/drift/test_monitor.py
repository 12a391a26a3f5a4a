"""Evidence over time: what is promised is kept, and a change ends in an alarm that names it."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from falaj.statistics.drift import DriftMonitor, DriftReport, DriftVerdict, FeatureDrift
from falaj.statistics.drift.combining import cauchy, discoveries, evidence
from falaj.statistics.drift.dependence import NOTHING


def feature(name: str, p_value: float) -> FeatureDrift:
    return FeatureDrift(name, DriftVerdict.STEADY, 0.1, p_value, p_value, evidence(p_value), "location")


def report(*p_values: float) -> DriftReport:
    features = tuple(feature(f"f{place}", p_value) for place, p_value in enumerate(p_values))
    return DriftReport(0.0, 60.0, 1000, 4, "blocks", 0.02, features, feature("joint", 0.5), NOTHING)


def windows_to_alarm(rng: np.random.Generator, limit: int) -> int:
    monitor = DriftMonitor(run_length=20)
    for count in range(1, limit):
        monitor, alarm = monitor.step(report(*rng.random(4)))
        if alarm:
            return count
    return limit


def test_without_a_change_the_mean_run_is_at_least_the_promised_one() -> None:
    rng = np.random.default_rng(1)
    runs = [windows_to_alarm(rng, 400) for _ in range(60)]  # cut at 400, which only makes the mean smaller
    assert np.mean(runs) > 20


def test_an_alarm_names_what_the_evidence_is_on_and_begins_anew() -> None:
    monitor = DriftMonitor(run_length=50)
    for _ in range(3):
        monitor, alarm = monitor.step(report(1e-5, 0.4, 0.6))
        if alarm:
            break
    assert alarm
    assert alarm.features == ("f0",)
    assert (monitor.windows, dict(monitor.evidence)) == (0, {})


def test_an_alarm_that_lasts_is_one_alarm_and_another_one_after_it_was_over() -> None:
    monitor, alarms = DriftMonitor(run_length=50), []
    for number in range(30):
        monitor, alarm = monitor.step(report(1e-6, 0.4 + 0.02 * (number % 3), 0.6))
        alarms += [alarm] if alarm else []
    assert [alarm.features for alarm in alarms] == [("f0",)]
    assert set(monitor.lasting) == {"f0"}
    monitor, alarm = monitor.step(report(1e-6, 1e-40, 0.6))
    assert alarm and alarm.features == ("f1",)
    for _ in range(3):
        monitor, alarm = monitor.step(report(0.5, 1e-6, 0.6))
        assert alarm is None
    assert set(monitor.lasting) == {"f1"}
    for _ in range(4):
        monitor, alarm = monitor.step(report(1e-6, 1e-6, 0.6))
        if alarm:
            break
    assert alarm and alarm.features == ("f0",)


def test_a_feature_that_was_not_tested_keeps_its_evidence() -> None:
    monitor, _ = DriftMonitor().step(report(0.001, 0.5))
    silent = replace(report(0.001, 0.5).features[0], verdict=DriftVerdict.NOT_TESTED)
    after, _ = monitor.step(replace(report(0.5, 0.5), features=(silent, feature("f1", 0.5))))
    assert after.evidence["f0"] == monitor.evidence["f0"]


def test_a_window_that_says_nothing_changes_nothing() -> None:
    monitor, _ = DriftMonitor().step(report(0.01))
    unknown = tuple(replace(each, verdict=DriftVerdict.NOT_TESTED) for each in report(0.01).all_features)
    silent = replace(report(0.01), features=unknown[:-1], joint=unknown[-1])
    assert monitor.step(silent) == (monitor, None)


def test_the_state_survives_a_restart() -> None:
    monitor, _ = DriftMonitor(run_length=77).step(report(0.01, 0.2))
    assert DriftMonitor.from_json(json.loads(json.dumps(monitor.to_json()))) == monitor
    monitor, alarm = monitor.step(report(1e-30, 0.2))
    assert alarm and monitor.lasting
    assert DriftMonitor.from_json(json.loads(json.dumps(monitor.to_json()))) == monitor
    assert "1 false alarm in 77 windows" in monitor.guarantee
    with pytest.raises(ValueError, match="run_length"):
        DriftMonitor.from_json({"run_length": "something else"})


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_the_cauchy_rule_lies_between_its_parts_and_their_worst_case(p_values: list[float]) -> None:
    combined = cauchy(p_values)
    assert 0 <= combined <= 1
    assert combined >= min(0.95, min(p_values)) * 0.99
    assert cauchy([]) == 1.0


def test_the_mean_of_evidence_without_a_change_is_one() -> None:
    rng = np.random.default_rng(2)
    assert np.mean([evidence(p_value) for p_value in rng.random(100_000)]) == pytest.approx(1.0, abs=0.1)


def test_discoveries_are_those_of_benjamini_and_hochberg() -> None:
    assert discoveries([0.01, 0.02, 0.03, 0.9], 0.05) == [True, True, True, False]
    assert discoveries([0.02, 0.5, 0.9], 0.05) == [False, False, False]
    assert discoveries([], 0.05) == []
