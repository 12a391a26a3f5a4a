"""What travels of lineage: edges, and the story of what an endpoint serves."""

from __future__ import annotations

from dataclasses import dataclass

from falaj.api import Release, Run
from falaj.documents.changes import Change


@dataclass(frozen=True)
class LineageEdge:
    """Something that came from something else; both as `kind:name`."""

    derived: str
    relation: str
    origin: str


@dataclass(frozen=True)
class ServedTime:
    """A time in which a location served a release; it still does where `ended_at` is None."""

    location: str
    release: int
    change: str | None
    began_at: float
    ended_at: float | None


@dataclass(frozen=True)
class Why:
    """Why an endpoint serves what it serves at a location: the release, its run, the change, and what was before.

    `change` brought it there; `restored` is the change whose approvals hold, where it was a rollback.
    """

    endpoint: str
    served: ServedTime
    release: Release
    run: Run
    change: Change | None
    restored: Change | None
    snapshots: list[str]
    before: list[ServedTime]
