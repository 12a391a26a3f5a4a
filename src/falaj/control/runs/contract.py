"""What a run is asked to do, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from falaj.build.pipeline.connections import ConnectionOpener, no_connections
from falaj.build.pipeline.events import Emit
from falaj.build.pipeline.executors import Placement, no_placement
from falaj.build.pipeline.mlflow_files import Recorded
from falaj.config.spec import GateSpec, ProjectSpec
from falaj.control.notary import Notary
from falaj.control.notary.commit import CommitProof
from falaj.control.runs.training_rows import Training
from falaj.core.home import Home
from falaj.supply_chain.artifacts import ArtifactStore


@dataclass(frozen=True)
class RunSpec:
    """What to run.

    Args:
        run_id: Id of the run.
        repository: Where the commit comes from, for the provenance.
        ref: The branch, or empty.
        commit: Full commit id; of a checkout with changes, its id with `-dirty`.
        author: Author of the commit, `Name <address>`.
        params: Overrides, `{step: {parameter: value}}`.
        trigger: Why the run started.
        training: The request for a training that started it; None for a push and the like.
        since: Commit of the release before; empty for the first.
        contributors: Authors, committers and co-authors of what came after it, `Name <address>`.
        started_by: Principal id of who pushed the commit; empty where nobody proved who they are.
        project: Name of the registered project; empty for a checkout that is run by hand.
        missing: What the commit only points to and is not there, a sentence each.
        proof: Shows the notary the project file of the commit; None for a checkout that is run by hand.
    """

    run_id: str
    repository: str
    ref: str
    commit: str
    author: str
    params: Mapping[str, Mapping[str, Any]]
    trigger: str
    training: Training | None = None
    project: str = ""
    since: str = ""
    contributors: tuple[str, ...] = ()
    started_by: str = ""
    missing: tuple[str, ...] = ()
    proof: CommitProof | None = None


@dataclass(frozen=True)
class LiveRelease:
    """The release that the candidate must not be worse than.

    Args:
        number: Its number.
        digest: Digest of its model.
        learned_until: Of one that was trained again on all rows: the date up to which it has learned, in ISO form.
        acceptance: Digests of tables that it has not learned from, whatever their dates are.
    """

    number: int
    digest: str
    learned_until: str = ""
    acceptance: frozenset[str] = frozenset()


@dataclass(frozen=True)
class RegressionGateSpec:
    """A gate that an earlier failure left behind, and a person has accepted.

    Args:
        id: Its id.
        metric: The loss that must not be too large.
        limit: How large it may be.
        predicate: Which requests the rows were, in words.
        digest: The snapshot of the rows.
    """

    id: str
    metric: str
    limit: float
    predicate: str
    digest: str

    @property
    def table(self) -> str:
        """The name of the rows among the outputs of a run."""
        return f"regression.{self.id}"

    def spec(self) -> GateSpec:
        """The gate as those of the project file are."""
        metric, op, limit = ("accuracy", ">=", 1 - self.limit) if self.metric == "accuracy" else (
            self.metric, "<=", self.limit)  # fmt: skip
        text = f"{metric} {op} {limit:g} on {self.table} ({self.predicate})"
        return GateSpec(text, metric, op, limit, self.table)


class CandidateTracking(Protocol):
    """Where the candidates of a sweep are tracked, each as a run below the run."""

    def record(self, candidate: str, recorded: Recorded) -> None:
        """Keep what the step of a candidate recorded."""

    def close(self, candidate: str, params: Mapping[str, str], metrics: Mapping[str, float], *, ok: bool) -> None:
        """Keep what a candidate was given and its score; `ok` where it has one."""


class Untracked:
    """Candidates that nobody tracks."""

    def record(self, candidate: str, recorded: Recorded) -> None:
        """Nothing is kept."""

    def close(self, candidate: str, params: Mapping[str, str], metrics: Mapping[str, float], *, ok: bool) -> None:
        """Nothing is kept."""


@dataclass(frozen=True)
class RunContext:
    """What a run works with.

    Args:
        home: The installation.
        store: The artifact store.
        notary: Signs the evidence.
        emit: Receives the events.
        cancelled: True once the run should end.
        live: Finds the live release of a model, or None.
        regression_gates: Finds the gates that failures of a model left behind.
        tracking: Opens the tracking run and returns the environment variables that steps need for it.
        record: Puts what a step recorded into the tracking run.
        candidates: Tracks the candidates of a sweep below a tracking run, if there is one.
        secrets: Gives the values of those of the named secrets that are set.
        existing_release: Finds the release of a model that has these bytes, or whose backtest model had, as
            `model@number`; None when there is none.
        placement: Finds the executors of steps; what they record with MLflow goes to its first argument.
        refusal: Says why the model of a project file may not be trained; empty when it may.
        labels: The labels that the data of a project file has besides those that it says, by source: those that were
            ever given to the digests of its snapshots, or to the same sources.
        connect: Gives the connection that a source names, once it is permitted.
    """

    home: Home
    store: ArtifactStore
    notary: Notary
    emit: Emit
    cancelled: Callable[[], bool]
    live: Callable[[str], LiveRelease | None]
    tracking: Callable[[str, Path], Mapping[str, str]]
    regression_gates: Callable[[str], Sequence[RegressionGateSpec]] = lambda _model: ()
    existing_release: Callable[[str, str], str | None] = lambda _model, _digest: None
    record: Callable[[Recorded], None] = lambda _recorded: None
    candidates: Callable[[str | None], CandidateTracking] = lambda _mlflow_run: Untracked()
    secrets: Callable[[Collection[str]], Mapping[str, str]] = lambda _names: {}
    refusal: Callable[[Any], str] = lambda _spec: ""
    placement: Callable[[Callable[[str, Recorded], None], ProjectSpec], Placement] = lambda _record, _spec: no_placement
    labels: Callable[[Any, Mapping[str, str]], Mapping[str, Sequence[Any]]] = lambda _spec, _digests: {}
    connect: ConnectionOpener = no_connections


@dataclass(frozen=True)
class RunResult:
    """How a run ended.

    Args:
        state: succeeded, rejected (a check or gate did not pass), failed or cancelled.
        reason: One line; empty when it succeeded.
        model: Name of the model, once the project file was read.
        digest: Digest of the packaged model; None when there is none.
        envelopes: Signed evidence: predicate type and envelope.
        data: What the release remembers.
        metrics: Values of the gates and numbers of the reports, for the tracker.
        params: What steps were given, for the tracker.
        steps: State of each step.
        edges: What came from what, for the lineage; empty when it ended before its steps.
        readings: What was read of the sources, with their labels.
    """

    state: str
    reason: str = ""
    model: str | None = None
    digest: str | None = None
    envelopes: Sequence[tuple[str, Mapping[str, Any]]] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    steps: Mapping[str, str] = field(default_factory=dict)
    edges: Sequence[Any] = ()
    readings: Sequence[Any] = ()

    @property
    def ok(self) -> bool:
        """Whether it succeeded."""
        return self.state == "succeeded"

    def to_json(self) -> dict[str, Any]:
        """The outcome without its envelopes."""
        shown = ("state", "reason", "model", "digest", "metrics", "steps")
        return {name: getattr(self, name) for name in shown} | {"data": dict(self.data)}
