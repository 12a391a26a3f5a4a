"""Lineage: what came from what, and why an endpoint serves what it serves."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from sqlalchemy.orm import Session

from falaj.documents import lineage as documents
from falaj.documents.changes import Change
from falaj.errors import NotFoundError
from falaj.governance import lineage
from falaj.governance.policy import Resource
from falaj.runs import queue
from falaj.server import access, views
from falaj.server.access import Caller
from falaj.server.actions import Action, action
from falaj.server.platform import Shared
from falaj.server.routers.changes import document
from falaj.storage import ReleaseRow, RunRow
from falaj.storage.change_tables import ChangeRow

router = APIRouter(prefix="/api/v1", tags=["lineage"])


@router.get("/lineage", response_model=list[documents.LineageEdge], **action(Action.READ))
def walk(
    platform: Shared,
    node: Annotated[str, Query(max_length=320)],
    direction: Literal["up", "down"] = "up",
) -> list[documents.LineageEdge]:
    """Every edge on a way from a node to where it came from, or to what it reached; nearest first."""
    start = lineage.node(node)
    with platform.database.reading() as session:
        found = lineage.upstream(session, start) if direction == "up" else lineage.downstream(session, start)
    return [documents.LineageEdge(str(each.derived), each.relation, str(each.origin)) for each in found]


@router.get("/runs/{run_id}/openlineage", response_model=list[dict[str, Any]], **action(Action.READ))
def open_lineage(run_id: str, platform: Shared) -> list[dict[str, Any]]:
    """The OpenLineage events of a run that made a release; none while it has not ended."""
    with platform.database.reading() as session:
        run = queue.find(session, run_id)
        if run.started_at is None or run.ended_at is None:
            return []
        edges = lineage.edges_of_steps(session, run.id)
        return lineage.events_of(run.id, run.project, edges, run.started_at, run.ended_at)


@router.get("/why/{environment}/{model}", response_model=list[documents.Why], **action(Action.READ, refined=True))
def why(
    environment: str,
    model: str,
    platform: Shared,
    caller: Caller,
    at: Annotated[float | None, Query(ge=0, le=1e11)] = None,
) -> list[documents.Why]:
    """Why an endpoint serves what it serves, or served at a moment: one story a location."""
    with platform.database.reading() as session:
        history = lineage.history(session, environment, model)
        found = lineage.served_at(session, environment, model, platform.now() if at is None else at)
        if not found:
            raise NotFoundError(
                f"{environment}/{model} served nothing then",
                hint="falaj endpoints lists what serves now",
                code="lineage.nothing-served",
            )
        stories = [_story(session, each, history) for each in found]
    for story in stories:
        access.require(
            platform, caller, Action.READ, Resource("endpoint", story.endpoint, project=story.release.project)
        )
    return stories


def _story(session: Session, served: lineage.Served, history: list[lineage.Served]) -> documents.Why:
    name = f"{served.model}@{served.release}"
    release = session.get_one(ReleaseRow, (served.model, served.release))
    change = session.get(ChangeRow, served.change_id) if served.change_id else None
    restored = session.get(ChangeRow, change.restores) if change and change.restores else None
    sources = lineage.upstream(session, lineage.Node("release", name))
    earlier = [each for each in history if each.location == served.location and each.began_at < served.began_at]
    return documents.Why(
        endpoint=f"{served.environment}/{served.model}",
        served=_time(served),
        release=views.release(release),
        run=views.run(session.get_one(RunRow, release.run_id)),
        change=_change(session, change),
        restored=_change(session, restored),
        snapshots=[f"{each.origin.name} {each.derived.name}" for each in sources if each.relation == "snapshot of"],
        before=[_time(each) for each in earlier],
    )


def _change(session: Session, row: ChangeRow | None) -> Change | None:
    return None if row is None else document(session, row)


def _time(served: lineage.Served) -> documents.ServedTime:
    return documents.ServedTime(served.location, served.release, served.change_id, served.began_at, served.ended_at)
