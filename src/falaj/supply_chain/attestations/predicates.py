"""What evidence says: one frozen class a predicate type, dataclass in, JSON-able dict out.

    dataset      a snapshot: where it came from and under which rules it may be used
    provenance   which commit, environment and snapshots made the model (see `provenance.py`)
    train        the run that trained it, on which snapshots, with which features, by whose commit
    eval         the gates, each with its value beside its limit
    tests        the checks of behaviour: the project's tests, data validation, model tests
    scan         the checks of content: static analysis, secrets, dependencies, model files
    comparison   how the backtest model of a model that was trained again on all rows did beside the live release

What people decide about a release (identity, approval, admission) is in `decisions.py`, its bill of materials in
`mlbom.py`. A later predicate type is one more class and one more entry in `rules.CONTENT`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from falaj.supply_chain.attestations.canonical import LARGEST_INTEGER
from falaj.supply_chain.attestations.errors import EvidenceError
from falaj.supply_chain.attestations.statement import Statement

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

DATASET = "https://falaj.dev/evidence/dataset/v1"
PROVENANCE = "https://falaj.dev/evidence/provenance/v1"
TRAIN = "https://falaj.dev/evidence/train/v1"
EVAL = "https://falaj.dev/evidence/eval/v1"
TESTS = "https://falaj.dev/evidence/tests/v1"
SCAN = "https://falaj.dev/evidence/scan/v1"
COMPARISON = "https://falaj.dev/evidence/comparison/v1"

WORKER = "worker"
"""Whose word a claim is that nobody recomputed before it was signed."""
OURS, PROJECT, PINNED = "ours", "project", "pinned"
"""Who wrote a metric, and who an exam."""
OWN, LIBRARIES = "own", "libraries"
"""Whose code is loaded with a model: the project's too, or that of the libraries on our list alone."""

P = TypeVar("P")


@dataclass(frozen=True)
class Snapshot:
    """A pinned data source.

    Args:
        name: The name in `falaj.yaml`.
        digest: Its artifact digest.
    """

    name: str
    digest: str


@dataclass(frozen=True)
class Dataset:
    """Says where a snapshot came from; the subject is the snapshot.

    Args:
        name: The name in `falaj.yaml`.
        source: The URL as written there.
        pinned: What it resolved to: package and version, object version, file digest.
        classification: public, internal, personal, ...
        origin: Country of origin, ISO 3166-1 alpha-2.
        files: Number of files.
        size: Bytes.
        sector: The business whose law covers it, where the classification does not tell; else empty.
        subject_key: The column that says whose each row is; empty when none does.
        table: Of a table of another system: kind, address, version, digest of the query, rows and columns.
    """

    name: str
    source: str
    pinned: str
    classification: str
    origin: str
    files: int
    size: int
    sector: str = ""
    subject_key: str = ""
    table: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the predicate."""
        return predicate_of(self)


@dataclass(frozen=True)
class CandidateRecord:
    """One candidate of a sweep.

    Args:
        name: The cell, such as `fit[depth=3]`.
        parameters: Its values.
        model: Digest of its model as its step returned it; None when it has none.
        table: Digest of the rows that it was scored on; None when it was not.
        score: Value of the metric; None when it has none.
        reason: Why it has none.
    """

    name: str
    parameters: Mapping[str, Any]
    model: str | None
    table: str | None
    score: float | None
    reason: str = ""


@dataclass(frozen=True)
class SelectionRecord:
    """How the values of the model's parameters were selected among candidates.

    Args:
        step: The step whose cells they are.
        text: By what, as the project writes it: `brier on split.validation`.
        better: `greater` or `less`.
        best: Name of the candidate that went on.
        candidates: All of them, in the order of the matrix.
    """

    step: str
    text: str
    better: str
    best: str
    candidates: tuple[CandidateRecord, ...]


@dataclass(frozen=True)
class Train:
    """Says how the model came to be; the subject is the model.

    Args:
        model: Name of the model line.
        run: Run id.
        commit: Full commit id.
        step: The step that returned the model.
        author: Author of the commit, `Name <address>`.
        contributors: Authors, committers and co-authors of every commit since that of the release before.
        since: Commit of the release before; empty for the first.
        started_by: Principal id of who pushed the commit; empty where nobody proved who they are.
        snapshots: Every snapshot that reached the model.
        features: Names of the model's inputs, in order.
        parameters: Step parameters by step.
        metrics: What the steps reported.
        mlflow_run: Id of the MLflow run.
        purpose: Why the data is processed, as the project says; empty when it does not.
        automated_decisions: Whether decisions about people follow from predictions alone; None when it is not told.
        human_review: Where a person asks a human to look again; empty when nowhere.
        refit_of: Digest of the backtest model, where the same recipe was trained again on all rows; else None.
        selection: How its parameters were selected among candidates; None where none were.
        claimed_by: Whose word this is.
    """

    model: str
    run: str
    commit: str
    step: str
    author: str
    snapshots: tuple[Snapshot, ...]
    features: tuple[str, ...]
    parameters: Mapping[str, Any]
    metrics: Mapping[str, float | None]
    mlflow_run: str | None = None
    purpose: str = ""
    automated_decisions: bool | None = None
    human_review: str = ""
    contributors: tuple[str, ...] = ()
    since: str = ""
    started_by: str = ""
    refit_of: str | None = None
    selection: SelectionRecord | None = None
    claimed_by: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the predicate."""
        return predicate_of(self)


@dataclass(frozen=True)
class GateRecord:
    """One gate and what came of it.

    Args:
        text: The gate as written.
        passed: Whether it held.
        value: What was measured; None when nothing could be.
        limit: What it was compared with.
        rows: Rows that were scored.
        interval: Confidence interval of the value or of the difference to the live release.
        slice: The worst slice of a sliced gate.
        reason: One line.
        exam: `pinned` where the rows are a source that no step may read, else `project`.
        metric: `ours`, or `project` where a function of the project computed it.
        claimed_by: Whose word the value is; empty when the signer computed it from answers and labels.
    """

    text: str
    passed: bool
    value: float | None
    limit: float | None
    rows: int
    interval: tuple[float, float] | None = None
    slice: str | None = None
    reason: str = ""
    metric: str = OURS
    exam: str = PROJECT
    claimed_by: str = ""


@dataclass(frozen=True)
class Eval:
    """Says how the model did at its gates; the subject is the model.

    Args:
        run: Run id.
        commit: Full commit id.
        gates: Every gate of the project.
        live: Digest of the live model it was compared with.
        champion: Of a retrained model: whether it wins against the live one, why, and the comparison; else None.
        claimed_by: Who says which answers and labels there were, and what is live.
    """

    run: str
    commit: str
    gates: tuple[GateRecord, ...]
    live: str | None = None
    champion: Mapping[str, Any] | None = None
    claimed_by: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the predicate."""
        return predicate_of(self)


@dataclass(frozen=True)
class CheckRecord:
    """One check and what came of it.

    Args:
        name: Name of the check.
        passed: Whether it held.
        checked: How many things it looked at; a check of nothing proves nothing.
        summary: One line.
        values: Measured values beside their limits, as `dataclasses.asdict` gives them.
        tools: Versions by tool.
        findings: One line each.
        claimed_by: Whose word this is; empty when the signer did the check itself.
    """

    name: str
    passed: bool
    checked: int
    summary: str
    values: tuple[Mapping[str, Any], ...]
    tools: Mapping[str, str]
    findings: tuple[str, ...] = ()
    claimed_by: str = ""


@dataclass(frozen=True)
class Tests:
    """Says which checks of behaviour ran; the subject is the model.

    Args:
        run: Run id.
        commit: Full commit id.
        checks: tests, data, model.
    """

    run: str
    commit: str
    checks: tuple[CheckRecord, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the predicate."""
        return predicate_of(self)


@dataclass(frozen=True)
class Scan(Tests):
    """Says which checks of content ran (static, secrets, dependencies, model-files); the subject is the model.

    Args:
        code: Whose code is loaded with the model: `own` (the project's too) or `libraries`.
    """

    code: str = ""


@dataclass(frozen=True)
class ComparisonRecord:
    """Says how the backtest model of a refit did; its subject was trained without the rows that judge.

    Args:
        run: Run id, of both.
        commit: Full commit id, of both.
        model: Name of the model line.
        refit: Digest of the model that was trained again by the same recipe on the rows that judged, too.
        live: Digest of the live model that the backtest model was held beside.
        parameters: Step parameters of the backtest model, by step; those of the refit differ in the window alone.
        window: Names of the parameters that say which rows are learned from.
        verdict: Whether the backtest model wins against the live model, why, the comparison,
        and what it could have seen.
        agreement: Whether backtest model and refit agree on rows that neither learned from,
        and by how much they differ.
        claimed_by: Whose word this is.
    """

    run: str
    commit: str
    model: str
    refit: str
    live: str | None
    parameters: Mapping[str, Any]
    window: tuple[str, ...]
    verdict: Mapping[str, Any]
    agreement: Mapping[str, Any]
    claimed_by: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the predicate."""
        return predicate_of(self)


def read(statement: Statement, kind: type[P], *, where: str = "") -> P:
    """Return a statement's predicate as its class.

    Raises:
        EvidenceError: `evidence.malformed`, naming the field.
    """
    try:
        return msgspec.convert(statement.predicate, kind)
    except msgspec.ValidationError as error:
        raise EvidenceError(f"the {kind.__name__.lower()} predicate is malformed: {error}", where=where) from error


def predicate_of(content: DataclassInstance) -> dict[str, Any]:
    """Return a predicate class as plain JSON."""
    return {name: plain(value) for name, value in asdict(content).items()}


def plain(value: Any) -> Any:
    """Return the value in what canonical JSON can hold.

    A number that is not finite becomes null and an integer beyond ±(2**53 - 1) becomes text, so that an odd metric or
    seed of a project is recorded instead of stopping its run.
    """
    match value:
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case float() if not math.isfinite(value):
            return None
        case int() if abs(value) > LARGEST_INTEGER:
            return str(value)
        case _:
            return value
