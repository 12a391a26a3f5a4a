"""Labels that come for some scores only: seen, weighted, or said to be too few; and intervals that hold."""

from __future__ import annotations

import numpy as np
import pytest

from falaj.statistics.performance import EstimationWindow, estimate, fit_calibration

CALIBRATED = np.random.default_rng(1)
SCORES = CALIBRATED.beta(1, 3, 4000)
CALIBRATION = fit_calibration(SCORES, (CALIBRATED.random(4000) < SCORES).astype(float))


def drawn(seed: int, rows: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Scores, and labels of a concept that has changed: high scores are wrong more often than they were."""
    rng = np.random.default_rng(seed)
    score = rng.beta(1, 3, rows)
    return score, (rng.random(rows) < score**1.5).astype(float)


def labelled(seed: int, label_chance: object) -> tuple[EstimationWindow, float]:
    score, label = drawn(seed)
    chance = np.broadcast_to(label_chance(score) if callable(label_chance) else label_chance, score.shape)
    labelled_mask = np.random.default_rng(1000 + seed).random(len(score)) < chance
    return EstimationWindow(score, np.where(labelled_mask, label, np.nan)), float(((score - label) ** 2).mean())


def test_labels_of_high_scores_more_often_are_weighted_and_the_interval_holds() -> None:
    trials = []
    for seed in range(40):
        window, real = labelled(seed, lambda score: 0.05 + 0.9 * score)
        measured = estimate("brier", window, CALIBRATION, rng=np.random.default_rng(0))
        assert measured.method == "score-weighted" and measured.interval and measured.value is not None
        labelled_mask = window.labelled
        plain = float(((window.score - window.label)[labelled_mask] ** 2).mean())
        trials.append(
            (abs(measured.value - real), abs(plain - real), measured.interval[0] <= real <= measured.interval[1])
        )
    weighted, plain, holds = np.mean(trials, axis=0)
    assert weighted < plain / 3
    assert holds >= 0.9


def test_labels_of_predicted_positives_only_say_nothing_of_the_others() -> None:
    window, _ = labelled(1, lambda score: (score > 0.5).astype(float))
    measured = estimate("brier", window, CALIBRATION, rng=np.random.default_rng(0))
    assert (measured.value, measured.method) == (None, "unknown")
    assert "labels come for some scores only" in measured.reason


@pytest.mark.parametrize("share", [0.05, 0.3, 0.8])
def test_a_fair_sample_is_not_taken_for_a_selective_one(share: float) -> None:
    methods = [
        estimate("brier", labelled(seed, share)[0], CALIBRATION, rng=np.random.default_rng(0)).method
        for seed in range(40)
    ]
    assert methods.count("prediction-powered") >= 39


def test_few_blocks_have_an_interval_by_students_t_and_one_has_none() -> None:
    holds = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        block = np.repeat(np.arange(5), 200)
        score = rng.beta(2, 2, 1000)
        label = (rng.random(1000) < np.clip(score + rng.normal(0, 0.15, 5)[block], 0, 1)).astype(float)
        labelled_mask = rng.random(1000) < 0.4
        window = EstimationWindow(score, np.where(labelled_mask, label, np.nan), block)
        measured = estimate("brier", window, CALIBRATION, rng=rng)
        many = np.clip(np.random.default_rng(9).beta(2, 2, 100_000), 0, 1)
        chance = np.clip(many + np.random.default_rng(8).normal(0, 0.15, 100_000), 0, 1)
        real = float((chance * (1 - many) ** 2 + (1 - chance) * many**2).mean())
        assert measured.interval
        holds.append(measured.interval[0] <= real <= measured.interval[1])
    assert np.mean(holds) >= 0.9  # the normal quantile held in 84%
    one = EstimationWindow(score, np.where(labelled_mask, label, np.nan), np.zeros(1000, dtype=np.intp))
    assert estimate("brier", one, CALIBRATION, rng=rng).method == "unknown"
