"""How an agent comes in: an administrator invites a location with a one-time token, and the agent spends it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from falaj.core.ids import new_id
from falaj.storage.sealed import delete_each
from falaj.storage.workload_tables import CertificateRow, EnrolmentRow
from falaj.supply_chain.certificates.names import WorkloadKind
from falaj.trust import settings
from falaj.trust.audit import record
from falaj.trust.identity.bearer import BearerKind, new_bearer, parse_bearer
from falaj.trust.pki.errors import EnrolmentError, EnrolmentRefusedError, UnknownExecutorError, UnknownLocationError

OWN_LOCATION = "local"
"""The machine of the control plane; its agent shares the installation's folder and needs no certificate."""

INVITATION_LIFE_S = 3600.0

_HINT = "an administrator makes a new one: falaj location enroll NAME"


@dataclass(frozen=True)
class EnrolmentToken:
    """What an agent needs to come in; the token is stored nowhere."""

    location: str
    token: str
    expires_at: float


def invite(
    session: Session, location: str, actor: str, now: float, life_s: float = INVITATION_LIFE_S
) -> EnrolmentToken:
    """Make a token for a location; earlier ones that nobody used are void from now on.

    Args:
        session: Transaction to write in.
        location: One that platform.yaml names.
        actor: Principal id of who invites.
        now: Unix seconds.
        life_s: Seconds until the token expires.

    Raises:
        UnknownLocationError: There is no such location.
        EnrolmentError: It is the installation's own.
    """
    require_location(session, location)
    if location == OWN_LOCATION:
        raise EnrolmentError("the installation's own location needs no enrolment", where=f"location {location}")
    withdraw(session, location)
    return _invite(session, WorkloadKind.AGENT, location, f"location/{location}", actor, now, life_s)


def invite_machine(
    session: Session, executor: str, actor: str, now: float, life_s: float = INVITATION_LIFE_S
) -> EnrolmentToken:
    """Make a token for one more machine of an executor, which gets a name of its own.

    Args:
        session: Transaction to write in.
        executor: One that platform.yaml names.
        actor: Principal id of who invites.
        now: Unix seconds.
        life_s: Seconds until the token expires.

    Raises:
        UnknownExecutorError: There is no such executor.
    """
    require_executor(session, executor)
    name = f"{executor}.{new_id(now)}"
    return _invite(session, WorkloadKind.EXECUTOR, name, f"executor/{executor}", actor, now, life_s)


def executor_of(machine: str) -> str:
    """The executor that a machine belongs to, by its name."""
    return machine.partition(".")[0]


def _invite(
    session: Session, part: WorkloadKind, location: str, subject: str, actor: str, now: float, life_s: float
) -> EnrolmentToken:
    bearer = new_bearer(BearerKind.ENROL, new_id(now))
    session.add(
        EnrolmentRow(
            id=bearer.id, part=part, location=location, digest=bearer.digest, created_at=now, created_by=actor,
            expires_at=now + life_s,
        )
    )  # fmt: skip
    session.flush()
    record.write(session, "workload.invited", actor, subject, now, {"expires_at": now + life_s})
    return EnrolmentToken(location, str(bearer), now + life_s)


def accept(session: Session, token: str, location: str, now: float) -> EnrolmentRow:
    """Take a token; of two agents that spend it at once the database lets one through.

    An agent that was in for this location before is out from now on.

    Args:
        session: Transaction to write in.
        token: As `invite` gave it.
        location: What the agent says that it is; the token is good for one.
        now: Unix seconds.

    Raises:
        TokenRefusedError: It is unknown, expired, used, or for another location (`workload.token`, `.token-used`).
        UnknownLocationError: The location was removed meanwhile.
    """
    row = _invited(session, token, location, now)
    require_place(session, row)
    session.refresh(row, with_for_update=True)
    if row.used_at is not None:
        raise _used()
    row.used_at = now
    session.flush()
    end(session, location, now, but=row.id)
    record.write(session, "workload.enrolled", f"workload:{row.part}/{location}", subject_of(row), now)
    return row


def in_force(session: Session, location: str) -> EnrolmentRow | None:
    """The enrolment by which a location is in; None when it is not."""
    inside = EnrolmentRow.used_at.is_not(None) & EnrolmentRow.ended_at.is_(None)
    return session.scalars(select(EnrolmentRow).where(EnrolmentRow.location == location, inside)).first()


def end(session: Session, location: str, now: float, *, but: str = "") -> bool:
    """Put a location's agent out, with every certificate that it has; False when none was in.

    Args:
        session: Transaction to write in.
        location: Whose.
        now: Unix seconds.
        but: Id of an enrolment that stays.
    """
    inside = EnrolmentRow.used_at.is_not(None) & EnrolmentRow.ended_at.is_(None) & (EnrolmentRow.id != but)
    of_location = select(EnrolmentRow).where(EnrolmentRow.location == location, inside)
    ended = session.scalars(of_location.with_for_update()).all()
    for row in ended:
        row.ended_at = now
    delete_each(session, select(CertificateRow).where(CertificateRow.enrolment.in_([row.id for row in ended])))
    return bool(ended)


def withdraw(session: Session, location: str) -> bool:
    """Make unused tokens of a location void; False when there were none."""
    unused = select(EnrolmentRow).where(EnrolmentRow.location == location, EnrolmentRow.used_at.is_(None))
    return delete_each(session, unused) > 0


def require_location(session: Session, location: str) -> None:
    """Make sure that a location is configured.

    Raises:
        UnknownLocationError: It is not.
    """
    if location not in settings.current(session).locations:
        hint = "name it under `locations` in platform.yaml, then falaj platform apply"
        raise UnknownLocationError(f"there is no location '{location}'", hint=hint)


def require_executor(session: Session, executor: str) -> None:
    """Make sure that an executor is configured.

    Raises:
        UnknownExecutorError: It is not.
    """
    if executor not in settings.current(session).executors:
        hint = "name it under `executors` in platform.yaml, then falaj platform apply"
        raise UnknownExecutorError(f"there is no executor '{executor}'", hint=hint)


def require_place(session: Session, row: EnrolmentRow) -> None:
    """Make sure that what an enrolment is for is still configured.

    Raises:
        UnknownLocationError: The location was removed.
        UnknownExecutorError: The executor was.
    """
    if row.part == WorkloadKind.EXECUTOR:
        require_executor(session, executor_of(row.location))
    else:
        require_location(session, row.location)


def subject_of(row: EnrolmentRow) -> str:
    """What the audit log says an enrolment is about."""
    return f"executor/{executor_of(row.location)}" if row.part == WorkloadKind.EXECUTOR else f"location/{row.location}"


def _invited(session: Session, token: str, location: str, now: float) -> EnrolmentRow:
    bearer = parse_bearer(token)
    row = session.get(EnrolmentRow, bearer.id) if bearer and bearer.kind is BearerKind.ENROL else None
    if bearer is None or row is None or not bearer.holds(row.digest):
        raise EnrolmentRefusedError("this enrolment token is not valid", hint=_HINT)
    if row.used_at is not None:
        raise _used()
    if now >= row.expires_at:
        raise EnrolmentRefusedError("this enrolment token has expired", hint=_HINT)
    if row.location != location:
        raise EnrolmentRefusedError("this enrolment token is for another location", hint=_HINT)
    return row


def _used() -> EnrolmentRefusedError:
    return EnrolmentRefusedError("this enrolment token was used before", hint=_HINT, code="workload.token-used")
