"""What a release's scores mean, learned where labels are known, to be used where they are not yet.

It travels with the release. Beside the map from score to probability it holds how far estimates were off in whole
blocks of the reference that the map had not seen: days differ in more than their scores, and an interval that does not
know this is far too narrow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from falaj.statistics.performance.isotonic import IsotonicMap, fit_isotonic
from falaj.statistics.performance.joining import PerformanceRowsError

Vector = NDArray[np.float64]
FOLDS = 5
FEWEST_BLOCKS = 10
FEWEST_ROWS = 100
VERSION = 1

_LOSS: Mapping[str, Callable[[Vector, Vector], Vector]] = {
    "brier": lambda label, score: (score - label) ** 2,
    "accuracy": lambda label, score: np.asarray((score >= 0.5) != (label == 1), dtype=np.float64),
}
ESTIMATED = tuple(_LOSS)
"""Metrics that calibrated confidence follows. It hardly follows ranking metrics such as auc, so these are left out."""


@dataclass(frozen=True)
class Calibration:
    """How scores become probabilities, and how well this has worked.

    Attributes:
        map: Score to probability of label 1.
        spread: Metric to the standard deviation, between blocks, of estimated minus true mean loss.
        blocks: Blocks of the reference that `spread` comes from; 0 when the reference had none.
        rows: Rows of the reference.
    """

    map: IsotonicMap
    spread: Mapping[str, float]
    blocks: int
    rows: int

    def as_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        parts = {"spread": dict(self.spread), "blocks": self.blocks, "rows": self.rows}
        return {"version": VERSION, "map": self.map.to_json(), **parts}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Calibration:
        """Read what `as_json` wrote.

        Raises:
            PerformanceRowsError: A later version wrote it.
        """
        if document.get("version") != VERSION:
            raise PerformanceRowsError(f"a calibration of version {document.get('version')!r}; {VERSION} is known")
        mapped = IsotonicMap.from_json(document["map"])
        return cls(mapped, dict(document["spread"]), document["blocks"], document["rows"])


def expected_loss(metric: str, probability: Vector, score: Vector) -> tuple[Vector, Vector]:
    """Mean and variance of each row's loss when its label is 1 with this probability."""
    of_one, of_zero = (_LOSS[metric](np.full(len(score), label), score) for label in (1.0, 0.0))
    mean = probability * of_one + (1 - probability) * of_zero
    return mean, probability * (1 - probability) * (of_one - of_zero) ** 2


def fitted_variance(metric: str, calibration: Calibration, score: Vector) -> float:
    """Variance of the mean expected loss that comes from the labels which the calibration was fitted to."""
    of_one, of_zero = (_LOSS[metric](np.full(len(score), label), score) for label in (1.0, 0.0))
    return calibration.map.variance(score, (of_one - of_zero) / len(score))


def true_loss(metric: str, label: Vector, score: Vector) -> Vector:
    """Each row's loss; its mean is the metric, or 1 minus the metric where higher is better."""
    return _LOSS[metric](label, score)


def fit_calibration(score: Vector, label: Vector, *, block: NDArray[Any] | None = None) -> Calibration:
    """Learn it on rows that the model was not fitted to.

    Args:
        score: Probabilities of label 1 as the model says them.
        label: 0 or 1; rows with NaN are left out.
        block: What each row belongs to, such as its day; None when rows are independent.

    Raises:
        PerformanceRowsError: There are fewer than `FEWEST_ROWS` labelled rows, or they are no probabilities and labels.
    """
    has_label = ~np.isnan(label)
    score, label = score[has_label], label[has_label]
    if len(score) < FEWEST_ROWS:
        raise PerformanceRowsError(f"{len(score)} labelled rows are too few to calibrate on", hint=f"{FEWEST_ROWS}")
    if not (np.isin(label, (0, 1)).all() and ((score >= 0) & (score <= 1)).all()):
        raise PerformanceRowsError("calibration needs probabilities and labels 0 and 1")
    blocks = np.zeros(0, dtype=np.intp) if block is None else np.unique(block[has_label], return_inverse=True)[1]
    count = int(blocks.max()) + 1 if blocks.size else 0
    enough = count >= FEWEST_BLOCKS
    spread = _spread(score, label, blocks) if enough else {}
    return Calibration(fit_isotonic(score, label), spread, count if enough else 0, len(score))


def _spread(score: Vector, label: Vector, block: NDArray[np.intp]) -> dict[str, float]:
    """How far estimates are off in whole blocks that were held out."""
    probability = np.empty(len(score))
    for fold in range(FOLDS):
        held_out = block % FOLDS == fold
        probability[held_out] = fit_isotonic(score[~held_out], label[~held_out])(score[held_out])
    size = np.bincount(block)
    spread = {}
    for metric in ESTIMATED:
        error = expected_loss(metric, probability, score)[0] - true_loss(metric, label, score)
        spread[metric] = float((np.bincount(block, weights=error) / size).std(ddof=1))
    return spread
