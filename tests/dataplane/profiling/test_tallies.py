"""Losses of single predictions, and what may be told of many."""

from __future__ import annotations

import math

import numpy as np
import pytest

from falaj.dataplane.agent.profiling.blocks import scores_of
from falaj.dataplane.agent.profiling.tallies import LossRun, LossTally, disclosable, losses_of, mistakes_of
from falaj.dataplane.agent.profiling.tallies import scores_of as strips_of
from falaj.statistics.reference import ExpectedLoss

ABSOLUTE, BRIER = ExpectedLoss("absolute", 0.2, scale=10.0), ExpectedLoss("brier", 0.2)


def test_numbers_lose_by_their_distance_on_the_scale_of_the_reference() -> None:
    outputs = {"prediction": [5.0, 50.0, 1.0, 1.0]}
    row_losses = losses_of(ABSOLUTE, outputs, [7, 0, None, "x"])
    assert row_losses[:2] == [0.2, 1.0] and all(map(math.isnan, row_losses[2:]))
    assert mistakes_of(ABSOLUTE, outputs, [7, 0, None, "x"]) == []


def test_probabilities_lose_by_brier_and_decisions_are_right_or_wrong() -> None:
    outputs = {"label": [1, 0], "probability": [[0.4, 0.6], [0.9, 0.1]]}
    assert losses_of(BRIER, outputs, [1, 1]) == pytest.approx([0.16, 0.81])
    assert mistakes_of(BRIER, outputs, [1, 1]) == [0.0, 1.0]
    assert math.isnan(mistakes_of(BRIER, outputs, [1, None])[1])


def test_decisions_among_several_classes_are_right_or_wrong() -> None:
    outputs = {"label": ["low", "mid", "high"], "probability": [[0.1, 0.8, 0.1]] * 3}
    expected = ExpectedLoss("error_rate", 0.2)
    assert losses_of(expected, outputs, ["low", "high", None])[:2] == [0.0, 1.0]
    assert mistakes_of(expected, outputs, ["low", "high", "high"]) == [0.0, 1.0, 0.0]
    assert strips_of(expected, outputs, ["low", "high", "high"]) == []


def test_a_tally_is_told_only_of_enough_rows() -> None:
    tally = LossTally().added([0.1] * 17 + [1.0, math.nan], [1.0, 0.0])
    assert (tally.labelled, tally.unusable, tally.wrong, sum(tally.cells)) == (18, 1, 1, 18)
    assert disclosable(tally, 0) == tally and disclosable(LossTally(), 0) is None and disclosable(tally, 20) is None
    coarse = disclosable(tally, 10)
    assert coarse is not None and sum(coarse.cells) == 10 and coarse.wrong == 0
    assert LossTally.from_json(tally.to_json()) == tally


def test_labelled_scores_are_counted_by_strip_and_told_only_where_many_rows_are() -> None:
    tally = LossTally().added([0.1] * 12 + [0.5, math.nan], [], [0.97] * 12 + [0.02, 0.5])
    assert (tally.score_rows[19], tally.score_rows[0], sum(tally.score_rows)) == (12, 1, 13)
    assert tally.score_losses[19] == pytest.approx(1.2)
    coarse = disclosable(tally, 10)
    assert coarse is not None and sum(coarse.score_rows) == 10 and sum(coarse.score_losses) == pytest.approx(1.0)
    assert LossTally.from_json(tally.to_json()) == tally


def test_losses_are_cut_into_equal_numbers_of_rows() -> None:
    run, full = LossRun().added([0.5] * 7 + [math.nan], 100.0, 200.0, 3)
    assert (run.number, run.rows) == (2, 1) and [each.rows for each in full] == [3, 3]
    assert (full[0].total, full[0].start, full[0].labelled_at) == (1.5, 100.0, 200.0)
    assert LossRun.from_json(run.to_json()) == run and LossRun.from_json(LossRun(4).to_json()) == LossRun(4)


def test_scores_come_from_whatever_a_model_answers() -> None:
    assert scores_of({"label": np.array([1]), "probability": np.array([[0.25, 0.75]])}, 1).tolist() == [0.75]
    assert scores_of({"prediction": np.array([3, 4])}, 2).tolist() == [3.0, 4.0]
    maps = np.array([{0: 0.1, 1: 0.9}], dtype=object)
    assert scores_of({"label": np.array([1]), "probability": maps}, 1).tolist() == [0.9]
    words = scores_of({"label": np.array(["a", "b"], dtype=object)}, 2)
    assert np.isnan(words).all() and np.isnan(scores_of({}, 2)).all()
