"""The sweep of a run: its candidates are trained and scored, and the best one's values become those of the project."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from falaj.build.checks.selection import Selection, SweepCandidate
from falaj.build.pipeline import PipelineResult, StepResult, StepState
from falaj.build.pipeline.graph import expand
from falaj.build.pipeline.sweep import table_of_cell
from falaj.config.spec import ProjectSpec, SelectSpec
from falaj.control.runs.contract import CandidateTracking, RunSpec
from falaj.control.runs.lineage import edges_of_run
from falaj.supply_chain.artifacts import Digest
from falaj.trust.lineage import Edge

NODE = "selection"
"""Under what name a run shows its selection."""


@dataclass(frozen=True)
class Sweep:
    """What came of the candidates.

    Args:
        spec: The steps that they come from, with the matrix.
        pipeline: What became of these steps.
        selection: Which candidate goes on; None before it is known.
    """

    spec: ProjectSpec
    pipeline: PipelineResult
    selection: Selection | None = None

    @property
    def step(self) -> str:
        """The step with the matrix."""
        assert self.spec.sweep is not None
        return self.spec.sweep.name

    @property
    def select(self) -> SelectSpec:
        """By what is selected."""
        assert self.spec.sweep is not None and self.spec.sweep.select is not None
        return self.spec.sweep.select

    def candidates(self) -> Iterator[SweepCandidate]:
        """Every cell, with its model and the rows that it is scored on, or with why it has none."""
        outputs = self.pipeline.outputs
        for name, node in expand(self.spec.steps, self.spec.data).items():
            if node.step.name == self.step:
                reason = _reason(self.pipeline.steps[name])
                table = outputs.get(table_of_cell(self.spec, self.select.data, node.cell))
                yield SweepCandidate(name, dict(node.cell), outputs.get(name), table, reason=reason)

    def with_results_of(self, whole: PipelineResult) -> PipelineResult:
        """The whole pipeline, where what ran for the candidates is as it ran, and not as the cache gave it again."""
        ran = {name: result for name, result in self.pipeline.steps.items() if name in whole.steps}
        same = {name: each for name, each in ran.items() if each.fingerprint == whole.steps[name].fingerprint}
        return replace(whole, steps={**whole.steps, **same})

    def went_on(self, outputs: Mapping[str, Digest]) -> bool:
        """Whether the whole pipeline goes on with the model that was selected."""
        best = self.selection.best if self.selection else None
        return best is not None and outputs.get(self.step) == best.model

    def metrics(self) -> dict[str, float]:
        """The score of the best candidate, as trackers call it."""
        best = self.selection.best if self.selection else None
        name = f"metric.{NODE}.{score_name(self.select)}"
        return {} if best is None or best.score is None else {name: best.score}

    def edges(self, order: RunSpec) -> Iterator[Edge]:
        """What the candidates came from."""
        yield from edges_of_run(order, self.spec, self.pipeline, None)

    def has_shown(self, node: str) -> bool:
        """Whether a step of the whole pipeline was shown when the candidates were trained."""
        return node in self.pipeline.steps


def _reason(result: StepResult) -> str:
    if result.state is StepState.SUCCEEDED:
        return ""
    return result.error.message if result.error else str(result.state)


def shown_selection(selection: Selection) -> dict[str, Any]:
    """A selection as runs and releases keep it, in JSON values."""
    best = selection.best
    candidates = [
        {
            "name": each.name, "params": dict(each.params), "model": each.model, "score": each.score,
            "rows": each.rows, "reason": each.reason,
        }
        for each in selection.candidates
    ]  # fmt: skip
    return {
        "step": selection.step, "select": selection.select.text, "better": selection.better,
        "best": best.name if best else None, "candidates": candidates,
    }  # fmt: skip


def event_of(selection: Selection) -> dict[str, Any]:
    """What the event of a selection says: as a check that passed where there is a best candidate, with its score."""
    best, select = selection.best, selection.select
    return {
        "passed": best is not None, "summary": selection.summary, "checked": len(selection.candidates), "found": 0,
        "selection": shown_selection(selection),
        "metrics": {score_name(select): best.score} if best else {},
    }  # fmt: skip


def score_name(select: SelectSpec) -> str:
    """The name of a score among the metrics of a run: `brier.split.validation`."""
    return ".".join(part for part in (select.metric, select.output, select.data) if part)


def track_candidates(track: CandidateTracking, sweep: Sweep, selection: Selection) -> None:
    """End the tracking runs of the candidates, each with what it was given and its score."""
    for each in selection.candidates:
        params = sweep.pipeline.steps[each.name].params or each.params
        texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in params.items()}
        metrics = {} if each.score is None else {score_name(sweep.select): each.score}
        track.close(each.name, texts, metrics, ok=each.score is not None)


def used_by_gates(selection: Selection, spec: ProjectSpec, outputs: Mapping[str, Digest]) -> str:
    """The gate that judges on the rows that were used to select, whatever their names are; empty when there is none."""
    tables = {each.table for each in selection.candidates if each.table}
    return next((gate.text for gate in spec.gates if outputs.get(gate.data) in tables), "")
