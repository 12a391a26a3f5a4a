"""What a project asks for, as plain frozen dataclasses.

Every other room consumes these types; `falaj.config.schema` is only the parser that makes them. Only the
standard library is imported here, so that a cached specification loads in a few milliseconds. Mappings and
lists inside hold JSON values only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Literal, Self

from falaj.core.json_record import JsonRecord

SPEC_VERSION = 10
"""Raised whenever the JSON form changes, so that an older cache entry is not read."""

Risk = Literal["low", "medium", "high"]
DEFAULT_RISK: Risk = "medium"
Strategy = Literal["recreate", "blue_green", "canary", "shadow"]
Answer = Literal["label", "probabilities", "both"]
TABLE_SCHEMES = ("sql://", "delta://", "iceberg://")
"""Sources that are tables already, and no files; their snapshots are Parquet."""
Callers = Literal["anyone-on-this-machine", "token", "mtls", "oidc"]


@dataclass(frozen=True)
class SourceSpec:
    """A data source of the project.

    Attributes:
        name: Its name in `inputs`.
        source: Where the data is: `package://`, `file://`, `s3://`, `sql://` or another URL.
        classification: How sensitive it is, such as `public` or `personal`.
        origin: ISO 3166 country code of the jurisdiction that the data comes from.
        read: Options of the reader; empty for the defaults of the format.
        sector: The business whose law covers the data: `health`, `banking`, ...; empty when only the classification
            tells.
        subject_key: The column that says whose each row is; empty when none does.
        exam: Whether it is kept for gates: no step reads it.
        prepare: Of an exam: the function that makes of its columns, without the label, what the model reads; empty
            when the model reads them as they are.
        query: Of a database: the file of the project with the query.
        key: Of a database: the columns that tell the rows of the query apart.
        watch: Of a database: a query whose answer changes when there is something new; empty when none does.
        at: Of a table of a lake: the version or snapshot that is read; None for the newest.
    """

    name: str
    source: str
    classification: str
    origin: str
    read: Mapping[str, Any] = field(default_factory=dict)
    sector: str = ""
    subject_key: str = ""
    exam: bool = False
    prepare: str = ""
    query: str = ""
    key: tuple[str, ...] = ()
    watch: str = ""
    at: int | None = None

    @property
    def filename(self) -> str:
        """The name of its snapshot where it is one file; its suffix says how it is read."""
        if self.source.startswith(TABLE_SCHEMES):
            return f"{self.name}.parquet"
        return PurePosixPath(self.source.partition("?")[0]).name or "data"


@dataclass(frozen=True)
class StepSpec:
    """One unit of work of the pipeline; exactly one of `run` and `command` is set.

    Attributes:
        name: Its name in `inputs`, `needs` and gates.
        run: `module:function` in the project's code.
        command: Program and arguments.
        inputs: Names of sources, steps or `step.output`, in the order of the function's parameters.
        outputs: Names of the outputs; empty when the step has one unnamed output.
        output: The kind of the unnamed output (`model`, `report`), or None when the value's own type says it.
        params: Keyword arguments of the function.
        needs: Steps that must have finished although nothing of them is read.
        cpu: Cores that the step reserves.
        memory_bytes: Memory that the step may use; None is no limit.
        disk_bytes: Disk space that the step's folder may take; None is most of what is free.
        retries: How often a failed step is tried again.
        backoff_s: Seconds before the first retry; doubled for each further one.
        timeout_s: Seconds after which the step is stopped; None is no limit.
        matrix: Parameter name to the values over which the step fans out.
        cache: False runs the step although nothing it depends on changed.
        files: Extra files, relative to the project's folder, whose content the result depends on.
        secrets: Names of secrets, which the step finds in its environment variables.
        network: Whether the step reaches the network of the machine that it runs on.
        select: By which metric one cell of the matrix goes on; None where all do.
        executor: Where it runs; empty for where the platform lets steps run.
        queue_timeout_s: Seconds that it may wait for an executor elsewhere; None is no limit.
    """

    name: str
    run: str | None = None
    command: tuple[str, ...] | None = None
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    output: str | None = None

    params: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    cpu: float = 1.0
    memory_bytes: int | None = None
    disk_bytes: int | None = None
    retries: int = 0
    backoff_s: float = 1.0
    timeout_s: float | None = None
    matrix: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    cache: bool = True
    files: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    network: bool = False
    select: SelectSpec | None = None
    executor: str = ""
    queue_timeout_s: float | None = None


@dataclass(frozen=True)
class OwnMetric:
    """A metric that is a function of the project.

    Attributes:
        function: `module.path:function`.
        higher_is_better: Its direction; None where the project does not declare one, and nothing can be compared.
        bounds: The least and the greatest value that it gives; None where there are none.
    """

    function: str
    higher_is_better: bool | None = None
    bounds: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.bounds is not None:
            object.__setattr__(self, "bounds", tuple(self.bounds))  # JSON has lists


@dataclass(frozen=True)
class SelectSpec:
    """By what one cell of a matrix is selected.

    Attributes:
        text: The expression as written.
        metric: Name of the metric; its direction says which value is best.
        data: Source, step or `step.output` that holds the rows.
        output: The label column of one of several outputs; None for the only one, or the mean over all.
        own: What computes the metric, where a function of the project does.
    """

    text: str
    metric: str
    data: str
    output: str | None = None
    own: OwnMetric | None = None


@dataclass(frozen=True)
class GateSpec:
    """A condition on a metric of the model, as `falaj.config.gates` read it.

    Attributes:
        text: The expression as written.
        metric: Name of the metric.
        op: `>=`, `>`, `<=` or `<`; `not worse than` for a comparison with another model.
        limit: The number that the metric is held against; None for a comparison.
        data: Source, step or `step.output` that holds the rows.
        by: Column whose values cut the rows into slices; each must pass.
        min_rows: Slices with fewer rows are not judged.
        not_worse_than: `live` for a comparison with the release that is live.
        margin: How much worse than the live release is tolerated, in units of the metric.
        confidence: Confidence of the comparison's bound, between 0 and 1.
        output: The label column of one of several outputs; None for the only one, or the mean over all.
        outputs: The label columns of a model that gives several numbers a row; empty of one label.
        group: The column whose rows are ranked among each other, where the project names one.
        scale: The column that errors of forecasts are divided by, where the project names one.
        own: What computes the metric, where a function of the project does.
    """

    text: str
    metric: str
    op: str
    limit: float | None
    data: str
    by: str | None = None
    min_rows: int | None = None
    not_worse_than: Literal["live"] | None = None
    margin: float | None = None
    confidence: float = 0.95
    output: str | None = None
    outputs: tuple[str, ...] = ()
    group: str | None = None
    scale: str | None = None
    own: OwnMetric | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "outputs", tuple(self.outputs))  # JSON has lists


@dataclass(frozen=True)
class ScaleSpec:
    """Within what the number of replicas follows the load.

    Attributes:
        least: Fewest; 0 lets an endpoint sleep.
        most: Most.
        idle_s: Seconds without a request until it sleeps.
    """

    least: int
    most: int
    idle_s: float

    def to_json(self) -> dict[str, float]:
        """As locations read it."""
        return {"min": self.least, "max": self.most, "idle_s": self.idle_s}


@dataclass(frozen=True)
class ServingSpec:
    """How an endpoint of the model is run.

    Attributes:
        replicas: Model servers behind one endpoint.
        latency_budget_ms: 99th percentile that one prediction may take; None is no budget.
        answer: What a response holds where its caller does not say; None for what the protocol and MLflow say.
        callers: Who may ask; None for anyone on the machine itself, and for who has a token elsewhere.
        per_caller: Requests of one caller a second.
        scale: Within what their number follows the load; None where it is `replicas`.
    """

    replicas: int = 1
    latency_budget_ms: float | None = None
    answer: Answer | None = None
    callers: Callers | None = None
    per_caller: int = 1_000
    scale: ScaleSpec | None = None


@dataclass(frozen=True)
class PrivacySpec:
    """What the model is for, as far as people are concerned.

    Attributes:
        purpose: Why the data is processed; transfers abroad are permitted for a purpose. Empty when it is not told.
        automated_decisions: Whether decisions about people follow from predictions alone; None when it is not told.
        human_review: Where a person asks a human to look again: an address or a URL; empty when nowhere.
    """

    purpose: str = ""
    automated_decisions: bool | None = None
    human_review: str = ""


@dataclass(frozen=True)
class RepositorySpec:
    """What of the repository is fetched besides the commit itself.

    Attributes:
        submodules: Whether submodules are.
    """

    submodules: bool = False


@dataclass(frozen=True)
class StrategySpec:
    """How a candidate replaces the stable release in one environment.

    Attributes:
        kind: The strategy.
        options: Its options with durations in seconds (`for_s`, `holdback.for_s`) and shares between 0 and 1.
    """

    kind: Strategy = "recreate"
    options: Mapping[str, Any] = field(default_factory=dict)


BEHAVIOUR_CHECKS = frozenset({"tests", "data", "model"})
"""Checks of how code, data and model behave, whose records are `tests` evidence; those of the others are `scan`."""


@dataclass(frozen=True)
class ProjectSpec(JsonRecord):
    """A whole `falaj.yaml`, checked.

    Attributes:
        model: Name of the line of releases.
        owner: Who answers for it: an address or a team.
        risk: Decides which changes may be standard.
        data: Sources by name.
        steps: The pipeline by step name, in the order of the file.
        checks: Options by name of the check; only the named checks run.
        expect: Table name to column name to expectation; the column `rows` stands for the number of rows.
        metrics: Metrics that functions of the project compute, by the name that gates call them.
        gates: Conditions on the model, in the order of the file.
        serving: How endpoints are run.
        deploy: Strategy by environment.
        monitoring: What differs from the defaults: `label`, `label_delay_s`, `block`, `window`, ...; see
            `falaj.config.monitoring`.
        retrain: Triggers; each a mapping with `on`.
        scoring: Sources that are scored without being asked; each a mapping with `on`.
        privacy: What the model is for, as far as people are concerned.
        repository: What of the repository is fetched besides the commit itself.
        text_sha256: Hex digest of the file's bytes; empty when it was not read from a file.
    """

    model: str
    owner: str
    risk: Risk = DEFAULT_RISK
    data: Mapping[str, SourceSpec] = field(default_factory=dict)
    steps: Mapping[str, StepSpec] = field(default_factory=dict)
    checks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    expect: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    metrics: Mapping[str, OwnMetric] = field(default_factory=dict)
    gates: tuple[GateSpec, ...] = ()
    serving: ServingSpec = field(default_factory=ServingSpec)
    deploy: Mapping[str, StrategySpec] = field(default_factory=dict)
    monitoring: Mapping[str, Any] = field(default_factory=dict)
    retrain: tuple[Mapping[str, Any], ...] = ()
    scoring: tuple[Mapping[str, Any], ...] = ()
    privacy: PrivacySpec = field(default_factory=PrivacySpec)
    repository: RepositorySpec = field(default_factory=RepositorySpec)
    text_sha256: str = ""

    @property
    def sweep(self) -> StepSpec | None:
        """The step whose cells are candidates, of which one is selected; None when there is none."""
        return next((step for step in self.steps.values() if step.select and step.matrix), None)

    def upstream(self, name: str) -> frozenset[str]:
        """Every step that must have finished before a step starts; names that are no steps are left out."""
        reached: set[str] = set()
        waiting = [name]
        while waiting:
            step = self.steps[waiting.pop()]
            before = {each.partition(".")[0] for each in step.inputs if each not in self.data} | {*step.needs}
            waiting += sorted(before & self.steps.keys() - reached)
            reached |= before & self.steps.keys()
        return frozenset(reached)

    @property
    def model_step(self) -> str | None:
        """The step whose model is released: the last one with `output: model`; None when there is none."""
        return next((name for name in reversed([*self.steps]) if self.steps[name].output == "model"), None)

    def to_json(self) -> dict[str, Any]:
        """The specification as JSON values; `from_json` reads it back unchanged."""
        return super().to_json() | {"version": SPEC_VERSION}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote.

        Raises:
            ValueError: It was written by another version of this module.
        """
        if document.get("version") != SPEC_VERSION:
            raise ValueError(f"project specification of version {document.get('version')}, not {SPEC_VERSION}")
        return super().from_json(document)
