"""The schema of falaj.yaml: the parser of `ProjectSpec`, and the JSON Schema for editors."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import replace
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from falaj.config.check_options import CHECK_LIST, Checks, as_mapping
from falaj.config.expectations import TableExpectation
from falaj.config.fields import (
    Duration,
    Function,
    Gate,
    ModelName,
    Name,
    NonEmpty,
    Or,
    Origin,
    ParameterName,
    ProjectPath,
    Reference,
    SecretName,
    Select,
    Size,
    Strict,
    Url,
    problem,
    shown,
    text_like,
)
from falaj.config.gates import with_columns
from falaj.config.monitoring import Monitoring
from falaj.config.own_metrics import DeclaredMetric, MetricName
from falaj.config.reading import Reading
from falaj.config.retrain import Retrain
from falaj.config.scoring import Scoring
from falaj.config.spec import (
    DEFAULT_RISK,
    TABLE_SCHEMES,
    Answer,
    Callers,
    PrivacySpec,
    ProjectSpec,
    RepositorySpec,
    ScaleSpec,
    ServingSpec,
    SourceSpec,
    StepSpec,
)
from falaj.config.strategies import StrategyField
from falaj.schemas.limits import MAX_CELLS, MAX_REPLICAS

Classification = Literal["public", "internal", "confidential", "personal", "health", "banking", "government"]
Sector = Literal["general", "health", "banking", "insurance", "government"]

_RESERVED = ("FALAJ_", "MLFLOW_", "PYTHON", "LD_")
_TAKEN_ALONE = ("PATH", "HOME", "TMPDIR", "VIRTUAL_ENV")
"""Variables by which steps are run."""


class DataSource(Strict):
    """A data source; every run pins a snapshot of it."""

    source: Url = Field(description="Where the data is, as a URL; `file://` is relative to the project.")
    classification: Classification = Field(description="How sensitive the data is.")
    origin: Origin = Field(description="ISO 3166 code of the jurisdiction that the data comes from.")
    read: Reading = Field(default=Reading(), description="How the file is read, where it is not as its ending says.")
    sector: Sector | None = Field(
        default=None,
        description="The business whose law covers the data, where the classification does not tell; policy packs "
        "read it.",
    )
    subject_key: NonEmpty | None = Field(
        default=None,
        description="The column that says whose each row is. Snapshots then enter the index of subjects, so that "
        "`falaj privacy find` knows where a person's data went.",
    )

    exam: bool = Field(
        default=False,
        description="Kept for gates: no step reads it, and its labels go to the judge alone. It lies outside of the "
        "project: `file:///...` or `s3://...`.",
    )
    prepare: Function | None = Field(
        default=None,
        description="Of an exam: a function of the project that is given the table without the label, and returns what "
        "the model reads, a row for each row.",
    )

    query: Annotated[str, text_like(r"^[^/\\~.][^\\]*\.sql$", "a .sql file of the project")] | None = Field(
        default=None, description="Of `sql://`: the file of the project with the query, one SELECT."
    )
    key: Annotated[list[NonEmpty], Field(min_length=1, max_length=16)] | None = Field(
        default=None,
        description="Of `sql://`: the columns that tell the rows of the query apart. Rows are sorted by them, so that "
        "the same rows give the same snapshot.",
    )
    watch: Annotated[str, StringConstraints(min_length=1, max_length=2000)] | None = Field(
        default=None,
        description="Of `sql://`: a query of one small answer that changes when there is something new; "
        "`retrain: {on: event}` asks it.",
    )

    at: Annotated[int, Field(ge=0, le=2**63 - 1)] | None = Field(
        default=None,
        description="Of `delta://` the version, of `iceberg://` the id of the snapshot that is read; "
        "by default the newest.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        is_query = self.source.startswith("sql://")
        self.read.require_fits(f"{self.source}.parquet" if self.source.startswith(TABLE_SCHEMES) else self.source)
        if is_query and (self.query is None or self.key is None):
            raise problem("a database is read by a query and a key", "`query: FILE.sql` and `key: [COLUMN, ...]`")
        if not is_query and (self.query or self.key or self.watch):
            raise problem("`query`, `key` and `watch` are of a database", "`source: sql://CONNECTION`")
        if self.at is not None and not self.source.startswith(("delta://", "iceberg://")):
            raise problem("`at` is of a table of a lake", "`source: delta://...` or `iceberg://...`")
        if self.prepare and not self.exam:
            raise problem("only an exam is prepared apart from the steps", "`exam: true`")
        if self.exam and not self.source.startswith(("file:///", "s3://")):
            raise problem("an exam lies outside of the project, where no step can read it", "file:///... or s3://...")
        return self

    def to_spec(self, name: str) -> SourceSpec:
        """The source as the pipeline consumes it."""
        rest = self.model_dump(exclude_none=True, exclude={"read", "key"})
        return SourceSpec(name=name, **rest, key=tuple(self.key or ()), read=self.read.model_dump(exclude_none=True))


class Resources(Strict):
    """What a step reserves."""

    cpu: float = Field(default=1.0, gt=0, le=1024, description="Cores.")
    memory: Size | None = Field(default=None, description="Memory; a step that uses more is stopped.")
    disk: Size | None = Field(
        default=None,
        description="Disk space of its folder; a step that takes more is stopped. By default 80% of what is free.",
    )


class Retries(Strict):
    """How a failed step is tried again."""

    count: int = Field(ge=0, le=100, description="How often.")
    backoff: Duration = Field(default=1.0, description="Pause before the first retry; doubled for each further one.")


def _counted(value: Any) -> Any:
    return {"count": value} if isinstance(value, int) and not isinstance(value, bool) else value


class Step(Strict):
    """A unit of work; give either `run` or `command`."""

    run: Function | None = Field(default=None, description="The function that does the work, as `module:function`.")
    command: list[NonEmpty] | None = Field(default=None, min_length=1, description="Program and arguments.")
    inputs: list[Reference] = Field(
        default=[],
        description="What the step reads: sources, steps or `step.output`. Each goes to the function's parameter of "
        "its name; those that are left go, in order, to the parameters that are left.",
    )
    params: dict[ParameterName, Any] = Field(default={}, description="Other arguments of the function, by name.")
    outputs: list[Name] = Field(default=[], description="Names of the outputs, when there is more than one.")
    output: Literal["model", "report"] | None = Field(
        default=None, description="What the result is, when its type does not say it. A `model` can be released."
    )
    needs: list[Name] = Field(default=[], description="Steps to wait for although nothing of them is read.")
    resources: Resources = Field(default=Resources(), description="Cores and memory that the step reserves.")
    retries: Annotated[Retries, BeforeValidator(_counted), Or({"type": "integer", "minimum": 0})] = Field(
        default=Retries(count=0), description="How often a failed step is tried again."
    )
    timeout: Duration | None = Field(default=None, description="The step is stopped after this time.")
    matrix: dict[ParameterName, Annotated[list[Any], Field(min_length=1)]] | None = Field(
        default=None,
        description=f"Parameter to its values; the step runs once for each combination, of which there are at most "
        f"{MAX_CELLS}.",
    )
    select: Select | None = Field(
        default=None,
        description="Of a `matrix` of models: the metric by which the best one goes on, and the rows that it is "
        "computed on, as `METRIC on DATA`. Gates judge on other rows.",
    )
    cache: bool = Field(default=True, description="`false` runs the step although nothing has changed.")
    files: list[ProjectPath] = Field(default=[], description="Other files that the result depends on.")
    secrets: list[SecretName] = Field(
        default=[],
        description="Secrets that the step finds in environment variables of their names. They are kept by "
        "`falaj project secret set` and are in no log, result or evidence.",
    )
    network: bool = Field(default=False, description="`true` lets the step reach the network; others reach nobody.")
    executor: ModelName | None = Field(
        default=None,
        description="Where the step runs: `local` for the machine of the control plane, or an executor of "
        "platform.yaml. By default where the platform says. `falaj run` in a checkout runs every step where it is.",
    )
    queue_timeout: Duration | None = Field(
        default=None,
        description="The step fails when no machine of its executor has taken it up after this time; `local` takes it "
        "up when cores and memory are free, whenever that is.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.run is None) == (self.command is None):
            raise problem("a step does one thing", "either `run` or `command`")
        if self.outputs and self.output:
            raise problem("`outputs` and `output` exclude each other", "one of them")
        if len(set(self.outputs)) < len(self.outputs):
            raise problem("an output is named twice", "each name once")
        reserved_names = [name for name in self.secrets if name.startswith(_RESERVED) or name in _TAKEN_ALONE]
        if reserved_names:
            raise problem(
                f"a secret cannot be called {reserved_names[0]}, which has a meaning of its own", "another name"
            )
        both = sorted({*self.params} & {*(self.matrix or {})})
        if both:
            raise problem(f"`{both[0]}` is in `params` and in `matrix`", "one of them")
        self._require_cells()
        return self

    def _require_cells(self) -> None:
        """A matrix of few cells whose names differ, and one to select from."""
        matrix = self.matrix or {}
        if (cells := math.prod(len(values) for values in matrix.values())) > MAX_CELLS:
            raise problem(f"the matrix has {cells:,} combinations", f"at most {MAX_CELLS}")
        for name, values in matrix.items():
            texts = [value if isinstance(value, str) else json.dumps(value) for value in values]
            if twice := [text for text in texts if texts.count(text) > 1]:
                raise problem(f"`{name}` has the value {shown(twice[0])} twice", "each value once")
        if self.select and not matrix:
            raise problem("`select` selects one cell of a matrix, and there is none", "`matrix` beside it")
        if self.select and self.output != "model":
            raise problem("`select` scores models", "`output: model` beside it")

    def to_spec(self, name: str) -> StepSpec:
        """The step as the pipeline consumes it."""
        return StepSpec(
            name=name,
            run=self.run,
            command=None if self.command is None else tuple(self.command),
            inputs=tuple(self.inputs),
            outputs=tuple(self.outputs),
            output=self.output,
            params=self.params,
            needs=tuple(self.needs),
            cpu=self.resources.cpu,
            memory_bytes=self.resources.memory,
            disk_bytes=self.resources.disk,
            retries=self.retries.count,
            backoff_s=self.retries.backoff,
            timeout_s=self.timeout,
            matrix={key: tuple(values) for key, values in (self.matrix or {}).items()},
            cache=self.cache,
            files=tuple(self.files),
            secrets=tuple(self.secrets),
            network=self.network,
            select=self.select,
            executor=self.executor or "",
            queue_timeout_s=self.queue_timeout,
        )


class Replicas(Strict):
    """Within what the number of model servers follows the load."""

    min: int = Field(default=1, ge=0, le=MAX_REPLICAS, description="Fewest; 0 lets the endpoint sleep.")
    max: int = Field(ge=1, le=MAX_REPLICAS, description="Most.")

    @model_validator(mode="after")
    def _ordered(self) -> Replicas:
        if self.min > self.max:
            raise problem("`min` is more than `max`", "`min` is at most `max`")
        return self


def _as_range(value: Any) -> Any:
    """`3` as `{min: 3, max: 3}`."""
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_REPLICAS:
        return {"min": value, "max": value}
    if isinstance(value, dict | Replicas):
        return value
    raise problem(f"{value!r} is not a number of replicas", f"1 to {MAX_REPLICAS}, or `min` and `max`")


class Serving(Strict):
    """How an endpoint is run."""

    replicas: Annotated[
        Replicas, BeforeValidator(_as_range), Or({"type": "integer", "minimum": 1, "maximum": MAX_REPLICAS})
    ] = Field(
        default=Replicas(max=1),
        description="Model servers behind one endpoint: a number, or `min` and `max` to follow the load.",
    )
    idle: Duration = Field(default=900.0, description="With `min: 0`: how long without a request until it sleeps.")
    latency_budget_ms: float | None = Field(
        default=None, gt=0, description="99th percentile that one prediction may take, in milliseconds."
    )
    answer: Answer | None = Field(
        default=None,
        description="What a response holds where its caller does not say; without this, both in the Open Inference "
        "Protocol, and what MLflow's `pyfunc_predict_fn` says at `/invocations`.",
    )
    callers: Callers | None = Field(
        default=None,
        description="Who may ask: `token` (on the machine itself, too), `mtls`, `oidc` (tokens of the provider of the "
        "platform file), or `anyone-on-this-machine` and nobody elsewhere. Without this, anyone on the machine "
        "itself, and elsewhere who has a token.",
    )
    per_caller: int = Field(default=1_000, ge=1, le=1_000_000, description="Requests of one caller a second.")

    @model_validator(mode="after")
    def _idle_where_it_sleeps(self) -> Serving:
        if "idle" in self.model_fields_set and self.replicas.min > 0:
            raise problem("`idle` is for endpoints that may sleep", "`replicas: {min: 0, max: ...}`, or no `idle`")
        return self

    def to_spec(self) -> ServingSpec:
        """The same as other rooms consume it."""
        others = self.model_dump(exclude={"replicas", "idle"})
        least, most = self.replicas.min, self.replicas.max
        scale = ScaleSpec(least, most, self.idle) if least < most else None
        return ServingSpec(max(1, least), **others, scale=scale)


class Privacy(Strict):
    """What the model is for, as far as people are concerned; policy packs read it."""

    purpose: Name | None = Field(
        default=None,
        description="Why the data is processed, in one word; a transfer abroad is permitted for a purpose.",
    )
    automated_decisions: bool | None = Field(
        default=None, description="Whether decisions about people follow from predictions alone."
    )
    human_review: NonEmpty | None = Field(
        default=None, description="Where a person asks a human to look again: an address or a URL."
    )

    def to_spec(self) -> PrivacySpec:
        """The same as other rooms consume it."""
        return PrivacySpec(self.purpose or "", self.automated_decisions, self.human_review or "")


class Repository(Strict):
    """What of the repository is fetched besides the commit itself."""

    submodules: bool = Field(
        default=False, description="`true` fetches submodules, each at the commit that the repository names."
    )


class Project(Strict):
    """What a project asks of Falaj: where its data is, how its model is made, and when it is good enough."""

    model: ModelName = Field(description="Name of the model: the line of releases that the project makes.")
    owner: NonEmpty = Field(description="Who answers for the model: an address or a team.")
    risk: Literal["low", "medium", "high"] = Field(
        default=DEFAULT_RISK, description="Risk tier; decides which changes may be standard."
    )
    data: dict[Name, DataSource] = Field(default={}, description="Data sources by name.")
    pipeline: dict[Name, Step] = Field(min_length=1, description="Steps by name.")
    checks: Annotated[Checks, BeforeValidator(as_mapping), Or(CHECK_LIST)] = Field(
        default=Checks(), description="What is checked in every run: a list of names, or a mapping of names to options."
    )
    expect: dict[Reference, TableExpectation] = Field(
        default={}, description="What must hold for a table, by source, step or `step.output`."
    )
    metrics: dict[MetricName, DeclaredMetric] = Field(
        default={}, description="Metrics of the project's own, by the name that gates call them."
    )
    gates: list[Gate] = Field(default=[], description="What the model must reach before it is released.")
    serving: Serving = Field(default=Serving(), description="How an endpoint of the model is run.")
    deploy: dict[ModelName, StrategyField] = Field(
        default={}, description="How a candidate replaces the stable release, by environment."
    )
    monitoring: Monitoring = Field(default=Monitoring(), description="How releases are watched.")
    retrain: list[Retrain] = Field(default=[], description="What starts a new training.")
    scoring: list[Scoring] = Field(default=[], description="Sources that are scored without being asked.")
    privacy: Privacy = Field(default=Privacy(), description="What the model is for, as far as people are concerned.")
    repository: Repository = Field(default=Repository(), description="What is fetched besides the commit.")

    def to_spec(self, text_sha256: str = "") -> ProjectSpec:
        """The project as the other rooms consume it.

        Args:
            text_sha256: Hex digest of the file's bytes.
        """
        return ProjectSpec(
            model=self.model,
            owner=self.owner,
            risk=self.risk,
            data={name: each.to_spec(name) for name, each in self.data.items()},
            steps={name: self._step(name, step) for name, step in self.pipeline.items()},
            checks=self.checks.to_spec(),
            expect={name: table.to_spec() for name, table in self.expect.items()},
            metrics={name: metric.to_spec() for name, metric in self.metrics.items()},
            gates=tuple(with_columns(gate, self.monitoring.model_dump()) for gate in self.gates),
            serving=self.serving.to_spec(),
            deploy={name: strategy.to_spec() for name, strategy in self.deploy.items()},
            monitoring=self.monitoring.to_spec(),
            retrain=tuple(trigger.to_spec() for trigger in self.retrain),
            scoring=tuple(entry.to_spec() for entry in self.scoring),
            privacy=self.privacy.to_spec(),
            repository=RepositorySpec(self.repository.submodules),
            text_sha256=text_sha256,
        )

    def _step(self, name: str, step: Step) -> StepSpec:
        """A step, with the function that computes what it is selected by."""
        spec = step.to_spec(name)
        if spec.select is None or spec.select.metric not in self.metrics:
            return spec
        return replace(spec, select=replace(spec.select, own=self.metrics[spec.select.metric].to_spec()))

    def digest(self) -> str:
        """`sha256:` digest of the meaning: the same for files that differ in comments and layout only."""
        canonical = json.dumps(self.to_spec().to_json(), sort_keys=True, separators=(",", ":"))
        return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()


def json_schema() -> dict[str, Any]:
    """The JSON Schema of falaj.yaml, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Project.model_json_schema()}
