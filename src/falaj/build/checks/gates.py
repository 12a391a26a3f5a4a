"""Gates: the candidate's metric beside a threshold, on all rows or on every slice, or beside the live release.

A comparison passes only when the rows show, at the gate's confidence, that the candidate is not worse than live by more
than the margin; "we cannot tell" is a failure. With `by`, every slice with enough rows must pass, so no correction for
several looks is needed: passing all of them by chance is less likely than passing one.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from falaj.build.checks.context import CheckContext, CheckError, GateContext
from falaj.build.checks.gate_rows import columns_needed, gate_rows
from falaj.build.checks.own_metrics import with_own_metrics
from falaj.build.checks.results import GateResult, SliceResult
from falaj.build.checks.scoring import CANDIDATE, LIVE, GateScoring, OwnComparison, OwnValue, Scores, score
from falaj.config.gates import is_ranking
from falaj.config.spec import GateSpec
from falaj.core.errors import FalajError
from falaj.statistics.comparison import Comparison, compare
from falaj.statistics.metrics import MetricError, evaluate, metric_for

NO_LIVE_RELEASE = "no live release yet"
SAME_MODEL = "the candidate is the model that is live"
SEEN_BY_LIVE = "the live release has learned from all of these rows, which cannot judge it"
_DATE = len("2026-01-31")
_IS_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
Rows = NDArray[np.bool_]

_HOLDS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
}


def run_gates(context: CheckContext) -> tuple[GateResult, ...]:
    """Judge every gate of the project, in the order of the file.

    Nothing is raised for a candidate that cannot be judged: its gates have failed with the reason.
    """
    return judge_all(context)[0]


def judge_all(context: CheckContext) -> tuple[tuple[GateResult, ...], GateScoring | None]:
    """Judge every gate, and give back the scores that they were judged by; None when nothing could be scored."""
    gates = context.spec.gates
    context.workdir.mkdir(parents=True, exist_ok=True)
    try:
        scoring = _score(context)
    except FalajError as error:
        return tuple(_unjudged(gate, str(error)) for gate in gates), None
    scoring = with_own_metrics(
        context, scoring, slices, lambda gate, scores: scores.where(unseen(gate.data, scores, context))
    )
    return tuple(judge(gate, scoring, context) for gate in gates), scoring


def _score(context: CheckContext) -> GateScoring:
    tables: dict[str, set[str]] = {}
    for gate in context.spec.gates:
        tables.setdefault(gate.data, set()).update({gate.by} if gate.by else (), columns_needed(gate))
    if context.champion and context.blocks and (judging := champion_gate(context.spec.gates)):
        tables[judging.data].add(context.blocks)
    if not tables:
        return GateScoring({}, {}, {})
    label = context.spec.monitoring.get("label")
    if not label:
        raise CheckError("gates need the name of the label column", hint="set monitoring.label in falaj.yaml")
    models = {CANDIDATE: context.fetch_digest(context.model_digest())}
    if context.live and (context.champion or any(gate.not_worse_than for gate in context.spec.gates)):
        models[LIVE] = context.fetch_digest(context.live.digest)
    return score(context, models, tables, label=label)


def champion_gate(gates: Sequence[GateSpec]) -> GateSpec | None:
    """The gate whose metric and rows say which model is better: the first comparison with live, else the first gate."""
    comparable_gates = [gate for gate in gates if gate.own is None and not is_ranking(gate.metric)]
    return next(
        (gate for gate in comparable_gates if gate.not_worse_than), comparable_gates[0] if comparable_gates else None
    )


def judge(gate: GateSpec, scoring: GateScoring, context: GateContext) -> GateResult:
    """Judge one gate on scored rows."""
    if gate.not_worse_than and context.live is None:
        return _excused(gate, NO_LIVE_RELEASE)
    if gate.data in scoring.problems:
        return _unjudged(gate, scoring.problems[gate.data])
    scores = scoring.tables[gate.data]
    for model in (CANDIDATE, LIVE) if gate.not_worse_than else (CANDIDATE,):
        if model in scores.problems:
            return _unjudged(gate, f"{model}: {scores.problems[model]}")
    if gate.not_worse_than and context.live and context.live.digest == context.model_digest():
        return _excused(gate, SAME_MODEL)
    if gate.by and gate.by not in scores.slices:
        return _unjudged(gate, f"{gate.data} has no column {gate.by!r}")
    if gate.not_worse_than:
        scores = scores.where(unseen(gate.data, scores, context))
        if not len(scores.label):
            return _excused(gate, SEEN_BY_LIVE)
    return _judge_slices(gate, scores, context.seed)


def unseen(table: str, scores: Scores, context: GateContext) -> Rows:
    """Rows that the live release has not learned from, as far as their blocks are dates; else all rows.

    A release that was trained again on all rows has learned from the days that judged it, and would win on them. It has
    not learned from acceptance rows, whatever their dates are.
    """
    everything = np.ones(len(scores.label), dtype=np.bool_)
    until = context.live.learned_until[:_DATE] if context.live else ""
    if not until or not context.blocks or context.blocks not in scores.slices:
        return everything
    if context.live and str(context.outputs.get(table)) in context.live.acceptance:
        return everything
    blocks = scores.slices[context.blocks]
    if not all(_IS_DATE.match(str(block)) for block in np.unique(blocks)):
        return everything
    later: Rows = blocks.astype(f"U{_DATE}") >= until
    return later


def _judge_slices(gate: GateSpec, scores: Scores, seed: int) -> GateResult:
    minimum = gate.min_rows if gate.min_rows is not None else 1
    slice_results, small = [], 0
    for name, rows in slices(gate, scores):
        if gate.by and int(rows.sum()) < minimum:
            small += 1
        else:
            slice_results.append(_judge_rows(gate, name, scores, rows, seed))
    if not slice_results:
        return _unjudged(gate, f"nothing was checked: none of {small} slices by {gate.by} has {minimum} rows or more")
    if not gate.by and 0 < slice_results[0].rows < minimum:
        return _unjudged(gate, f"{slice_results[0].rows} rows, needed {minimum}")
    return _conclude(gate, tuple(slice_results), small, _method(gate, scores))


def _method(gate: GateSpec, scores: Scores) -> str:
    """How the bounds of a comparison are found."""
    if not gate.not_worse_than:
        return ""
    if gate.own is not None:
        comparisons = [own for (text, _), own in scores.own.items() if text == gate.text]
        return next((own.method for own in comparisons if isinstance(own, OwnComparison)), "")
    try:
        gate_data = gate_rows(gate, scores, (CANDIDATE,))
        return "betting" if metric_for(gate.metric, gate_data.scores[CANDIDATE]).row_loss else "bootstrap"
    except MetricError:  # which is then the reason of its slices
        return ""


def slices(gate: GateSpec, scores: Scores) -> Iterator[tuple[str, Rows]]:
    """The gate's slices as (name, mask); all rows under an empty name without `by`."""
    if gate.by is None:
        yield "", np.ones(len(scores.label), dtype=np.bool_)
        return
    for value in np.unique(scores.slices[gate.by]):
        yield str(value), scores.slices[gate.by] == value


def _judge_rows(gate: GateSpec, name: str, scores: Scores, rows: Rows, seed: int) -> SliceResult:
    count = int(rows.sum())
    try:
        own = scores.own.get((gate.text, name), "it was not computed")
        if gate.not_worse_than and gate.own is not None:
            return _compared(gate, name, _own_comparison(own), count)
        if gate.not_worse_than:
            return _compare_rows(gate, name, scores.where(rows), seed)
        if gate.own is not None:
            value = _own_value(own)
        else:
            gate_data = gate_rows(gate, scores.where(rows), (CANDIDATE,))
            value, count = evaluate(gate.metric, gate_data.label, gate_data.scores[CANDIDATE]), len(gate_data.label)
    except MetricError as error:
        return SliceResult(name, count, None, False, reason=error.message)
    return SliceResult(name, count, value, gate.limit is not None and _HOLDS[gate.op](value, gate.limit))


def _own_value(outcome: OwnValue) -> float:
    if not isinstance(outcome, float | int):
        raise MetricError(outcome if isinstance(outcome, str) else "it was compared, and not computed")
    return outcome


def _own_comparison(outcome: OwnValue) -> Comparison:
    if not isinstance(outcome, OwnComparison):
        raise MetricError(outcome if isinstance(outcome, str) else "it was not compared")
    bounds = outcome.lower, outcome.upper
    return Comparison(outcome.candidate, outcome.live, outcome.worse_by, bounds, outcome.method, 0)


def _compare_rows(gate: GateSpec, name: str, scores: Scores, seed: int) -> SliceResult:
    gate_data = gate_rows(gate, scores, (CANDIDATE, LIVE))
    comparison = compare(
        gate.metric,
        gate_data.label,
        gate_data.scores[CANDIDATE],
        gate_data.scores[LIVE],
        confidence=gate.confidence,
        rng=np.random.default_rng(seed),
    )
    return _compared(gate, name, comparison, comparison.rows)


def _compared(gate: GateSpec, name: str, comparison: Comparison, rows: int) -> SliceResult:
    passed = comparison.not_worse_by(gate.margin or 0.0)
    reason = f"candidate {comparison.candidate:.4f}, live {comparison.live:.4f}"
    if not passed and comparison.worse_by <= (gate.margin or 0.0):
        reason += ", too few rows to be sure"
    return SliceResult(name, rows, comparison.worse_by, passed, comparison.bounds, reason)


def _conclude(gate: GateSpec, slice_results: tuple[SliceResult, ...], small: int, method: str) -> GateResult:
    worst = _worst(gate, slice_results)
    failing = [result.name for result in slice_results if not result.passed]
    reason = _reason(gate, worst)
    if gate.by:
        left_out = f", {small} with too few rows left out" if small else ""
        reason += f"; {len(failing)} of {len(slice_results)} slices fail{left_out}"
    return GateResult(
        gate=gate,
        passed=not failing,
        value=worst.value,
        limit=_limit(gate),
        rows=worst.rows,
        interval=worst.interval,
        slice=f"{gate.by}={worst.name}" if gate.by else None,
        reason=reason,
        method=method,
        slices=slice_results if gate.by else (),
    )


def _worst(gate: GateSpec, slice_results: tuple[SliceResult, ...]) -> SliceResult:
    """The slice to show: one without a value first, then a failing one, then the one nearest to failing."""
    sign = 1.0 if gate.not_worse_than or gate.op in ("<", "<=") else -1.0

    def badness(result: SliceResult) -> tuple[bool, bool, float]:
        bound = result.interval[1] if result.interval else result.value
        return result.value is None, not result.passed, sign * (bound or 0.0)

    return max(slice_results, key=badness)


def _reason(gate: GateSpec, worst: SliceResult) -> str:
    place, unit = f"{gate.by}={worst.name}: " if gate.by else "", "groups" if is_ranking(gate.metric) else "rows"
    if worst.value is None:
        return f"{place}{worst.reason}"
    if worst.interval is None:
        verb = "meets" if worst.passed else "misses"
        return f"{place}{_metric(gate)} {worst.value:.4f} {verb} {gate.op} {gate.limit:g} on {worst.rows} {unit}"
    return (
        f"{place}{_metric(gate)} is {_worse(worst.value)} than live, worse by at most {worst.interval[1]:.4f} with "
        f"{gate.confidence:.0%} confidence, margin {gate.margin or 0:g} on {worst.rows} {unit} ({worst.reason})"
    )


def _metric(gate: GateSpec) -> str:
    return f"{gate.metric} of {gate.output}" if gate.output else gate.metric


def _worse(difference: float) -> str:
    return f"{abs(difference):.4f} {'worse' if difference > 0 else 'better'}"


def _limit(gate: GateSpec) -> float | None:
    return gate.margin if gate.not_worse_than else gate.limit


def _unjudged(gate: GateSpec, reason: str) -> GateResult:
    return GateResult(gate, False, None, _limit(gate), 0, None, None, reason)


def _excused(gate: GateSpec, reason: str) -> GateResult:
    return GateResult(gate, True, None, _limit(gate), 0, None, None, reason)
