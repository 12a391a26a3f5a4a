"""Making releases, finding them, and letting things happen to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from falaj.control.releases import owners, states
from falaj.control.releases.states import WITHDRAWN, ReleaseState
from falaj.core.errors import NotFoundError, UsageError
from falaj.core.ids import parse_number
from falaj.storage import EventRow, EvidenceRow, ReleaseRow, ReleaseWithdrawalRow, RunRow
from falaj.storage.durable import Effect, Outbox
from falaj.storage.facts import FactSubject
from falaj.storage.sealed import require_standing
from falaj.trust.audit import record

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
    """Give the candidate the next number of its model, in the caller's transaction.

    Raises:
        ForeignModelError: The model belongs to another project (`model.foreign`).
    """
    owners.claim(session, candidate.model, run.project, WORKER, now)
    newest = session.scalar(select(func.max(ReleaseRow.number)).where(ReleaseRow.model == candidate.model))
    release = ReleaseRow(
        model=candidate.model, number=(newest or 0) + 1, project=run.project, run_id=run.id, commit=run.commit,
        digest=candidate.digest, state=ReleaseState.CANDIDATE, data=dict(candidate.data), created_at=now,
    )  # fmt: skip
    session.add(release)
    name, about = f"release/{release.model}@{release.number}", {"digest": release.digest, "commit": release.commit}
    record.write(session, "release.published", WORKER, name, now, {"run": run.id, **about})
    session.add(EventRow(at=now, subject=name, kind="release.published", data={"run": run.id, **about}))
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
        record.write_evidence(session, envelope, name, WORKER, now)
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
    model, _, version_text = name.partition("@")
    number = parse_number(version_text)
    if number is None and version_text not in ("", "latest"):
        raise UsageError(f"'{name}' is not MODEL@NUMBER", hint="for example flight-delay@3", code="release.name")
    query = select(ReleaseRow).where(ReleaseRow.model == model).order_by(ReleaseRow.number.desc())
    if number is not None:
        query = query.where(ReleaseRow.number == number)
    release = session.scalar(query.limit(1))
    if release is None:
        raise NotFoundError(f"no release '{name}'", hint="falaj release list lists them", code="release.unknown")
    return release


def evidence_of(session: Session, release: ReleaseRow) -> Sequence[EvidenceRow]:
    """The signed evidence of a release, in the order in which it was made."""
    query = select(EvidenceRow).where(EvidenceRow.model == release.model, EvidenceRow.number == release.number)
    return session.scalars(query.order_by(EvidenceRow.id)).all()


def move(session: Session, release: ReleaseRow, event: str, actor: str, now: float, reason: str = "") -> None:
    """Let something happen to a release, and write it into the audit log and the stream of events.

    Raises:
        IllegalTransitionError: It cannot happen to a release in this state (`release.state`).
    """
    before = state_of(session, release)
    release.state = states.move(before, event)
    if release.state != before:
        if {before, release.state} & WITHDRAWN:
            _seal_state(session, release, actor, now)
        subject = f"release/{release.model}@{release.number}"
        details = {"from": before, "to": str(release.state), "reason": reason}
        record.write(session, f"release.{event}", actor, subject, now, details)
        session.add(EventRow(at=now, subject=subject, kind=f"release.{event}", data={"actor": actor, **details}))


def state_of(session: Session, release: ReleaseRow) -> ReleaseState:
    """Where a release is: a signed withdrawal counts before the release's own row, which is not signed.

    Raises:
        FactMissingError: It was withdrawn, and the database does not have that any more (`facts.missing`).
    """
    key = (release.model, release.number)
    row = session.get(ReleaseWithdrawalRow, key)
    require_standing(session, FactSubject(ReleaseWithdrawalRow.__tablename__, f"{key[0]}/{key[1]}"), row)
    if row is not None and row.state in WITHDRAWN:
        return ReleaseState(row.state)
    return ReleaseState(release.state)


def _seal_state(session: Session, release: ReleaseRow, actor: str, now: float) -> None:
    row = session.get(ReleaseWithdrawalRow, (release.model, release.number))
    if row is None:
        row = ReleaseWithdrawalRow(model=release.model, number=release.number)
        session.add(row)
    row.state, row.at, row.decided_by = str(release.state), now, actor
    session.flush()
