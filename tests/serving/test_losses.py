from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falaj.serving.losses import LOSSES, losses, probabilities_of, score_of

BINARY = {"probability": [0.8]}
CLASSES = {"probabilities": [[0.1, 0.2, 0.7]]}


@pytest.mark.parametrize(
    ("metric", "outputs", "label", "wanted"),
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
def test_a_loss_is_what_the_textbook_says(metric, outputs, label, wanted) -> None:
    assert losses(metric, outputs, [label]) == [pytest.approx(wanted)]


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


@given(st.sampled_from(LOSSES), st.floats(0, 1), st.sampled_from([0, 1]))
def test_losses_are_bounded_because_the_bets_on_them_are(metric, probability, label) -> None:
    [loss] = losses(metric, {"probability": [probability]}, [label])
    assert 0 <= loss <= 1


def test_the_score_is_the_last_probability_or_the_number_itself() -> None:
    assert score_of(CLASSES, 0) == 0.7
    assert score_of({"minutes": [12.5]}, 0) == 12.5
    assert math.isnan(score_of({"label": ["late"]}, 0))
    assert probabilities_of({"minutes": [12.5]}, 0) == ()
