"""What the engine says of a node that is done: its result, and the event that tells of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from falaj.build.pipeline import cache
from falaj.build.pipeline.events import EventKind
from falaj.build.pipeline.graph import StepNode
from falaj.build.pipeline.job_runner import JobResult
from falaj.build.pipeline.jobs import Job
from falaj.build.pipeline.result import StepResult, StepState
from falaj.core.errors import FalajError

if TYPE_CHECKING:
    from falaj.supply_chain.artifacts import Digest


def step_result(
    node: StepNode,
    state: StepState,
    log: Path,
    fingerprint: str = "",
    *,
    outcome: JobResult | None = None,
    entry: cache.CacheEntry | None = None,
    cached: bool = False,
    error: FalajError | None = None,
) -> StepResult:
    """The result of a node from what is known of it.

    Args:
        node: Which.
        state: How far it came.
        log: Where its log is kept.
        fingerprint: Name of its result, if it came so far.
        outcome: What its thread came back with, if it was started.
        entry: Its outputs, if it has them.
        cached: Whether an earlier execution had them.
        error: Why it failed without being started.
    """
    result = StepResult(node.name, node.step.name, state, fingerprint, cached, log=log, error=error)
    if entry is not None:
        digests: dict[str, Digest] = {name: output.digest for name, output in entry.outputs.items()}
        kinds = {name: output.kind for name, output in entry.outputs.items()}
        result = replace(result, outputs=digests, kinds=kinds, metrics=entry.metrics)
    if outcome is None:
        return result
    failure = outcome.error if isinstance(outcome.error, FalajError) else error
    started_at, ended_at, attempts = outcome.started_at, outcome.ended_at, outcome.attempts
    return replace(result, error=failure, started_at=started_at, ended_at=ended_at, attempts=attempts)


def was_cancelled(error: Exception | None) -> bool:
    """Whether a step ended because its user stopped it."""
    return isinstance(error, FalajError) and error.code == "step.cancelled"


def event_kind(result: StepResult) -> EventKind:
    """Which event tells of a result."""
    if result.state is not StepState.SUCCEEDED:
        return "step.failed"
    return "step.cached" if result.cached else "step.finished"


def particulars(result: StepResult) -> dict[str, Any]:
    """What an event says about a result."""
    error = result.error
    if error is not None:
        return {"code": error.code, "message": error.message, "where": error.where, "hint": error.hint}
    took = (result.ended_at or 0.0) - (result.started_at or 0.0)
    return {"outputs": dict(result.outputs), "metrics": dict(result.metrics), "seconds": took}


def given_to(job: Job) -> dict[str, Any]:
    """What an event says of what a step was given: its arguments, and digests of what it read by name."""
    read = {part.label: part.digest for parts in job.inputs for part in parts}
    return {"params": dict(job.params), "inputs": read}
