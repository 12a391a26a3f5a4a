"""Upper tails of the distributions that tests of drift need, by the standard library alone.

Monitors work in the light installation, and what they need of a statistics library is these few functions. They are
tested against one.

Sources: W. Press et al., "Numerical Recipes" (3rd ed., 2007), 6.2 and 6.4 (incomplete gamma and beta functions by
series and by Lentz's continued fractions); noncentral tails as Poisson mixtures of central ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

_TINY = 1e-300
_ENOUGH = 1e-15
_STEPS = 10_000


def normal_tail(value: float) -> float:
    """P(Z > value) of the standard normal."""
    return 0.5 * math.erfc(value / math.sqrt(2))


def chi_square_tail(value: float, freedom: float, noncentrality: float = 0.0) -> float:
    """P(X > value) of the chi-square with `freedom` > 0 degrees, central or not."""
    if value < _TINY:
        return 1.0
    if noncentrality < _TINY:
        return _gamma_tail(freedom / 2, value / 2)
    first, weights = _poisson(noncentrality / 2)
    shape, half = freedom / 2 + first, value / 2
    tail, total = _gamma_tail(shape, half), 0.0
    for weight in weights:
        total += weight * min(1.0, tail)
        tail += math.exp(shape * math.log(half) - half - math.lgamma(shape + 1))
        shape += 1
    return min(1.0, total)


def f_tail(value: float, freedom: float, below: float, noncentrality: float = 0.0) -> float:
    """P(X > value) of the F distribution with `freedom` over `below` degrees, central or not."""
    if value < _TINY:
        return 1.0
    if math.isinf(below):
        return chi_square_tail(value * freedom, freedom, noncentrality)
    odds = freedom * value / below
    share, rest = odds / (1 + odds), 1 / (1 + odds)
    if noncentrality < _TINY:
        return _beta(below / 2, freedom / 2, rest)
    first, weights = _poisson(noncentrality / 2)
    shape, other = freedom / 2 + first, below / 2
    tail, total = _beta(other, shape, rest), 0.0
    for weight in weights:
        total += weight * min(1.0, tail)
        log_step = shape * math.log(share) + other * math.log(rest) - math.log(shape) - _log_beta(shape, other)
        tail += math.exp(log_step)
        shape += 1
    return min(1.0, total)


def student_tail(value: float, freedom: float) -> float:
    """P(T > value) of Student's t; `freedom` may be infinite."""
    if math.isinf(freedom):
        return normal_tail(value)
    half = 0.5 * _beta(freedom / 2, 0.5, freedom / (freedom + value * value))
    return half if value >= 0 else 1 - half


def binomial_tail(count: int, trials: int, chance: float) -> float:
    """P(X >= count) of the binomial."""
    if count <= 0:
        return 1.0
    if count > trials or chance <= 0:
        return 0.0
    return _beta(count, trials - count + 1, min(chance, 1.0))


def _poisson(mean: float) -> tuple[int, Iterator[float]]:
    """The first term worth counting of a Poisson distribution, and the weights from it on."""
    reach = 10 * math.sqrt(mean) + 20
    first = max(0, int(mean - reach))
    count = int(mean + reach) - first
    logs = (term * math.log(mean) - mean - math.lgamma(term + 1) for term in range(first, first + count))
    return first, (math.exp(log) for log in logs)


def _gamma_tail(shape: float, value: float) -> float:
    front = math.exp(shape * math.log(value) - value - math.lgamma(shape))
    if value >= shape + 1:
        return front * _gamma_fraction(shape, value)
    term = total = 1 / shape
    for step in range(1, _STEPS):
        term *= value / (shape + step)
        total += term
        if term < total * _ENOUGH:
            break
    return 1 - front * total


def _gamma_fraction(shape: float, value: float) -> float:
    b = value + 1 - shape
    c, d = 1 / _TINY, 1 / b
    fraction = d
    for step in range(1, _STEPS):
        a = -step * (step - shape)
        b += 2
        d = 1 / _apart(a * d + b)
        c = _apart(b + a / c)
        fraction *= d * c
        if abs(d * c - 1) < _ENOUGH:
            break
    return fraction


def _beta(a: float, b: float, value: float) -> float:
    """The regularised incomplete beta function I_value(a, b)."""
    if value <= 0 or value >= 1:
        return 0.0 if value <= 0 else 1.0
    front = math.exp(a * math.log(value) + b * math.log1p(-value) - _log_beta(a, b))
    if value < (a + 1) / (a + b + 2):
        return front * _beta_fraction(a, b, value) / a
    return 1 - front * _beta_fraction(b, a, 1 - value) / b


def _beta_fraction(a: float, b: float, value: float) -> float:
    c, d = 1.0, 1 / _apart(1 - (a + b) * value / (a + 1))
    fraction = d
    for step in range(1, _STEPS):
        even = step * (b - step) * value / ((a + 2 * step - 1) * (a + 2 * step))
        odd = -(a + step) * (a + b + step) * value / ((a + 2 * step) * (a + 2 * step + 1))
        for factor in (even, odd):
            d = 1 / _apart(1 + factor * d)
            c = _apart(1 + factor / c)
            fraction *= d * c
        if abs(d * c - 1) < _ENOUGH:
            break
    return fraction


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _apart(value: float) -> float:
    """A denominator that is not zero."""
    return value if abs(value) > _TINY else _TINY
