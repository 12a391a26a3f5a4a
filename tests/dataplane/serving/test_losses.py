from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falaj.statistics.losses import OF_CLASSES, OF_NUMBERS, LossContext, error_of, losses, probabilities_of, score_of

BINARY = {"probability": [0.8]}
CLASSES = {"probabilities": [[0.1, 0.2, 0.7]]}


@pytest.mark.parametrize(
    ("metric", "outputs", "label", "expected"),
    [
        ("brier", BINARY, 1, 0.04),
        ("brier", BINARY, 0, 0.64),
        ("brier", CLASSES, 2, (0.01 + 0.04 + 0.09) / 2),
        ("brier", {"anything": [0.8]}, 1, 0.04),
        ("brier", {"proba": [{"no": 0.2, "yes": 0.8}]}, True, 0.04),
        ("log_loss", BINARY, 1, math.log(0.8) / math.log(0.01)),
        ("log_loss", {"probability": [0.0]}, 1, 1.0),
        ("accuracy", BINARY, 1, 0.0),
        ("accuracy", CLASSES, 1, 1.0),
        ("accuracy", {"label": ["late"]}, "late", 0.0),
        ("accuracy", {"label": [1]}, True, 0.0),
        ("accuracy", {"label": ["1"]}, 1, 0.0),
        ("accuracy", {"label": [1.0]}, "0", 1.0),
        ("accuracy", {"class": ["late"]}, "on time", 1.0),
    ],
)
def test_a_loss_is_what_the_textbook_says(metric, outputs, label, expected) -> None:
    assert losses(metric, outputs, [label]) == [pytest.approx(expected)]


@pytest.mark.parametrize(
    ("metric", "outputs", "label"),
    [
        ("brier", {"label": ["late"]}, 1),
        ("brier", BINARY, "late"),
        ("brier", BINARY, 2),
        ("brier", BINARY, 0.5),
        ("brier", {"minutes": [12.5]}, 1),
        ("brier", BINARY, None),
        ("accuracy", BINARY, None),
        ("log_loss", CLASSES, None),
    ],
)
def test_where_label_or_outputs_say_nothing_there_is_no_loss(metric, outputs, label) -> None:
    assert math.isnan(losses(metric, outputs, [label])[0])


LIMITED = LossContext(limit=10.0)
KEYED = {"proba": [{"early": 0.2, "late": 0.7, "ok": 0.1}]}
NAMED = {"label": ["late"], "probability": [[0.2, 0.7, 0.1]]}
MET = LossContext(("early", "late", "ok"))


@pytest.mark.parametrize(
    ("metric", "predicted", "label", "expected", "context"),
    [
        ("mae", 12.0, 15, 0.3, LIMITED),
        ("mae", 12.0, 99, 1.0, LIMITED),
        ("rmse", 12.0, 15.0, 0.09, LIMITED),
        ("pinball", 12.0, 15.0, 0.3, LIMITED),
        ("pinball", 12.0, 15.0, 0.3, LossContext(limit=10.0, quantile=0.9)),
        ("pinball", 15.0, 12.0, 0.3 / 9, LossContext(limit=10.0, quantile=0.9)),
        ("mae", None, 3.0, 1.0, LIMITED),
        ("mae", math.inf, 3.0, 1.0, LIMITED),
        ("mae", [12.0], 15, 0.3, LIMITED),
    ],
)
def test_errors_of_numbers_are_shares_of_what_they_are_cut_off_at(metric, predicted, label, expected, context) -> None:
    assert losses(metric, {"minutes": [predicted]}, [label], context) == [pytest.approx(expected)]


@pytest.mark.parametrize(
    ("predicted", "label", "context"),
    [(12.0, 15.0, LossContext()), (12.0, None, LIMITED), (12.0, "late", LIMITED), ("late", 1.0, LIMITED),
     (12.0, math.nan, LIMITED), (12.0, True, LIMITED)],
)  # fmt: skip
def test_what_is_no_number_or_has_no_limit_has_no_error(predicted, label, context) -> None:
    assert math.isnan(losses("mae", {"minutes": [predicted]}, [label], context)[0])
    assert error_of({"minutes": [12.0]}, 0, 15) == 3.0 and math.isnan(error_of({"minutes": [12.0]}, 0, None))


@pytest.mark.parametrize(
    ("metric", "outputs", "label", "expected", "context"),
    [
        ("brier", KEYED, "late", (0.04 + 0.09 + 0.01) / 2, LossContext()),
        ("accuracy", KEYED, "late", 0.0, LossContext()),
        ("brier", NAMED, "late", (0.04 + 0.09 + 0.01) / 2, MET),
        ("log_loss", NAMED, "ok", math.log(0.1) / math.log(0.01), MET),
        ("accuracy", {"probability": [[0.2, 0.7, 0.1]]}, "late", 0.0, MET),
        ("brier", {"probability": [0.8]}, "yes", 0.04, LossContext(("no", "yes"))),
        ("brier", {"probability": [[0.2, 0.7, 0.1]]}, 20, (0.04 + 0.09 + 0.01) / 2, LossContext((10, 20, 30))),
    ],
)
def test_classes_with_names_are_found_among_the_probabilities(metric, outputs, label, expected, context) -> None:
    assert losses(metric, outputs, [label], context) == [pytest.approx(expected)]


def test_classes_are_met_one_by_one_and_name_probabilities_when_there_are_as_many() -> None:
    context = LossContext().meeting(["ok", "late", None])
    assert context.classes == ("late", "ok") and context.meeting(["ok"]) is context
    assert math.isnan(losses("brier", NAMED, ["late"], context)[0]), "which is which is not known yet"
    assert losses("brier", NAMED, ["late"], context.meeting(["early"])) == [pytest.approx(0.07)]
    assert LossContext().meeting([2, 10.0, True, "b", 0.5]).classes == (0.5, 1, 2, 10, "b")
    assert LossContext().meeting(range(1_000)) == LossContext(), "numbers are no classes"


@given(st.sampled_from(OF_NUMBERS), st.floats(), st.floats(), st.floats(0.01, 0.99))
def test_errors_are_bounded_too(metric, predicted, label, quantile) -> None:
    [loss] = losses(metric, {"n": [predicted]}, [label], LossContext(limit=3.0, quantile=quantile))
    assert 0 <= loss <= 1 or (math.isnan(loss) and not math.isfinite(label))


@given(st.sampled_from(OF_CLASSES), st.floats(0, 1), st.sampled_from([0, 1]))
def test_losses_are_bounded_because_the_bets_on_them_are(metric, probability, label) -> None:
    [loss] = losses(metric, {"probability": [probability]}, [label])
    assert 0 <= loss <= 1


def test_the_score_is_the_last_probability_or_the_number_itself() -> None:
    assert score_of(CLASSES, 0) == 0.7
    assert score_of({"minutes": [12.5]}, 0) == 12.5
    assert math.isnan(score_of({"label": ["late"]}, 0))
    assert probabilities_of({"minutes": [12.5]}, 0) == ()
