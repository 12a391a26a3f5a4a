"""Metrics of labelled predictions in windows of event time: when the prediction was made, not when its label came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from falaj.statistics.performance.intervals import Measured, measure, unknown
from falaj.statistics.performance.joining import PerformanceRowsError, Vector


@dataclass(frozen=True)
class WindowPerformance:
    """What the labels of a window say.

    Attributes:
        start: Unix seconds, inclusive.
        end: Unix seconds, exclusive.
        rows: Predictions in it.
        labelled: Of these, how many have a label.
        metrics: By name.
    """

    start: float
    end: float
    rows: int
    labelled: int
    metrics: Mapping[str, Measured]


def performance_windows(
    metrics: Sequence[str],
    label: Vector,
    score: Vector,
    event_time: Vector,
    *,
    edges: Sequence[float],
    rng: np.random.Generator,
    confidence: float = 0.95,
    block_s: float | None = None,
) -> list[WindowPerformance]:
    """Measure every window.

    Args:
        metrics: Names from `falaj.statistics.metrics.METRICS`.
        label: One a prediction; NaN where there is none yet.
        score: One a prediction.
        event_time: Unix seconds of each prediction, in any order.
        edges: Limits of the windows, increasing, unix seconds: n + 1 of them for n windows.
        rng: Source of orders and resamples.
        confidence: Of the intervals.
        block_s: Width of a block in seconds, such as a day, where rows of one are alike; None when they are not.

    Returns:
        One a window, empty ones too.

    Raises:
        PerformanceRowsError: Lengths differ, or the edges do not increase.
    """
    if not len(label) == len(score) == len(event_time):
        raise PerformanceRowsError("labels, scores and times have different lengths")
    if len(edges) < 2 or not (np.diff(edges) > 0).all():
        raise PerformanceRowsError("the edges of windows must increase")
    block = None if block_s is None else np.asarray(event_time // block_s).astype(np.intp)
    window = np.searchsorted(edges, event_time, side="right") - 1
    window_results = []
    for index, (start, end) in enumerate(pairwise(edges)):
        inside = window == index
        rows = np.flatnonzero(inside & ~np.isnan(label))
        measured = {name: _measured(name, label, score, block, rows, confidence, rng) for name in metrics}
        window_results.append(WindowPerformance(start, end, int(inside.sum()), len(rows), measured))
    return window_results


def _measured(
    name: str,
    label: Vector,
    score: Vector,
    block: NDArray[np.intp] | None,
    rows: NDArray[np.intp],
    confidence: float,
    rng: np.random.Generator,
) -> Measured:
    if not rows.size:
        return unknown(name, "no prediction of this window has a label yet")
    part = None if block is None else block[rows]
    return measure(name, label[rows], score[rows], confidence=confidence, rng=rng, block=part)
