"""What travels between the server and its clients: the documents of the REST API.

Plain frozen dataclasses: the server declares them as its responses (so they are the OpenAPI schemas) and the client
decodes into them. Times are unix seconds, digests `sha256:<hex>`.
"""

from __future__ import annotations

import types
import typing
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache
from typing import Any, TypeVar

from falaj.schemas import states
from falaj.schemas.html_table import html_table

T = TypeVar("T")


@dataclass(frozen=True)
class Health:
    """State of the server and of the parts that have reported to it."""

    status: str
    version: str
    database: str
    store: str


@dataclass(frozen=True)
class InstallationProof:
    """Which installation answers, shown to whoever has its token."""

    proof: str


@dataclass(frozen=True)
class Project:
    """A repository that Falaj builds."""

    name: str
    repository: str
    branch: str
    vendor: str | None
    last_commit: str | None
    created_at: float


@dataclass(frozen=True)
class StepRun:
    """One step, check or gate of a run."""

    node: str
    kind: states.StepKind
    state: states.StepState
    detail: dict[str, Any]
    started_at: float | None
    ended_at: float | None


@dataclass(frozen=True)
class Run:
    """One execution of a project's pipeline at a commit; `steps` is empty in lists."""

    id: str
    project: str
    model: str | None
    commit: str
    ref: str | None
    trigger: str
    params: dict[str, Any]
    state: states.RunState
    reason: str
    release: int | None
    mlflow_run: str | None
    created_at: float
    started_at: float | None
    ended_at: float | None
    steps: list[StepRun] = field(default_factory=list)

    def _repr_html_(self) -> str:
        """What a notebook shows: the run in a line, and its steps, checks and gates as a table."""
        title = f"run {self.id} of {self.project}: {self.state}" + (f" ({self.reason})" if self.reason else "")
        rows = [(each.kind, each.node, each.state, _outcome(each.detail)) for each in self.steps]
        return html_table(("", "name", "state", "outcome"), rows, title)


def _outcome(detail: dict[str, Any]) -> str:
    """What a step was given and reported, or what a check or gate says."""
    values = {**(detail.get("params") or {}), **(detail.get("metrics") or {})}
    numbers = (
        f"{name} {value:.6g}" if isinstance(value, float) else f"{name} {value}" for name, value in values.items()
    )
    return str(detail.get("reason") or detail.get("summary") or detail.get("message") or ", ".join(numbers))


@dataclass(frozen=True)
class Release:
    """A numbered release of a model."""

    model: str
    number: int
    project: str
    run_id: str
    commit: str
    digest: str
    state: states.ReleaseState
    data: dict[str, Any]
    created_at: float


@dataclass(frozen=True)
class Endpoint:
    """A model in an environment at a location: what it must serve and what it does serve.

    `url` is where predictions are made on that machine itself, `door` where they are from others.
    """

    endpoint: str
    location: str
    release: int
    previous: int | None
    state: states.EndpointState
    url: str | None
    replicas_ready: int
    message: str
    updated_at: float
    door: str = ""


@dataclass(frozen=True)
class Event:
    """Something that happened; `id` orders them."""

    id: int
    at: float
    subject: str
    kind: str
    data: dict[str, Any]


@dataclass(frozen=True)
class Triggered:
    """What an announced commit led to: a new run, the run it already had, or nothing (`reason` says why)."""

    run_id: str | None
    created: bool
    reason: str


@dataclass(frozen=True)
class Collected:
    """What garbage collection removed."""

    blobs: int
    bytes: int


def decode(kind: type[T], value: Any) -> T:
    """Make a document from parsed JSON; unknown keys of a newer server are ignored.

    Args:
        kind: One of the dataclasses above.
        value: What `json.loads` gave.
    """
    hints = _hints(typing.cast("Any", kind))
    field_names = {item.name for item in fields(typing.cast("Any", kind))}
    return kind(**{key: _decode_value(hints[key], item) for key, item in value.items() if key in field_names})


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _decode_value(hint: Any, value: Any) -> Any:
    if isinstance(hint, types.UnionType):
        named = next((kind for kind in typing.get_args(hint) if is_dataclass(kind)), None)
        return value if named is None or value is None else _decode_value(named, value)
    if is_dataclass(hint):
        return decode(typing.cast("type", hint), value)
    if typing.get_origin(hint) is list and is_dataclass(typing.get_args(hint)[0]):
        return [decode(typing.get_args(hint)[0], item) for item in value]
    return value
