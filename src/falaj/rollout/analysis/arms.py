"""Bets on the arm of an event: evidence about the ratio of two rates that needs neither rate.

Of a request with the event, only the arm is looked at. If the ratio canary/stable of the rates is r and the canary's
weight was w, the arm is the canary with probability theta(r) = w r / (1 - w + w r), whatever the rates are and however
they drift: an incident that hits both arms cancels. A likelihood ratio of r against a tolerated r0 is a fair bet at r0
and a losing one below, so mixtures of products of such ratios are e-processes.

Sources: M. Lindon and A. Malek, "Anytime-valid inference for multinomial count data" (arXiv 2011.03567); R. Turner, A.
Ly and P. Grunwald, "Generic e-variables for exact sequential k-sample tests" (arXiv 2106.02693); V. Vovk and R. Wang,
"E-values: calibration, combination and applications", Annals of Statistics 49 (2021).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from falaj.rollout.analysis.batch import Numbers

FASTER = np.array([1.15, 1.3, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0])  # ratios that are bet on, times the tolerated one
COMMON_EVENT = 0.2  # above this rate, requests without the event say enough to be bet on
GRID = 2.0 ** (np.arange(-48, 65) / 8)  # nulls of the confidence sequence: 1/64 to 256, an eighth of an octave apart
JUMPS = np.array([2, 3, 5, 8, 13, 19, 27, 39])  # FASTER, in steps of the grid

Weights = NDArray[np.float64]


def log_likelihood(weights: Weights, canary: NDArray[np.int64], stable: NDArray[np.int64], ratios: Numbers) -> Numbers:
    """Log likelihood of the arms of events under each ratio, up to what does not depend on the ratio.

    Args:
        weights: One a cell.
        canary: Events of the canary, one a cell.
        stable: Events of stable, one a cell.
        ratios: The ratios of rates.

    Returns:
        Cells x ratios.
    """
    spread = np.log1p(weights[:, None] * (ratios - 1))
    return canary[:, None] * np.log(ratios) - (canary + stable)[:, None] * spread


def log_harm(weights: Weights, canary: NDArray[np.int64], stable: NDArray[np.int64], tolerated: float) -> Numbers:
    """Log factors of the bets on FASTER against a ratio of at most `tolerated`; cells x bets."""
    ratios = np.r_[tolerated * FASTER, tolerated]
    likelihood = log_likelihood(weights, canary, stable, ratios)
    return likelihood[:, :-1] - likelihood[:, -1:]


def log_drop(weights: Weights, canary: NDArray[np.int64], stable: NDArray[np.int64], tolerated: float) -> Numbers:
    """The same for the other side: bets on fewer events than 1/tolerated times those of stable."""
    ratios = 1 / np.r_[tolerated * FASTER, tolerated]
    likelihood = log_likelihood(weights, canary, stable, ratios)
    return likelihood[:, :-1] - likelihood[:, -1:]


def log_harm_common(weights: Weights, events: NDArray[np.int64], rows: NDArray[np.int64], rate: float) -> Numbers:
    """Log factors of bets that also use requests without the event, against equal rates; cells x bets.

    The alternative is stable at `rate` and the canary at FASTER times its odds. Against their mean by weight, each
    request's factor has mean 1 when both arms have one rate, whatever it is: rows without the event are a second bet
    on an arm.

    Args:
        weights: One a cell.
        events: Cells x arm.
        rows: All requests, cells x arm.
        rate: Expected of stable.
    """
    odds = FASTER * rate / (1 - rate)
    worse = odds / (1 + odds)
    ratios, spared = worse / rate, (1 - worse) / (1 - rate)
    without = rows - events
    return log_likelihood(weights, events[:, 1], events[:, 0], ratios) + log_likelihood(
        weights, without[:, 1], without[:, 0], spared
    )


def log_mean_exp(values: Numbers, weights: Numbers | None = None) -> float:
    """Log of the (weighted) mean of exponentials; weights that sum to less than 1 lose the rest."""
    weights = np.full(values.size, 1 / values.size) if weights is None else weights
    highest = float(values.max())
    return highest + math.log(float(weights @ np.exp(values - highest)))


def ratio_at_least(likelihood: Numbers, line: float) -> float:
    """Lower end of the confidence sequence of the ratio: the largest null with evidence above the line.

    Args:
        likelihood: Log likelihood on GRID.
        line: Log of the evidence that is needed.

    Returns:
        0 when no ratio of the grid is ruled out.
    """
    nulls = np.arange(len(GRID) - JUMPS[-1])
    steps = likelihood[nulls[:, None] + JUMPS] - likelihood[nulls, None]
    evidence = np.logaddexp.reduce(steps, axis=1) - math.log(len(JUMPS))
    passing = np.flatnonzero(evidence < line)
    first = int(passing[0]) if len(passing) else len(nulls)
    return float(GRID[first - 1]) if first else 0.0


def ratio_estimate(canary: float, stable: float, likelihood: Numbers) -> float | None:
    """The most likely ratio on GRID; None without any event, 0 or infinite when one arm has none."""
    if canary + stable == 0:
        return None
    if canary == 0 or stable == 0:
        return 0.0 if canary == 0 else math.inf
    return float(GRID[int(np.argmax(likelihood))])
