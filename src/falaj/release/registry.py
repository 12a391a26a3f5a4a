"""Making releases, and moving them into endpoints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from falaj.errors import NotFoundError, UsageError
from falaj.governance import lineage, settings, trail
from falaj.ids import new_id
from falaj.processes import Effect, Event, Outbox, ProcessTable
from falaj.release import states
from falaj.release.lifecycle import DeploymentState
from falaj.release.states import ReleaseState
from falaj.storage import EndpointRow, EventRow, EvidenceRow, ProcessRow, ReleaseRow, RunRow

WORKER = "workload:worker/local"
"""Who publishes what runs make, as the audit log names it."""
CONTROLLER = "workload:controller/local"
"""Who carries out what was decided."""


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
        digest=candidate.digest, state=ReleaseState.CANDIDATE, data=dict(candidate.data), created_at=now,
    )  # fmt: skip
    session.add(release)
    name, about = f"release/{release.model}@{release.number}", {"digest": release.digest, "commit": release.commit}
    trail.write(session, "release.published", WORKER, name, now, {"run": run.id, **about})
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
        trail.write_evidence(session, envelope, name, WORKER, now)
    run.release = release.number
    move(session, release, "verify", WORKER, now, "what the run signed was verified before it was offered")
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


@dataclass(frozen=True)
class Grant:
    """By what a release may be deployed.

    Args:
        change: Id of the change whose admission the location is shown.
        concludes: Id of the change that ends with the deployment; another one when it is a rollback.
    """

    change: str
    concludes: str


def deploy(
    session: Session,
    table: ProcessTable,
    release: ReleaseRow,
    endpoint: tuple[str, str],
    grant: Grant,
    now: float,
) -> str:
    """Start the deployment of a release into an endpoint; an unfinished one of the same endpoint is superseded.

    Args:
        session: The caller's transaction.
        table: The process table.
        release: What is to serve.
        endpoint: Environment and location.
        grant: By what it may.
        now: Unix seconds.

    Returns:
        Id of the deployment.
    """
    environment, location = endpoint
    for older in _deployments(session, release.model, environment, location):
        table.send(session, older.id, Event("superseded"), now)
    deployment_id = new_id(now)
    data = {
        "deployment_id": deployment_id, "model": release.model, "release": release.number,
        "environment": environment, "location": location, "digest": release.digest,
        "change": grant.change, "concludes": grant.concludes,
    }  # fmt: skip
    table.start(session, "deployment", deployment_id, DeploymentState.PENDING, data, now)
    return deployment_id


def point_endpoint(session: Session, data: Mapping[str, Any], now: float) -> None:
    """Make a deployment's release what its endpoint must serve; agents see a new version of their desired state."""
    location = data["location"]
    version = next_version(session, location)
    key = (location, data["environment"], data["model"])
    release = session.get_one(ReleaseRow, (data["model"], data["release"]))
    row = session.get(EndpointRow, key)
    if row is None:
        row = EndpointRow(location=location, environment=data["environment"], model=data["model"], status={})
        session.add(row)
    elif row.release != release.number:
        row.previous = row.release
    row.release, row.version, row.updated_at = release.number, version, now
    row.plan = {"digest": release.digest, "change": data["change"], **release.data.get("serving", {})}
    said = {"location": location, "release": release.number, "digest": release.digest, "change": data["change"]}
    trail.write(session, "endpoint.pointed", CONTROLLER, _endpoint(row), now, {**said, "previous": row.previous})


def withdraw(session: Session, row: EndpointRow, reason: str, now: float) -> None:
    """Take an endpoint away: its location stops serving it as soon as it hears of that, within seconds.

    The row stays, so that the version of the location's desired state never goes back.
    """
    row.plan = {**row.plan, "withdrawn": reason}
    row.status = {"release": row.release, "state": "withdrawn", "message": reason}
    row.version, row.updated_at = next_version(session, row.location), now
    said = {"location": row.location, "release": row.release, "reason": reason}
    trail.write(session, "endpoint.withdrawn", CONTROLLER, _endpoint(row), now, said)
    lineage.ended(session, row.environment, row.model, row.location, now)


def next_version(session: Session, location: str) -> int:
    """The version that the desired state of a location has after its next change."""
    newest = select(func.max(EndpointRow.version)).where(EndpointRow.location == location)
    return (session.scalar(newest) or 0) + 1


def endpoints_of(session: Session, model: str, environment: str | None = None) -> list[EndpointRow]:
    """The endpoints that serve a model, in all environments or in one."""
    query = select(EndpointRow).where(EndpointRow.model == model)
    if environment is not None:
        query = query.where(EndpointRow.environment == environment)
    rows = session.scalars(query.order_by(EndpointRow.environment, EndpointRow.location))
    return [row for row in rows if not row.plan.get("withdrawn")]


def move(session: Session, release: ReleaseRow, event: str, actor: str, now: float, reason: str = "") -> None:
    """Let something happen to a release, and write it into the audit log.

    Raises:
        IllegalTransitionError: It cannot happen to a release in this state (`release.state`).
    """
    before, release.state = release.state, states.move(release.state, event)
    if release.state != before:
        subject = f"release/{release.model}@{release.number}"
        details = {"from": before, "to": str(release.state), "reason": reason}
        trail.write(session, f"release.{event}", actor, subject, now, details)


def observe(
    session: Session,
    table: ProcessTable,
    location: str,
    endpoints: Sequence[Mapping[str, Any]],
    now: float,
    *,
    reporter: str = "",
) -> list[str]:
    """Take what an agent reports of its endpoints; deployments become live or failed by it.

    Args:
        session: The caller's transaction.
        table: The process table.
        location: Whose endpoints.
        endpoints: What is said of each.
        now: Unix seconds.
        reporter: Principal id of who says so; by default the agent of the location.

    Returns:
        Ids of the changes that a deployment ended of.
    """
    settled: list[str] = []
    for report in endpoints:
        environment, _, model = report["endpoint"].partition("/")
        row = session.get(EndpointRow, (location, environment, model))
        if row is None or row.plan.get("withdrawn"):
            continue
        row.status, row.updated_at = dict(report), now
        outcome = {"ready": "ready", "failed": "failed"}.get(report["state"])
        if outcome and report["release"] == row.release:
            event = Event(outcome, {"message": report.get("message", "")})
            settled += _settle(session, table, row, event, now, reporter or f"workload:agent/{location}")
    return settled


def _settle(
    session: Session, table: ProcessTable, row: EndpointRow, event: Event, now: float, reporter: str
) -> Iterator[str]:
    for process in _deployments(session, row.model, row.environment, row.location):
        if process.state == DeploymentState.CONVERGING and process.data["release"] == row.release:
            table.send(session, process.id, event, now)
            kind = "deployment.live" if event.name == "ready" else "deployment.failed"
            data = {"release": row.release, "location": row.location, **event.data}
            session.add(EventRow(at=now, subject=_endpoint(row), kind=kind, data=data))
            trail.write(session, kind, reporter, _endpoint(row), now, data)
            if event.name == "ready":
                served = (row.environment, row.model, row.location, row.release, process.data["concludes"], now)
                lineage.began(session, lineage.Served(*served))
            yield process.data["concludes"]


def _endpoint(row: EndpointRow) -> str:
    return f"endpoint/{row.environment}/{row.model}"


def _deployments(session: Session, model: str, environment: str, location: str) -> list[ProcessRow]:
    active = (DeploymentState.PENDING, DeploymentState.CONVERGING, DeploymentState.LIVE)
    rows = session.scalars(select(ProcessRow).where(ProcessRow.kind == "deployment", ProcessRow.state.in_(active)))
    wanted = (model, environment, location)
    return [row for row in rows if (row.data["model"], row.data["environment"], row.data["location"]) == wanted]


def live(session: Session, model: str) -> ReleaseRow | None:
    """The release that serves on the highest rung where the model is live, or None."""
    rows = endpoints_of(session, model)
    serving = {row.environment: row for row in rows if row.status.get("state") == "ready"}
    for environment in reversed(settings.current(session).ladder):
        if environment.name in serving:
            return session.get(ReleaseRow, (model, serving[environment.name].status["release"]))
    return None
