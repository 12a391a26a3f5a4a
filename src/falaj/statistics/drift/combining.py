"""Many p-values, one answer: within a feature, within a window, and over time.

Sources: Y. Liu, J. Xie, "Cauchy combination test", JASA 115 (2020); Y. Benjamini, Y. Hochberg, "Controlling the false
discovery rate", JRSS-B 57 (1995).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

LARGEST = 0.95  # a p-value near 1 would outweigh every small one in the Cauchy sum
SMALLEST = 1e-300


def cauchy(p_values: Iterable[float]) -> float:
    """The p-value of several of one thing, whatever their dependence; 1 of none."""
    scores = [_score(min(LARGEST, max(SMALLEST, p_value))) for p_value in p_values]
    if not scores:
        return 1.0
    mean = sum(scores) / len(scores)
    return 1 / (math.pi * mean) if mean > 1e8 else 0.5 - math.atan(mean) / math.pi


def _score(p_value: float) -> float:
    return 1 / (math.pi * p_value) if p_value < 1e-8 else math.tan((0.5 - p_value) * math.pi)


def discoveries(p_values: Sequence[float], rate: float) -> list[bool]:
    """Which of the p-values are discoveries such that at most `rate` of these are expected to be false."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    passed = [rank for rank, place in enumerate(order, 1) if p_values[place] <= rate * rank / len(p_values)]
    passing_places = set(order[: max(passed, default=0)])
    return [place in passing_places for place in range(len(p_values))]


def evidence(p_value: float) -> float:
    """An e-value: without a change its expectation is at most 1."""
    return 0.5 / math.sqrt(max(SMALLEST, p_value))
