"""Labels that come late, twice, corrected or for nothing that is known, joined to predictions by their ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from falaj.core.errors import UsageError

Vector = NDArray[np.float64]


class PerformanceRowsError(UsageError):
    """Rows, labels or scores that no performance can be measured on."""

    code = "monitoring.performance-rows"


@dataclass(frozen=True)
class Labels:
    """Labels as they came in.

    Args:
        prediction_id: What each is a label of.
        label: One number each.
        labelled_at: When each came in, unix seconds.

    Raises:
        PerformanceRowsError: Lengths differ, or a label is not a finite number.
    """

    prediction_id: Sequence[str]
    label: Vector
    labelled_at: Vector

    def __post_init__(self) -> None:
        if not len(self.prediction_id) == len(self.label) == len(self.labelled_at):
            raise PerformanceRowsError("ids, labels and times have different lengths")
        if not (np.isfinite(self.label).all() and np.isfinite(self.labelled_at).all()):
            raise PerformanceRowsError("a label or its time is not a finite number")


@dataclass(frozen=True)
class JoinedRows:
    """Labels beside predictions.

    Attributes:
        label: One a prediction; NaN where there is none yet.
        labelled_at: When it came in; NaN where there is none.
        unknown: Labels of ids that no prediction has; the ids may come later, so they are worth keeping for a time.
        repeated: Labels that say again what was known.
        corrected: Labels that say otherwise than an earlier one; the latest counts.
    """

    label: Vector
    labelled_at: Vector
    unknown: tuple[str, ...]
    repeated: int
    corrected: int


def join(prediction_id: Sequence[str], labels: Labels) -> JoinedRows:
    """Give each prediction its latest label; of two at the same time the one that stands later.

    Args:
        prediction_id: Of the predictions, each once.
        labels: In any order.
    """
    place = {name: index for index, name in enumerate(prediction_id)}
    if len(place) < len(prediction_id):
        raise PerformanceRowsError(f"{len(prediction_id) - len(place)} prediction ids stand twice")
    label, arrival = np.full(len(place), np.nan), np.full(len(place), np.nan)
    unknown: dict[str, None] = {}
    repeated = corrected = 0
    for index in np.argsort(labels.labelled_at, kind="stable"):
        name = labels.prediction_id[index]
        row = place.get(name)
        if row is None:
            unknown[name] = None
            continue
        repeated += bool(label[row] == labels.label[index])
        corrected += bool(np.isfinite(label[row]) and label[row] != labels.label[index])
        if label[row] != labels.label[index]:
            label[row], arrival[row] = labels.label[index], labels.labelled_at[index]
    return JoinedRows(label, arrival, tuple(unknown), repeated, corrected)
