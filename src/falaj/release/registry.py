"""Making releases, and moving them into endpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from falaj.errors import NotFoundError, UsageError
from falaj.ids import new_id
from falaj.processes import Effect, Event, Outbox, ProcessTable
from falaj.release.lifecycle import DeploymentState
from falaj.storage import EndpointRow, EventRow, EvidenceRow, ProcessRow, ReleaseRow, RunRow


@dataclass(frozen=True)
class Candidate:
    """What a successful run offers for release.

    Args:
        model: Name of the line of releases.
        digest: Tree digest of the packaged model.
        envelopes: Signed evidence: predicate type and envelope.
        data: What the release remembers: gates with values, snapshots, serving plan, environment lock.
        mlflow_run: The tracking run that holds the model's metrics, if there is one.
    """

    model: str
    digest: str
    envelopes: Sequence[tuple[str, Mapping[str, Any]]]
    data: Mapping[str, Any]
    mlflow_run: str | None


def publish(session: Session, run: RunRow, candidate: Candidate, now: float) -> ReleaseRow:
    """Give the candidate the next number of its model, in the caller's transaction."""
    newest = session.scalar(select(func.max(ReleaseRow.number)).where(ReleaseRow.model == candidate.model))
    release = ReleaseRow(
        model=candidate.model, number=(newest or 0) + 1, project=run.project, run_id=run.id, commit=run.commit,
        digest=candidate.digest, state="candidate", data=dict(candidate.data), created_at=now,
    )  # fmt: skip
    session.add(release)
    for predicate_type, envelope in candidate.envelopes:
        session.add(
            EvidenceRow(
                model=release.model,
                number=release.number,
                run_id=run.id,
                predicate_type=predicate_type,
                envelope=dict(envelope),
            )
        )
    run.release = release.number
    if candidate.mlflow_run:
        message = {"model": release.model, "release": release.number, "mlflow_run": candidate.mlflow_run}
        Outbox.add(
            session, Effect("mlflow-register", f"mlflow-register/{release.model}/{release.number}", message), now
        )
    return release


def find(session: Session, name: str) -> ReleaseRow:
    """The release that `model@number` or `model@latest` names; `model` alone means the latest.

    Raises:
        UsageError: The name is not of that form.
        NotFoundError: There is no such release.
    """
    model, _, number = name.partition("@")
    if number not in ("", "latest") and not number.isdigit():
        raise UsageError(f"'{name}' is not MODEL@NUMBER", hint="for example flight-delay@3", code="release.name")
    query = select(ReleaseRow).where(ReleaseRow.model == model).order_by(ReleaseRow.number.desc())
    if number.isdigit():
        query = query.where(ReleaseRow.number == int(number))
    release = session.scalar(query.limit(1))
    if release is None:
        raise NotFoundError(f"no release '{name}'", hint="falaj releases lists them", code="release.unknown")
    return release


def evidence_of(session: Session, release: ReleaseRow) -> Sequence[EvidenceRow]:
    """The signed evidence of a release, in the order in which it was made."""
    query = select(EvidenceRow).where(EvidenceRow.model == release.model, EvidenceRow.number == release.number)
    return session.scalars(query.order_by(EvidenceRow.id)).all()


def deploy(
    session: Session, table: ProcessTable, release: ReleaseRow, environment: str, location: str, now: float
) -> str:
    """Start the deployment of a release into an endpoint; an unfinished one of the same endpoint is superseded."""
    for older in _deployments(session, release.model, environment, location):
        table.send(session, older.id, Event("superseded"), now)
    deployment_id = new_id(now)
    data = {
        "deployment_id": deployment_id, "model": release.model, "release": release.number,
        "environment": environment, "location": location, "digest": release.digest,
    }  # fmt: skip
    table.start(session, "deployment", deployment_id, DeploymentState.PENDING, data, now)
    return deployment_id


def point_endpoint(session: Session, data: Mapping[str, Any], now: float) -> None:
    """Make a deployment's release what its endpoint must serve; agents see a new version of their desired state."""
    location = data["location"]
    newest = session.scalar(select(func.max(EndpointRow.version)).where(EndpointRow.location == location)) or 0
    key = (location, data["environment"], data["model"])
    release = session.get_one(ReleaseRow, (data["model"], data["release"]))
    row = session.get(EndpointRow, key)
    if row is None:
        row = EndpointRow(location=location, environment=data["environment"], model=data["model"], status={})
        session.add(row)
    elif row.release != release.number:
        row.previous = row.release
    row.release, row.version, row.updated_at = release.number, newest + 1, now
    row.plan = {"digest": release.digest, **release.data.get("serving", {})}


def observe(
    session: Session, table: ProcessTable, location: str, endpoints: Sequence[Mapping[str, Any]], now: float
) -> None:
    """Take what an agent reports of its endpoints; deployments become live or failed by it."""
    for report in endpoints:
        environment, _, model = report["endpoint"].partition("/")
        row = session.get(EndpointRow, (location, environment, model))
        if row is None:
            continue
        row.status, row.updated_at = dict(report), now
        outcome = {"ready": "ready", "failed": "failed"}.get(report["state"])
        if outcome and report["release"] == row.release:
            _settle(session, table, row, Event(outcome, {"message": report.get("message", "")}), now)


def _settle(session: Session, table: ProcessTable, row: EndpointRow, event: Event, now: float) -> None:
    for process in _deployments(session, row.model, row.environment, row.location):
        if process.state == DeploymentState.CONVERGING and process.data["release"] == row.release:
            table.send(session, process.id, event, now)
            subject = f"endpoint/{row.environment}/{row.model}"
            kind = "deployment.live" if event.name == "ready" else "deployment.failed"
            data = {"release": row.release, "location": row.location, **event.data}
            session.add(EventRow(at=now, subject=subject, kind=kind, data=data))


def _deployments(session: Session, model: str, environment: str, location: str) -> list[ProcessRow]:
    active = (DeploymentState.PENDING, DeploymentState.CONVERGING, DeploymentState.LIVE)
    rows = session.scalars(select(ProcessRow).where(ProcessRow.kind == "deployment", ProcessRow.state.in_(active)))
    wanted = (model, environment, location)
    return [row for row in rows if (row.data["model"], row.data["environment"], row.data["location"]) == wanted]


def live(session: Session, model: str) -> ReleaseRow | None:
    """The release that serves in the highest environment where the model is live, or None.

    Until environments have ranks of their own, `prod` comes before `pre-prod`, `test` and `dev`.
    """
    rows = session.scalars(select(EndpointRow).where(EndpointRow.model == model)).all()
    serving = {row.environment: row for row in rows if row.status.get("state") == "ready"}
    for environment in ("prod", "pre-prod", "test", "dev"):
        if environment in serving:
            return session.get(ReleaseRow, (model, serving[environment].status["release"]))
    return None
