"""What executing a pipeline gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from falaj.build.pipeline.graph import ONLY_OUTPUT
from falaj.core.errors import FalajError

if TYPE_CHECKING:
    from falaj.build.pipeline.sources import SourceSnapshot
    from falaj.supply_chain.artifacts import Digest


class StepState(StrEnum):
    """How far a step came."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class StepResult:
    """What became of one node.

    Attributes:
        node: Its name.
        step: The step that it is, or is a cell of.
        state: How far it came; a skipped step was not reached because another one failed.
        fingerprint: Name of the result; empty when it was not known yet.
        cached: Whether an earlier execution had the result.
        outputs: Artifact by output name; `output` when the step names none.
        kinds: `table`, `json`, `model`, `file` or `folder` by output name.
        metrics: Numbers of its report.
        params: What it was given; empty when it did not come so far.
        started_at: Unix seconds; None when it was not started.
        ended_at: Unix seconds; None when it was not started.
        attempts: How often it was started, 0 for a cached result.
        log: What it wrote, kept after the run; the file exists only if the step was started.
        error: Why it failed.
    """

    node: str
    step: str
    state: StepState
    fingerprint: str = ""
    cached: bool = False
    outputs: Mapping[str, Digest] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    started_at: float | None = None
    ended_at: float | None = None
    attempts: int = 0
    log: Path | None = None
    error: FalajError | None = None


@dataclass(frozen=True)
class PipelineResult:
    """What became of a pipeline.

    Attributes:
        steps: Results by node name, in topological order.
        snapshots: What was read of the data sources, by source name.
        failed: The node that failed first; None when none did.
        cancelled: Whether it was stopped by its user.
    """

    steps: Mapping[str, StepResult]
    snapshots: Mapping[str, SourceSnapshot]
    failed: str | None = None
    cancelled: bool = False

    @property
    def ok(self) -> bool:
        """Whether every step succeeded."""
        return all(result.state is StepState.SUCCEEDED for result in self.steps.values())

    @property
    def outputs(self) -> dict[str, Digest]:
        """Artifacts by the names that checks and gates use: source, `step`, `step.output`, `step[cell]`."""
        return dict(self._names())

    def _names(self) -> Iterator[tuple[str, Digest]]:
        for name, snapshot in self.snapshots.items():
            yield name, snapshot.digest
        for node, result in self.steps.items():
            for output, digest in result.outputs.items():
                yield (node if output == ONLY_OUTPUT else f"{node}.{output}"), digest
