"""A model that was trained again on all rows beside its backtest model, on rows that neither has learned from (pure).

The backtest model was judged and won; the refit has learned from the rows that judged it, so that they say nothing
about it. What can be asked is whether the same recipe gave about the same model: on the acceptance rows it may not be
worse than the backtest model by more than the margin of the project's own comparison. Where the project names none, it
must not be shown to be worse.
"""

from __future__ import annotations

from dataclasses import dataclass

from falaj.build.checks.champion import rows_of
from falaj.build.checks.context import CheckContext
from falaj.build.checks.gates import champion_gate
from falaj.build.checks.paired import PairedResult, paired
from falaj.build.checks.scoring import GateScoring
from falaj.config.spec import GateSpec
from falaj.statistics.metrics import MetricError


@dataclass(frozen=True)
class Agreement:
    """Whether a refit agrees with its backtest model.

    Attributes:
        agrees: Whether it may be released in its place.
        reason: In words.
        metric: Compared; empty when nothing was.
        table: The rows: an output of the pipeline.
        refit: Its value.
        backtest_model: Its value.
        better_by: Two one-sided bounds of how much better the refit is; None when they cannot be told.
        margin: By how much it may be worse; None when the project names none.
        rows: Compared.
        blocks: Compared.
    """

    agrees: bool
    reason: str
    metric: str = ""
    table: str = ""
    refit: float | None = None
    backtest_model: float | None = None
    better_by: tuple[float, float] | None = None
    margin: float | None = None
    rows: int = 0
    blocks: int = 0


def judge_refit(context: CheckContext, scoring: GateScoring | None) -> Agreement:
    """Hold a refit, as the candidate, beside its backtest model, as what is live.

    Args:
        context: Of the run, with the gates on acceptance rows alone.
        scoring: What both said of those rows.
    """
    gate = champion_gate(context.spec.gates)
    rows, missing = rows_of(context, scoring, gate)
    if gate is None or rows is None:
        return Agreement(False, f"it could not be held beside its backtest model: {missing}")
    try:
        result = paired(gate.metric, rows, confidence=gate.confidence)
    except MetricError as error:
        return Agreement(False, f"it could not be held beside its backtest model: {error.message}")
    return _agreement(result, gate)


def _agreement(result: PairedResult, gate: GateSpec) -> Agreement:
    if gate.margin:
        agrees = result.better_by >= -gate.margin
        limit = f"{gate.margin:g} is the margin"
    else:
        agrees = result.bounds is None or result.bounds[1] >= 0
        limit = "it is not shown to be worse" if agrees else "it is shown to be worse"
    values = f"{result.metric} {result.candidate:.4g} beside the backtest model's {result.champion:.4g}"
    verb = "agrees" if agrees else "does not agree"
    return Agreement(
        agrees, f"{verb} on {gate.data}: {values}, {limit}, on {result.rows} rows", result.metric, gate.data,
        result.candidate, result.champion, result.bounds, gate.margin, result.rows, result.blocks,
    )  # fmt: skip
