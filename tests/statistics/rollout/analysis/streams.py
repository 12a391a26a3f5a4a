"""Plans and random traffic for the tests of this folder."""

from __future__ import annotations

import numpy as np

from falaj.statistics.rollout.analysis import AnalysisPlan, Batch, MetricSpec

CUTS = (20.0, 40.0, 60.0)
BINS = (0.25, 0.5, 0.75)


def everything(**more):
    """A plan with a metric of each kind."""
    metrics = (
        MetricSpec.errors(),
        MetricSpec.latency(CUTS),
        MetricSpec.distribution(BINS),
        MetricSpec.quality("brier"),
        MetricSpec.quality_paired("paired"),
        MetricSpec.disagreement(0.05),
    )
    return AnalysisPlan(metrics, **more)


def requests(rng, count, *, weight=0.1, errors=(0.01, 0.01), slower=1.0, shift=0.0, scores=True):
    """Requests with rates of errors of (stable, canary), latency with median 20 ms, scores in [0, 1]."""
    weights = np.broadcast_to(np.asarray(weight, dtype=float), count).copy()
    candidate = rng.random(count) < weights
    return Batch(
        candidate,
        weights,
        rng.random(count) < np.where(candidate, errors[1], errors[0]),
        20 * np.exp(rng.normal(0, 0.5, count)) * np.where(candidate, slower, 1),
        np.clip(rng.random(count) + shift * candidate, 0, 1) if scores else None,
    )
