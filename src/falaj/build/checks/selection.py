"""The best of several candidates, by a metric on rows that neither training nor gates use.

Each candidate is loaded and scored as gates load and score the model of a run, in a process of its own, after its files
were scanned. One that has no score is left out with its reason, and of equal ones the first in the order of the matrix
is the best.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from falaj import __version__
from falaj.build.checks.context import CheckContext, CheckError
from falaj.build.checks.gates import judge_all
from falaj.config.gates import with_columns
from falaj.config.spec import GateSpec, SelectSpec
from falaj.statistics.metrics import higher_is_better
from falaj.supply_chain.artifacts import Digest


@dataclass(frozen=True)
class SweepCandidate:
    """One cell of a sweep, and its score.

    Attributes:
        name: `fit[depth=3]`.
        params: The cell's values by parameter.
        model: Digest of its model; None when it has none.
        table: Digest of the rows that it was scored on; None when it was not.
        score: Value of the metric; None when it has none.
        rows: Rows behind the score.
        reason: Why it has no score; empty when it has one.
    """

    name: str
    params: Mapping[str, Any]
    model: Digest | None = None
    table: Digest | None = None
    score: float | None = None
    rows: int = 0
    reason: str = ""


@dataclass(frozen=True)
class Selection:
    """Which candidate goes on.

    Attributes:
        step: The step with the matrix.
        select: By what it was selected.
        better: `greater` or `less`.
        candidates: All, in the order of the matrix.
        best: The one that goes on; None when none has a score.
    """

    step: str
    select: SelectSpec
    better: str
    candidates: tuple[SweepCandidate, ...]
    best: SweepCandidate | None

    @property
    def summary(self) -> str:
        """One line for people."""
        scored = sum(each.score is not None for each in self.candidates)
        if self.best is None:
            first = next((each for each in self.candidates if each.reason), None)
            reason = f": {first.name}: {first.reason}" if first else ""
            return f"none of the {len(self.candidates)} candidates has a score{reason}"
        out = f", {len(self.candidates) - scored} without a score" if scored < len(self.candidates) else ""
        return f"{self.best.name} is the best of {scored} by {self.select.text}: {self.best.score:.6g}{out}"


def select_best(
    step: str, select: SelectSpec, candidates: Iterable[SweepCandidate], *, higher_is_better: bool
) -> Selection:
    """The candidate with the best score; of equal ones the first.

    Args:
        step: The step with the matrix.
        select: By what is selected.
        candidates: All, in the order of the matrix.
        higher_is_better: The direction of the metric.
    """
    everyone = tuple(candidates)
    sign = 1.0 if higher_is_better else -1.0
    scored = [each for each in everyone if each.score is not None and math.isfinite(each.score)]
    best = max(scored, key=lambda each: sign * (each.score or 0.0), default=None)
    return Selection(step, select, "greater" if higher_is_better else "less", everyone, best)


def is_higher_better(select: SelectSpec) -> bool:
    """The direction of what is selected by.

    Raises:
        CheckError: Nothing says which value is best.
    """
    direction = select.own.higher_is_better if select.own else higher_is_better(select.metric)
    if direction is None:
        raise CheckError(f"nothing says which value of {select.metric} is best")
    return direction


def scored(context: CheckContext, select: SelectSpec, candidate: SweepCandidate) -> SweepCandidate:
    """A candidate with its score, or with why it has none; taken from an earlier run where nothing has changed.

    Args:
        context: Of the run; its outputs need not have the model.
        select: By what is selected.
        candidate: Has a model and a table.
    """
    assert candidate.model is not None and candidate.table is not None and context.spec.model_step is not None
    gate = _gate(context, select)
    ref = f"selection/{_key(context, gate, candidate)}" if gate.own is None else ""  # whose code may have changed
    if ref and (entry := context.store.get_ref(ref)) is not None:
        earlier = json.loads(entry)
        return replace(candidate, score=float(earlier["score"]), rows=int(earlier["rows"]))
    outputs = {**context.outputs, context.spec.model_step: candidate.model, select.data: candidate.table}
    spec = replace(context.spec, gates=(gate,))
    (result,), _ = judge_all(replace(context, spec=spec, outputs=outputs, live=None, champion=False))
    if result.value is None:
        return replace(candidate, reason=result.reason)
    if ref:
        context.store.set_ref(ref, json.dumps({"score": result.value, "rows": result.rows}).encode())
    return replace(candidate, score=result.value, rows=result.rows)


def _gate(context: CheckContext, select: SelectSpec) -> GateSpec:
    """A gate that every value meets: its value is the score."""
    greater = is_higher_better(select)
    gate = GateSpec(
        select.text, select.metric, ">=" if greater else "<=", -math.inf if greater else math.inf, select.data,
        output=select.output, own=select.own,
    )  # fmt: skip
    return with_columns(gate, context.spec.monitoring)


def _key(context: CheckContext, gate: GateSpec, candidate: SweepCandidate) -> str:
    read = asdict(context.spec.data[gate.data]) if gate.data in context.spec.data else None
    facts = [
        __version__, candidate.model, candidate.table, asdict(gate), context.spec.monitoring.get("label"), read,
        context.environment.digest,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
