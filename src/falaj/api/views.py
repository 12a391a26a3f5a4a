"""Rows as the documents of the API."""

from __future__ import annotations

from typing import Any, cast

from falaj.dataplane.prediction_log import PredictionRecord
from falaj.schemas import api, states
from falaj.storage import EndpointRow, EventRow, ProjectRow, ReleaseRow, RunRow, StepRunRow


def project(row: ProjectRow) -> api.Project:
    """A project without its webhook secret."""
    return api.Project(row.name, row.repository, row.branch, row.vendor, row.last_commit, row.created_at)


def run(row: RunRow, steps: list[StepRunRow] | None = None) -> api.Run:
    """A run, with its steps where they are given."""
    return api.Run(
        id=row.id, project=row.project, model=row.model, commit=row.commit, ref=row.ref, trigger=row.trigger,
        params=row.params, state=cast("states.RunState", row.state), reason=row.reason, release=row.release,
        mlflow_run=row.mlflow_run,
        created_at=row.created_at, started_at=row.started_at, ended_at=row.ended_at,
        steps=[step(item) for item in steps or []],
    )  # fmt: skip


def step(row: StepRunRow) -> api.StepRun:
    """A step, check or gate."""
    return api.StepRun(
        row.node,
        cast("states.StepKind", row.kind),
        cast("states.StepState", row.state),
        row.detail,
        row.started_at,
        row.ended_at,
    )


def release(row: ReleaseRow) -> api.Release:
    """A release."""
    return api.Release(
        row.model,
        row.number,
        row.project,
        row.run_id,
        row.commit,
        row.digest,
        cast("states.ReleaseState", row.state),
        row.data,
        row.created_at,
    )


def endpoint(row: EndpointRow) -> api.Endpoint:
    """An endpoint with what its agent last reported; a report about another release means it is still moving."""
    current = row.status.get("release") == row.release
    return api.Endpoint(
        endpoint=f"{row.environment}/{row.model}", location=row.location, release=row.release, previous=row.previous,
        state=row.status.get("state", "pending") if current else "pending", url=row.status.get("url"),
        replicas_ready=row.status.get("replicas_ready", 0), message=row.status.get("message", ""),
        door=row.status.get("door", ""),
        updated_at=row.updated_at,
    )  # fmt: skip


def event(row: EventRow) -> api.Event:
    """An event."""
    return api.Event(row.id, row.at, row.subject, row.kind, row.data)


def prediction(record: PredictionRecord) -> dict[str, Any]:
    """An answered request: its rows as mappings, and the model's outputs."""
    rows = [dict(zip(record.header.features, row, strict=True)) for row in record.rows]
    answer = {"id": record.request_id, "at": record.at, "rows": rows, "prediction": dict(record.outputs)}
    if record.recalibration is None:
        return answer
    applied = {"version": record.recalibration.version, "offset": record.recalibration.offset}
    return {**answer, "recalibration": applied, "bare": dict(record.bare)}
