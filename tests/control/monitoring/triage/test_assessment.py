"""The cause that facts speak for: every case of the design, and an answer to anything else."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falaj.control.monitoring.triage import (
    ACTION_OF,
    Cause,
    DriftFact,
    LossFact,
    QualityFact,
    TriageAction,
    TriageFacts,
    assess,
    loss_fact,
)
from falaj.statistics.performance import Measured, unknown

QUIET = TriageFacts("flights/3", 0.0, 1.0, 1000, features_of_source={"weather": 2, "flights": 5}, tolerance=0.01)
DRIFT = (DriftFact("hour", 0.2, "flights"), DriftFact("wind", 0.5, "weather"))
WEATHER = (DriftFact("wind", 3.2, "weather"), DriftFact("rain", 2.0, "weather"))
TOLERABLE = LossFact("brier", (-0.01, 0.005), "calibrated-confidence")
WORSE_BY_LABELS = LossFact("brier", (0.02, 0.06), "prediction-powered")
WORSE_BY_ESTIMATE = LossFact("brier", (0.02, 0.06), "calibrated-confidence")
UNDECIDED = LossFact("brier", (-0.01, 0.06), "calibrated-confidence")
NO_LOSS = LossFact("brier", None, "unknown", "inputs are far from the reference")
MISSING = QualityFact("missing", "wind is missing in 40% of the rows", "weather")
NEW_LEVEL = QualityFact("new-category", "carrier ZZ", upstream=False)
ALARM = "brier rose above 0.16"


@pytest.mark.parametrize(
    ("facts", "cause", "reason"),
    [
        ({}, Cause.NONE, "like the reference"),
        ({"loss": TOLERABLE}, Cause.NONE, "like the reference"),
        ({"rows": 0}, Cause.NONE, "no rows"),
        ({"rows": 0, "drift": DRIFT}, Cause.NONE, "no rows"),
        ({"rows": 0, "quality": (QualityFact("volume", "no rows for 2 h"),)}, Cause.UPSTREAM_FAULT, "volume"),
        ({"quality": (MISSING,)}, Cause.UPSTREAM_FAULT, "missing: wind is missing in 40% of the rows (weather)"),
        ({"quality": (MISSING,), "loss_alarm": ALARM}, Cause.UPSTREAM_FAULT, "no retraining"),
        (
            {"drift": (DriftFact("wind", 3.2, "weather"), DriftFact("rain", 2.0, "weather"))},
            Cause.UPSTREAM_FAULT,
            "all 2",
        ),
        ({"drift": (DriftFact("wind", 3.2, "weather"),), "loss": TOLERABLE}, Cause.COVARIATE_SHIFT, "wind (3.2)"),
        ({"drift": DRIFT, "loss": TOLERABLE}, Cause.COVARIATE_SHIFT, "worse by at most 0.005"),
        ({"joint_drift": True, "loss": TOLERABLE}, Cause.COVARIATE_SHIFT, "joint distribution"),
        ({"quality": (NEW_LEVEL,), "loss": TOLERABLE}, Cause.COVARIATE_SHIFT, "new-category: carrier ZZ"),
        ({"loss_alarm": ALARM}, Cause.CONCEPT_DRIFT, "while inputs are as they were"),
        ({"loss_alarm": ALARM, "drift": DRIFT, "loss": TOLERABLE}, Cause.CONCEPT_DRIFT, "inputs shifted: wind (0.5)"),
        ({"loss_alarm": ALARM, "rows": 0}, Cause.CONCEPT_DRIFT, ALARM),
        ({"loss": WORSE_BY_LABELS}, Cause.PERFORMANCE_LOSS, "by labels"),
        ({"loss": WORSE_BY_ESTIMATE, "drift": DRIFT}, Cause.PERFORMANCE_LOSS, "at least 0.02, tolerated 0.01"),
        ({"loss": WORSE_BY_ESTIMATE}, Cause.UNKNOWN, "no input has shifted"),
        ({"drift": DRIFT}, Cause.UNKNOWN, "nothing was measured"),
        ({"drift": DRIFT, "loss": UNDECIDED}, Cause.UNKNOWN, "worse by -0.01 to 0.06"),
        ({"drift": DRIFT, "loss": NO_LOSS}, Cause.UNKNOWN, "far from the reference"),
        ({"far_from_reference": True, "loss": TOLERABLE}, Cause.UNKNOWN, "far from the reference"),
        ({"far_from_reference": True, "loss": WORSE_BY_ESTIMATE}, Cause.UNKNOWN, "far from the reference"),
        ({"far_from_reference": True, "loss": WORSE_BY_LABELS}, Cause.PERFORMANCE_LOSS, "by labels"),
        ({"loss": LossFact("brier", (math.nan, math.nan), "bootstrap")}, Cause.NONE, "like the reference"),
        ({"drift": DRIFT, "loss": LossFact("brier", (math.nan, math.nan), "bootstrap")}, Cause.UNKNOWN, "nan"),
    ],
)
def test_facts_have_a_cause(facts: dict[str, object], cause: Cause, reason: str) -> None:
    triage_verdict = assess(replace(QUIET, **facts))  # type: ignore[arg-type]
    assert triage_verdict.cause is cause
    assert reason in "; ".join(triage_verdict.reasons)


def test_a_source_is_only_blamed_when_there_are_others_that_stand_still() -> None:
    drift = WEATHER
    alone = replace(QUIET, drift=drift, loss=TOLERABLE, features_of_source={"weather": 2})
    part = replace(QUIET, drift=drift, loss=TOLERABLE, features_of_source={"weather": 3, "flights": 5})
    nameless = replace(QUIET, drift=tuple(replace(fact, source="") for fact in drift), loss=TOLERABLE)
    twice = replace(QUIET, drift=(drift[0], drift[0]), loss=TOLERABLE)
    for facts in (alone, part, nameless, twice):
        assert assess(facts).cause is Cause.COVARIATE_SHIFT


def test_only_the_largest_shifts_are_named() -> None:
    drift = tuple(DriftFact(f"x{index}", index / 10) for index in range(9))
    reasons = assess(replace(QUIET, drift=drift, loss=TOLERABLE)).reasons
    assert reasons[0] == "shifted: x8 (0.8), x7 (0.7), x6 (0.6), x5 (0.5), x4 (0.4), 4 more"


def test_a_measured_metric_becomes_a_loss() -> None:
    auc, brier = Measured("auc", 0.7, (0.6, 0.8), "bootstrap"), Measured("brier", 0.2, (0.1, 0.3), "betting")
    assert loss_fact(auc, 0.75, higher_is_better=True).excess == pytest.approx((-0.05, 0.15))
    assert loss_fact(brier, 0.15, higher_is_better=False).excess == pytest.approx((-0.05, 0.15))
    assert loss_fact(brier, math.nan, higher_is_better=False).excess is None
    nothing = loss_fact(unknown("brier", "no rows"), 0.15, higher_is_better=False)
    assert nothing == LossFact("brier", None, "unknown", "no rows")


names = st.sampled_from(["a", "b", "c"])
numbers = st.floats(allow_nan=True)
anything = st.builds(
    TriageFacts,
    release=names,
    start=st.floats(0, 10),
    end=st.floats(0, 10),
    rows=st.integers(-1, 10),
    quality=st.lists(st.builds(QualityFact, names, names, names, st.booleans()), max_size=3).map(tuple),
    drift=st.lists(st.builds(DriftFact, names, numbers, names | st.just("")), max_size=4).map(tuple),
    joint_drift=st.booleans(),
    features_of_source=st.dictionaries(names, st.integers(0, 3)),
    loss_alarm=st.sampled_from(["", "alarm"]),
    loss=st.none()
    | st.builds(
        LossFact,
        names,
        st.none() | st.tuples(numbers, numbers),
        st.sampled_from(["betting", "bootstrap", "prediction-powered", "calibrated-confidence", "unknown"]),
        names,
    ),
    tolerance=numbers,
    far_from_reference=st.booleans(),
)


@given(anything)
def test_any_facts_have_an_answer_with_reasons(facts: TriageFacts) -> None:
    triage_verdict = assess(facts)
    assert triage_verdict == assess(facts)
    assert triage_verdict.action is ACTION_OF[triage_verdict.cause]
    assert triage_verdict.reasons
    assert all(isinstance(reason, str) and reason for reason in triage_verdict.reasons)


@given(anything)
def test_broken_data_is_never_trained_on(facts: TriageFacts) -> None:
    broken = replace(facts, quality=(*facts.quality, MISSING))
    assert assess(broken).action is TriageAction.INCIDENT


@given(anything)
def test_without_labels_and_without_a_shift_nothing_is_retrained(facts: TriageFacts) -> None:
    loss = None if facts.loss is None else replace(facts.loss, method="calibrated-confidence")
    calm = replace(facts, quality=(), drift=(), joint_drift=False, far_from_reference=False, loss_alarm="", loss=loss)
    assert assess(calm).action in (TriageAction.NONE, TriageAction.ASK)
