"""Lineage: what came from what, and why an endpoint serves what it serves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, cast

from fastapi import APIRouter, Query
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from falaj.api import authorization, views
from falaj.api import provenance as stories
from falaj.api.authorization import Caller
from falaj.api.monitoring_views import recalibrations_of
from falaj.api.platform import Platform, Shared
from falaj.api.route_actions import Action, action
from falaj.api.routers.changes import document
from falaj.control import releases
from falaj.control.runs import queue
from falaj.core.errors import NotFoundError
from falaj.dataplane.log_keys import reader_keys
from falaj.dataplane.prediction_log import PredictionRecord, find_prediction
from falaj.schemas import lineage as documents
from falaj.schemas import states
from falaj.schemas.changes import Change
from falaj.schemas.monitoring import Recalibration
from falaj.storage import EndpointRow, ProcessRow, ProjectRow, ReleaseRow, RunRow, StepRunRow
from falaj.storage.change_tables import ChangeRow
from falaj.storage.monitoring_tables import AlertRow
from falaj.storage.retraining_tables import TrainingRequestRow
from falaj.trust import lineage
from falaj.trust.policy import Resource

router = APIRouter(prefix="/api/v1", tags=["lineage"])


@router.get("/lineage", response_model=documents.LineageWalk, **action(Action.READ, refined=True))
def walk(
    platform: Shared,
    caller: Caller,
    node: Annotated[str, Query(max_length=320)],
    direction: Literal["up", "down"] = "up",
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1_000,
) -> documents.LineageWalk:
    """The edges on the ways from a node to where it came from, or to what it reached; nearest first.

    Of what belongs to projects that the caller may not read, and of what only that leads to, nothing is told.
    """
    start, readable = lineage.node(node), authorization.readable(platform, caller)
    with platform.database.reading() as session:
        take = lineage.upstream if direction == "up" else lineage.downstream
        reached_edges = take(session, start, limit + 1)
        edges = reached_edges[:limit]
        if readable is not None:
            edges = lineage.visible_edges(
                edges, start, _projects_of(session, edges, start), readable, upward=direction == "up"
            )
    shown = [documents.LineageEdge(str(each.derived), each.relation, str(each.origin)) for each in edges]
    return documents.LineageWalk(str(start), shown, complete=len(reached_edges) <= limit)


@router.get(
    "/runs/{run_id}/openlineage", response_model=list[dict[str, Any]],
    **action(Action.READ, bounded="two events a step of the run"),
)  # fmt: skip
def open_lineage(run_id: str, platform: Shared) -> list[dict[str, Any]]:
    """The OpenLineage events of a run; none while it has not ended."""
    with platform.database.reading() as session:
        run = queue.find(session, run_id)
        edges = lineage.edges_of_steps(session, run.id)
        sources = lineage.sources_of(session, lineage.artifacts_of(edges))
        repository = session.get_one(ProjectRow, run.project).repository
        execution = stories.execution_of(run, repository, _rows_of(session, run.id), edges, sources)
    return lineage.events_of(execution) if execution else []


@router.get(
    "/why/{environment}/{model}", response_model=list[documents.Why],
    **action(Action.READ, refined=True, bounded="one a location that serves the model"),
)  # fmt: skip
def why(
    environment: str,
    model: str,
    platform: Shared,
    caller: Caller,
    at: Annotated[float | None, Query(ge=0, le=1e11)] = None,
) -> list[documents.Why]:
    """Why an endpoint serves what it serves, or served at a moment: one story a location."""
    with platform.database.reading() as session:
        served_releases = lineage.served_at(session, environment, model, platform.now() if at is None else at)
        if not served_releases:
            raise NotFoundError(
                f"{environment}/{model} served nothing then",
                hint="falaj endpoint list lists what serves now",
                code="lineage.nothing-served",
            )
        stories = [_story(session, each) for each in served_releases]
        owner = releases.owner_of(session, model)
    authorization.require(platform, caller, Action.READ, Resource("endpoint", f"{environment}/{model}", project=owner))
    return stories


@router.get("/predictions/{prediction_id}", response_model=documents.Trace, **action(Action.READ, refined=True))
def trace(prediction_id: str, platform: Shared, caller: Caller) -> documents.Trace:
    """Where a prediction comes from: change, release, evidence, run, commit, steps, snapshots and their sources."""
    location, record = _logged(platform, prediction_id)
    with platform.database.reading() as session:
        release_row = releases.find(session, record.header.release)
        owner = releases.owner_of(session, release_row.model)
        authorization.require(platform, caller, Action.READ, Resource("prediction", prediction_id, project=owner))
        return _traced(session, location, record, release_row)


def _logged(platform: Platform, prediction_id: str) -> tuple[str, PredictionRecord]:
    """The location whose log holds a prediction, and what it holds."""
    for log_dir in sorted(platform.home.root.glob("locations/*/predictions")):
        keys = reader_keys(platform.home, platform.keys, log_dir)
        if record := find_prediction(log_dir, prediction_id, keys):
            return log_dir.parent.name, record
    raise NotFoundError(
        f"no prediction '{prediction_id}' in the prediction logs of this machine",
        hint="the id is the x-request-id header of the answer",
        code="prediction.unknown",
    )


def _traced(session: Session, location: str, record: PredictionRecord, release_row: ReleaseRow) -> documents.Trace:
    environment, _, model = record.header.endpoint.partition("/")
    then = lineage.served_at(session, environment, model, record.at)
    served = next((each for each in then if (each.location, each.release) == (location, release_row.number)), None)
    statement_pairs = list(stories.statements(row.envelope for row in releases.evidence_of(session, release_row)))
    return documents.Trace(
        prediction=views.prediction(record),
        endpoint=record.header.endpoint,
        served=stories.served_time(served) if served else None,
        change=_change(session, served.change_id if served else None),
        release=views.release(release_row),
        evidence=stories.evidence_of(statement_pairs),
        run=views.run(session.get_one(RunRow, release_row.run_id)),
        steps=_steps(session, release_row),
        snapshots=release_row.data.get("snapshots", {}),
        data=stories.data_of(release_row.data.get("snapshots", {}), statement_pairs),
    )


def _steps(session: Session, release_row: ReleaseRow) -> list[documents.TracedStep]:
    edges = lineage.edges_of_steps(session, release_row.run_id)
    makers = lineage.makers_of(session, lineage.artifacts_of(edges))
    runs = {maker.name.partition("/")[0] for each in makers.values() for maker in each}
    mine = set(session.scalars(select(RunRow.id).where(RunRow.id.in_(runs), RunRow.project == release_row.project)))
    return stories.steps_of(release_row.run_id, _rows_of(session, release_row.run_id), edges, makers, mine)


def _rows_of(session: Session, run: str) -> Sequence[StepRunRow]:
    return session.scalars(select(StepRunRow).where(StepRunRow.run_id == run).order_by(StepRunRow.position)).all()


def _story(session: Session, served: lineage.Served) -> documents.Why:
    release_row = session.get_one(ReleaseRow, (served.model, served.release))
    change = session.get(ChangeRow, served.change_id) if served.change_id else None
    statement_pairs = list(stories.statements(row.envelope for row in releases.evidence_of(session, release_row)))
    return documents.Why(
        endpoint=f"{served.environment}/{served.model}",
        served=stories.served_time(served),
        release=views.release(release_row),
        run=views.run(session.get_one(RunRow, release_row.run_id)),
        author=stories.author_of(statement_pairs),
        data=stories.data_of(release_row.data.get("snapshots", {}), statement_pairs),
        change=_change(session, served.change_id),
        restored=_change(session, change.restores if change else None),
        rollout=_rollout(session, served, release_row, change),
        before=[stories.served_time(each) for each in lineage.before(session, served)],
        recalibration=_recalibration(session, served),
    )


def _recalibration(session: Session, served: lineage.Served) -> Recalibration | None:
    """By what the answers of a release are moved that is served now."""
    row = session.get(EndpointRow, (served.location, served.environment, served.model))
    if row is None or served.ended_at is not None:
        return None
    return next((each for each in recalibrations_of(row) if each.release == served.release), None)


def _rollout(
    session: Session, served: lineage.Served, release_row: ReleaseRow, change: ChangeRow | None
) -> documents.RolloutStory:
    ids = change.data.get("deployments", ()) if change else ()
    deployments = session.scalars(select(ProcessRow).where(ProcessRow.id.in_(ids)))
    mine = [each for each in deployments if each.data.get("location") == served.location]
    strategy = mine[0].data.get("strategy", {}).get("kind", "recreate") if mine else "recreate"
    began = mine[0].created_at if mine else None
    return documents.RolloutStory(
        cast("states.RolloutStrategy", strategy),
        release_row.data.get("serving", {}).get("replicas"),
        began,
        served.began_at,
    )


def _change(session: Session, change_id: str | None) -> Change | None:
    row = session.get(ChangeRow, change_id) if change_id else None
    return None if row is None else document(session, row)


def _projects_of(
    session: Session, edges: Sequence[lineage.Edge], start: lineage.Node
) -> dict[lineage.Node, str | None]:
    """The projects of the nodes that belong to one; None where it is not known, or more than one."""
    nodes = {start, *(node for edge in edges for node in (edge.derived, edge.origin))}
    runs = {node: node.name.partition("/")[0] for node in nodes if node.kind in ("run", "step")}
    models = {node: node.name.partition("@")[0] for node in nodes if node.kind == "release"}
    models |= {node: node.name.partition("/")[0] for node in nodes if node.kind in ("source", "scoring")}
    of_run = select(RunRow.id, func.max(RunRow.project)).where(RunRow.id.in_(set(runs.values()))).group_by(RunRow.id)
    alerts = {node: node.name for node in nodes if node.kind == "alert"}
    trainings = {node: node.name for node in nodes if node.kind == "training"}
    of_alert = select(AlertRow.id, AlertRow.project).where(AlertRow.id.in_(set(alerts.values())))
    of_training = select(TrainingRequestRow.id, TrainingRequestRow.project)
    of_training = of_training.where(TrainingRequestRow.id.in_(set(trainings.values())))
    projects_by_name = {name: project for query in (of_alert, of_training) for name, project in session.execute(query)}
    by_run = {name: project for name, project in session.execute(of_run)}  # noqa: C416 - rows are no pairs
    by_model = releases.owners_of(session, set(models.values()))
    return {**{node: by_run.get(run) for node, run in runs.items()},
            **{node: by_model.get(model) for node, model in models.items()},
            **{node: projects_by_name.get(name) for node, name in (alerts | trainings).items()}}  # fmt: skip
