"""Student's t in plain Python: scipy would be a heavy dependency for two numbers.

Source: Abramowitz and Stegun, "Handbook of Mathematical Functions", 26.7.3-4 (whole degrees of freedom).
"""

from __future__ import annotations

import math

NORMAL_FROM = 300
BISECTIONS = 60


def student_tail(t: float, freedom: int) -> float:
    """P(T > t) of Student's t with whole degrees of freedom; the normal one from `NORMAL_FROM` on."""
    if freedom >= NORMAL_FROM:
        return 0.5 * math.erfc(t / math.sqrt(2))
    angle = math.atan(t / math.sqrt(freedom))
    cosine2 = math.cos(angle) ** 2
    odd = freedom % 2
    term, total = 1.0, 0.0
    for step in range(freedom // 2):
        total += term
        term *= cosine2 * ((2 * step + 2) / (2 * step + 3) if odd else (2 * step + 1) / (2 * step + 2))
    within = math.sin(angle) * total
    if odd:
        within = 2 / math.pi * (angle + within * math.cos(angle))
    return min(1.0, max(0.0, (1 - within) / 2))


def student_quantile(confidence: float, freedom: int) -> float:
    """The t that Student's t exceeds with probability 1 - confidence."""
    low, high = 0.0, 1000.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if student_tail(middle, freedom) > 1 - confidence else (low, middle)
    return high
