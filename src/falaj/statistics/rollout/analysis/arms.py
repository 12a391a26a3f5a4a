"""Bets on the arm of an event: evidence about the ratio of two rates that needs neither rate.

Of a request with the event, only the arm is looked at. If the ratio canary/stable of the rates is r and the canary's
weight was w, the arm is the canary with probability theta(r) = w r / (1 - w + w r), whatever the rates are and however
they drift: an incident that hits both arms cancels. A likelihood ratio of r against a tolerated r0 is a fair bet at r0
and a losing one below, so mixtures of products of such ratios are e-processes.

Sources: M. Lindon and A. Malek, "Anytime-valid inference for multinomial count data" (arXiv 2011.03567); R. Turner, A.
Ly and P. Grunwald, "Generic e-variables for exact sequential k-sample tests" (arXiv 2106.02693).
"""

from __future__ import annotations

import math

import numpy as np

from falaj.statistics.rollout.analysis.batch import Numbers
from falaj.statistics.rollout.analysis.tally import Counts

FASTER = np.array([1.1, 1.3, 1.6, 2.0, 3.0, 5.0, 10.0, 20.0])
"""Ratios that are bet on, times the tolerated one."""
LOG_SHARES = np.log([0.10, 0.12, 0.16, 0.18, 0.16, 0.12, 0.09, 0.07])
"""Log of the share of the stake on each; benchmarks/rollouts compares them with an even split."""
GRID = 2.0 ** (np.arange(-48, 65) / 8)
"""Nulls of the confidence sequence: 1/64 to 256, an eighth of an octave apart."""
_JUMPS = np.array([1, 3, 5, 8, 13, 19, 27, 35])  # FASTER, in steps of the grid
_NULLS = np.arange(len(GRID) - _JUMPS[-1])


def log_likelihood(weights: Numbers, candidate: Counts, stable: Counts, ratios: Numbers) -> Numbers:
    """Log likelihood of the arms of events under each ratio, up to what does not depend on the ratio.

    Args:
        weights: Of the canary, one a cell.
        candidate: Events of the canary, cells x series.
        stable: Events of stable, cells x series.
        ratios: Ratios of rates, series x ratios, or ratios that all series share.

    Returns:
        Cells x series x ratios.
    """
    spread = np.log1p(weights[:, None, None] * (ratios - 1))
    likelihood: Numbers = candidate[:, :, None] * np.log(ratios) - (candidate + stable)[:, :, None] * spread
    return likelihood


def spared(ratios: Numbers, rate: float) -> tuple[Numbers, Numbers]:
    """The alternatives of a common event: ratios of the rates with it, and of the rates without it.

    Stable is taken to be at `rate` and the canary at `ratios` times its odds. Against their mean by weight, the factor
    of a request with the event is that of its arm under the first ratio, and of one without under the second; the
    product has mean 1 whenever both arms have one rate, whatever it is.
    """
    odds = ratios * rate / (1 - rate)
    worse = odds / (1 + odds)
    return worse / rate, (1 - worse) / (1 - rate)


def ratio_at_least(likelihood: Numbers, line: float) -> float:
    """Lower end of the confidence sequence of the ratio: the nulls below it all have evidence above the line.

    Args:
        likelihood: Log likelihood on GRID.
        line: Log of the evidence that is needed.

    Returns:
        The largest null that is ruled out with all below it; 0 when none is.
    """
    against = likelihood[_NULLS[:, None] + _JUMPS] - likelihood[_NULLS, None]
    plausible_nulls = np.flatnonzero(np.logaddexp.reduce(against + LOG_SHARES, axis=1) < line)
    first = int(plausible_nulls[0]) if len(plausible_nulls) else len(_NULLS)
    return float(GRID[first - 1]) if first else 0.0


def ratio_estimate(candidate: int, stable: int, likelihood: Numbers) -> float | None:
    """The most likely ratio; None without any event, 0 or infinite when one arm has none.

    Args:
        candidate: Events.
        stable: Events.
        likelihood: Log likelihood on GRID; a parabola through its top gives what lies between.
    """
    if candidate == 0 or stable == 0:
        return None if candidate == stable else (0.0 if candidate == 0 else math.inf)
    top = min(max(int(np.argmax(likelihood)), 1), len(GRID) - 2)
    before, at, after = likelihood[top - 1 : top + 2]
    bend = before - 2 * at + after
    shift = float(np.clip(0.5 * (before - after) / bend, -1, 1)) if bend < 0 else 0.0
    return float(GRID[top] * 2 ** (shift / 8))


def log_mean_exp(values: Numbers, axis: int = -1) -> Numbers:
    """Log of the mean of exponentials along an axis."""
    mean: Numbers = np.logaddexp.reduce(values, axis=axis) - math.log(values.shape[axis])
    return mean
