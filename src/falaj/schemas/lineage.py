"""What travels of lineage: edges, where a prediction comes from, and the story of what an endpoint serves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from falaj.schemas import states
from falaj.schemas.api import Release, Run
from falaj.schemas.changes import Change
from falaj.schemas.monitoring import Recalibration


@dataclass(frozen=True)
class LineageEdge:
    """Something that came from something else; both as `kind:name`."""

    derived: str
    relation: str
    origin: str


@dataclass(frozen=True)
class LineageWalk:
    """The edges on the ways from a node, nearest first; `complete` is false where there are more than are sent."""

    node: str
    edges: list[LineageEdge]
    complete: bool


@dataclass(frozen=True)
class ServedTime:
    """A time in which a location served a release; it still does where `ended_at` is None."""

    location: str
    release: int
    change: str | None
    began_at: float
    ended_at: float | None


@dataclass(frozen=True)
class TracedData:
    """A snapshot that a release was made from, and what its signed evidence says of where it came from."""

    name: str
    digest: str
    source: str
    pinned: str
    classification: str


@dataclass(frozen=True)
class TracedStep:
    """A step of the run that made a release: digests of what it read and made.

    `made_in` are the runs that really made it: other ones where the step found its result made.
    """

    name: str
    state: str
    read: list[str]
    outputs: list[str]
    made_in: list[str]


@dataclass(frozen=True)
class TracedEvidence:
    """A signed statement about a release: what kind, and the digest of its envelope."""

    kind: str
    digest: str


@dataclass(frozen=True)
class Trace:
    """Where a prediction comes from, back to the commit, the steps, the data and its sources.

    `served` is the time of serving that the prediction was made in, and `change` what brought the release there; both
    are None for what was served before there were records of that.
    """

    prediction: dict[str, Any]
    endpoint: str
    served: ServedTime | None
    change: Change | None
    release: Release
    evidence: list[TracedEvidence]
    run: Run
    steps: list[TracedStep]
    snapshots: dict[str, str]
    data: list[TracedData]


@dataclass(frozen=True)
class RolloutStory:
    """How a release came to a location: when its deployment began, and when all of it answered."""

    strategy: states.RolloutStrategy
    replicas: int | None
    began_at: float | None
    live_at: float


@dataclass(frozen=True)
class Why:
    """Why an endpoint serves what it serves at a location: the release, its run, the change, and what was before.

    `author` wrote the commit. `change` brought the release there; `restored` is the change whose approvals hold, where
    it was a rollback. `before` begins with what was served last. `recalibration` is by what its answers are moved now;
    None where nothing was told, and of what is not served any more.
    """

    endpoint: str
    served: ServedTime
    release: Release
    run: Run
    author: str
    data: list[TracedData]
    change: Change | None
    restored: Change | None
    rollout: RolloutStory
    before: list[ServedTime]
    recalibration: Recalibration | None = None
