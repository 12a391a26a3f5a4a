"""Does the candidate beat the champion where the champion failed, on rows that neither has been trained on?

It has to be better by whole blocks on the post-drift window, and then it has to pass every regression gate: a failure
that was seen once is not let in again by a model that is better on average.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from falaj.build.checks.block_means import FEWEST_BLOCKS
from falaj.build.checks.paired import PairedResult, Power, ScoredRows, paired
from falaj.statistics.comparison import compare
from falaj.statistics.metrics import MetricError, check_rows, metric_for

FEWEST_GATE_ROWS = 30
WORTH_SEEING = 0.03
"""Share of the champion's value that a gain is worth seeing from on, where the project names no margin."""


@dataclass(frozen=True)
class FailingSlice:
    """A failing slice that was captured, with what is asked of a candidate on it.

    Args:
        name: Of the gate.
        metric: One of `falaj.statistics.metrics.METRICS`.
        rows: Of the slice.
        limit: The worst value that is let in; None to ask for "not worse than the champion by `margin`" instead.
        margin: In the metric's unit.
    """

    name: str
    metric: str
    rows: ScoredRows
    limit: float | None = None
    margin: float = 0.0


@dataclass(frozen=True)
class GateOutcome:
    """What a regression gate says.

    Attributes:
        name: Of the gate.
        passed: Whether the candidate is let in.
        reason: In words.
    """

    name: str
    passed: bool
    reason: str


@dataclass(frozen=True)
class BacktestVerdict:
    """Whether the candidate takes the champion's place in what follows.

    Attributes:
        wins: Whether it does.
        reasons: In words; they stand in the alert when it does not.
        result: The comparison; None when there was nothing to compare.
        gates: One a regression gate.
        power: What the comparison could have seen; None when there was none.
    """

    wins: bool
    reasons: tuple[str, ...]
    result: PairedResult | None
    gates: tuple[GateOutcome, ...]
    power: Power | None = None


def backtest(
    metric: str,
    rows: ScoredRows,
    gates: Sequence[FailingSlice],
    *,
    rng: np.random.Generator,
    confidence: float = 0.95,
    at_least: float = 0.0,
    worth: float | None = None,
) -> BacktestVerdict:
    """Judge a candidate.

    Args:
        metric: The one that counts, from `falaj.statistics.metrics.METRICS`.
        rows: Of the post-drift window, that neither model has been trained on.
        gates: All that were captured and accepted for this model.
        rng: Source of the order in which regression gates look at rows.
        confidence: With which it must be better.
        at_least: By how much it must be better to be worth the change.
        worth: A gain that the project would not like to miss, of which the verdict says how likely it would have been
            seen; by default `WORTH_SEEING` of the champion's value.
    """
    result, reason = _compared(metric, rows, confidence)
    better = result is not None and result.bounds is not None and result.bounds[0] > at_least
    outcomes = tuple(_gate(gate, rng, confidence) for gate in gates)
    failed = [f"gate {outcome.name}: {outcome.reason}" for outcome in outcomes if not outcome.passed]
    power = None if result is None else result.power(worth or WORTH_SEEING * abs(result.champion))
    reasons = (reason or _in_words(result, at_least) + _power_in_words(power), *failed)
    return BacktestVerdict(better and not failed, reasons, result, outcomes, power)


def _compared(name: str, rows: ScoredRows, confidence: float) -> tuple[PairedResult | None, str]:
    """The comparison, or why there is none."""
    try:
        return paired(name, rows, confidence=confidence), ""
    except MetricError as error:
        return None, f"nothing could be compared: {error.message}"


def _in_words(result: PairedResult | None, at_least: float) -> str:
    assert result is not None
    values = f"{result.metric} {result.candidate:.4g} beside the champion's {result.champion:.4g}"
    if result.bounds is None or result.mean is None:
        return f"{values}, but {_no_bounds(result)}"
    on = f"on {result.rows} rows in {result.blocks} blocks"
    if result.mean.effective < result.blocks - 0.5:
        on += f", worth {result.mean.effective:.0f} independent ones"
    if result.bounds[0] > at_least:
        return f"better by at least {result.bounds[0]:.3g}: {values}, {on}"
    if result.bounds[1] < 0:
        return f"worse by at least {-result.bounds[1]:.3g}: {values}, {on}"
    return f"not shown to be better: {values}, a gain of {result.bounds[0]:.3g} to {result.bounds[1]:.3g}, {on}"


def _no_bounds(result: PairedResult) -> str:
    if result.blocks < FEWEST_BLOCKS:
        return f"{result.blocks} blocks are too few to tell; {FEWEST_BLOCKS} are needed"
    return f"the {result.blocks} blocks cannot tell: without one of them {result.metric} has no value"


def _power_in_words(power: Power | None) -> str:
    if power is None:
        return ""
    gain_text = f"a gain of {power.gain:.2g} would have been seen in {power.probability:.0%} of such comparisons"
    return f"; {gain_text}, one of {power.detectable:.2g} in 80%"


def _gate(gate: FailingSlice, rng: np.random.Generator, confidence: float) -> GateOutcome:
    rows = gate.rows.labelled()
    if len(rows.label) < FEWEST_GATE_ROWS:
        return GateOutcome(gate.name, False, f"{len(rows.label)} labelled rows are too few to let a candidate in")
    try:
        return _against_champion(gate, rows, rng, confidence) if gate.limit is None else _against_limit(gate, rows)
    except MetricError as error:
        return GateOutcome(gate.name, False, error.message)


def _against_limit(gate: FailingSlice, rows: ScoredRows) -> GateOutcome:
    metric = metric_for(gate.metric, rows.candidate)
    check_rows(metric, rows.label, rows.candidate)
    value = float(metric.compute(rows.label, rows.candidate, np.ones(len(rows.label))))
    limit = gate.limit if gate.limit is not None else float("nan")
    passed = value >= limit if metric.higher_is_better else value <= limit
    return GateOutcome(gate.name, bool(passed), f"{gate.metric} is {value:.4g}, the limit is {limit:g}")


def _against_champion(gate: FailingSlice, rows: ScoredRows, rng: np.random.Generator, confidence: float) -> GateOutcome:
    comparison = compare(gate.metric, rows.label, rows.candidate, rows.champion, confidence=confidence, rng=rng)
    reason = (
        f"{gate.metric} is {comparison.candidate:.4g} beside {comparison.live:.4g}, worse by at most "
        f"{comparison.bounds[1]:.3g}"
    )
    return GateOutcome(gate.name, comparison.not_worse_by(gate.margin), f"{reason}, tolerated {gate.margin:g}")
