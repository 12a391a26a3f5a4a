"""Evidence of several metrics as one, and whom to name."""

from __future__ import annotations

import math
from collections.abc import Mapping


def log_combined(evidence: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """Log of the weighted mean of e-values given as logs: an e-value under any dependence of the metrics."""
    if not evidence:
        return 0.0
    highest = max(evidence.values())
    terms = sum(weights[name] * math.exp(value - highest) for name, value in evidence.items())
    return highest + math.log(terms / sum(weights[name] for name in evidence))


def culprits(evidence: Mapping[str, float], weights: Mapping[str, float], line: float) -> tuple[str, ...]:
    """The metrics that can be named with a family-wise error bound, strongest first (e-Holm, weighted).

    A metric is named when every group of metrics that contains it has a weighted mean of e-values above the line. The
    group that comes nearest to not having it is made of the metrics with the least evidence, so those are tried.

    Args:
        evidence: Log e-value of each metric.
        weights: Of each metric.
        line: Log of 1/alpha.

    Source: V. Vovk and R. Wang, "E-values: calibration, combination and applications", section 5.
    """
    ascending = sorted(evidence, key=lambda name: evidence[name])
    named = [name for name in evidence if all(mean >= line for mean in _means(name, ascending, evidence, weights))]
    return tuple(sorted(named, key=lambda name: -evidence[name]))


def _means(name: str, ascending: list[str], evidence: Mapping[str, float], weights: Mapping[str, float]) -> list[float]:
    group, means = {name}, [evidence[name]]
    for other in ascending:
        group.add(other)
        means.append(log_combined({member: evidence[member] for member in group}, weights))
    return means
