"""A retrained candidate beside the release that is live, on the rows that its own gates use.

What was hoped of a training decides what it has to show. One for drift or for labels has to be better than live; where
drift was the reason, as good as live within the gate's margin is enough, since it has learned from the new days. One
for a schedule, an event or a person has passed the project's gates, and must only not be shown to be worse.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from falaj.build.checks.backtest import BacktestVerdict, backtest
from falaj.build.checks.context import GateContext
from falaj.build.checks.gate_rows import gate_rows
from falaj.build.checks.gates import champion_gate, unseen
from falaj.build.checks.paired import ScoredRows
from falaj.build.checks.results import ChampionVerdict
from falaj.build.checks.scoring import CANDIDATE, LIVE, GateScoring, Scores
from falaj.config.spec import GateSpec
from falaj.statistics.metrics import MetricError

Hope = Literal["better", "as good", "not worse"]
"""What a candidate has to show."""


def against_champion(context: GateContext, scoring: GateScoring | None, hope: Hope) -> ChampionVerdict:
    """Say whether a candidate wins.

    Args:
        context: Of the run, with its gates.
        scoring: What both models said of the gates' rows.
        hope: What it has to show.
    """
    if context.live is None:
        return ChampionVerdict(True, "nothing is live that it could be held beside")
    gate = champion_gate(context.spec.gates)
    rows, missing = rows_of(context, scoring, gate)
    if gate is None or rows is None:
        return ChampionVerdict(hope == "not worse", f"it could not be held beside live: {missing}")
    rng = np.random.default_rng(context.seed)
    verdict = backtest(gate.metric, rows, [], rng=rng, confidence=gate.confidence, worth=gate.margin)
    return _verdict(verdict, gate, hope)


def rows_of(context: GateContext, scoring: GateScoring | None, gate: GateSpec | None) -> tuple[ScoredRows | None, str]:
    """The rows that both have scored, or why there are none."""
    if gate is None:
        return None, "the project has no gate that names rows and a metric"
    scores = None if scoring is None else scoring.tables.get(gate.data)
    if scoring is None or scores is None:
        return None, "the rows could not be scored" if scoring is None else scoring.problems.get(gate.data, "no rows")
    for model in (CANDIDATE, LIVE):
        if model not in scores.scores:
            return None, f"{model}: {scores.problems.get(model, 'it gave no scores')}"
    if context.blocks and context.blocks not in scores.slices:
        return None, f"{gate.data} has no column {context.blocks!r} that keeps rows together"
    scores = scores.where(unseen(gate.data, scores, context))
    try:
        gate_data = gate_rows(gate, scores, (CANDIDATE, LIVE))
    except MetricError as error:
        return None, error.message
    return ScoredRows(
        gate_data.label, gate_data.scores[CANDIDATE], gate_data.scores[LIVE], _blocks(context, scores)
    ), ""


def _blocks(context: GateContext, scores: Scores) -> np.ndarray | None:
    return scores.slices[context.blocks] if context.blocks else None


def _verdict(verdict: BacktestVerdict, gate: GateSpec, hope: Hope) -> ChampionVerdict:
    result, reason = verdict.result, "; ".join(verdict.reasons)
    if result is None:
        return ChampionVerdict(hope == "not worse", reason)
    wins, bounds, margin = verdict.wins, result.bounds, gate.margin or 0.0
    if hope == "not worse":
        wins = bounds is None or bounds[1] >= 0
    elif hope == "as good" and not wins and bounds is not None and bounds[0] >= -margin and margin:
        wins, reason = True, f"as good as live within {margin:g}, and it has learned from the new days ({reason})"
    return ChampionVerdict(
        wins, reason, gate.metric, result.candidate, result.champion, bounds, result.rows, result.blocks,
        result.mean.effective if result.mean else None, verdict.power,
    )  # fmt: skip
