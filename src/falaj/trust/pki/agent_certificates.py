"""Who is in: certificates that were issued and are believed, agents that were seen, and those that were put out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from falaj.storage.sealed import delete_each
from falaj.storage.workload_tables import CertificateRow, EnrolmentRow
from falaj.supply_chain.certificates.authority import CertificateAuthority
from falaj.supply_chain.certificates.errors import PeerRefusedError
from falaj.supply_chain.certificates.names import Workload, WorkloadKind
from falaj.supply_chain.certificates.workload_certificates import Peer, key_digest, serial_text
from falaj.trust import settings
from falaj.trust.audit import record
from falaj.trust.pki import enrolment
from falaj.trust.pki.errors import EnrolmentError

RETURN_WITHIN_S = 30 * 86_400.0
"""How long an agent that was cut off may come back with the key that was certified last."""

_HINT = "an administrator enrols the location again: falaj location enroll NAME"


@dataclass(frozen=True)
class Issued:
    """A new certificate in PEM, and until when it is valid (unix seconds)."""

    certificate: str
    expires_at: float


@dataclass(frozen=True)
class Member:
    """A location and its agent.

    Args:
        location: Its name.
        state: `own`, `not-enrolled`, `invited`, `enrolled`, or `silent` when its certificate has run out.
        seen_at: When its agent was heard last, unix seconds.
        certified_until: When its newest certificate ends, unix seconds.
        enrolled_at: Unix seconds.
    """

    location: str
    state: str
    seen_at: float | None = None
    certified_until: float | None = None
    enrolled_at: float | None = None


def certify(
    session: Session, authority: CertificateAuthority, row: EnrolmentRow, holder: ec.EllipticCurvePublicKey, now: float
) -> Issued:
    """Issue a certificate to the agent of an enrolment, and write that down in the audit log.

    Args:
        session: Transaction to write in.
        authority: Signs it.
        row: By which the agent is in.
        holder: The agent's key, whose possession it has proven.
        now: Unix seconds.
    """
    certificate = authority.issue(holder, Workload(authority.trust_domain, WorkloadKind(row.part), row.location), now)
    until, serial = certificate.not_valid_after_utc.timestamp(), serial_text(certificate.serial_number)
    over = CertificateRow.expires_at < now
    delete_each(session, select(CertificateRow).where(CertificateRow.enrolment == row.id, over))
    session.add(CertificateRow(serial=serial, enrolment=row.id, issued_at=now, expires_at=until))
    row.key_digest, row.certified_until, row.seen_at = key_digest(holder), until, now
    session.flush()
    who = f"workload:{row.part}/{row.location}"
    record.write(session, "workload.certified", who, enrolment.subject_of(row), now, {"serial": serial, "until": until})
    return Issued(certificate.public_bytes(Encoding.PEM).decode(), until)


def renewing(session: Session, location: str) -> EnrolmentRow:
    """The enrolment of a location whose agent asks for its next certificate with its present one.

    Raises:
        EnrolmentError: It is not in any more.
        UnknownLocationError: platform.yaml does not name it any more.
    """
    row = enrolment.in_force(session, location)
    if row is None:
        raise EnrolmentError(f"'{location}' is not enrolled", hint=_HINT)
    enrolment.require_place(session, row)
    return row


def returning(session: Session, holder: ec.EllipticCurvePublicKey, now: float) -> EnrolmentRow:
    """The enrolment of an agent that was cut off until its certificate ran out, and proves its newest key.

    The answer is worth nothing to those without that key, so a copied request gives nothing away. Where a stolen key
    was renewed by the thief, the agent's own is not the newest any more, and its return fails where people see it.

    Raises:
        PeerRefusedError: The key is nobody's newest, or was not heard of for too long.
        UnknownLocationError: platform.yaml does not name its location any more.
    """
    inside = EnrolmentRow.used_at.is_not(None) & EnrolmentRow.ended_at.is_(None)
    enrolment_query = select(EnrolmentRow).where(EnrolmentRow.key_digest == key_digest(holder), inside)
    row = session.scalars(enrolment_query).first()
    if row is None or row.certified_until is None or now > row.certified_until + RETURN_WITHIN_S:
        raise PeerRefusedError("no enrolled location has this key now", hint=_HINT)
    enrolment.require_place(session, row)
    return row


def require_standing(session: Session, peer: Peer) -> None:
    """Make sure that a checked certificate is one that was issued here and was not taken back.

    Args:
        session: May be one for reading.
        peer: What `CertificateAuthority.check` said.

    Raises:
        PeerRefusedError: It is not.
    """
    believed = (
        select(EnrolmentRow, CertificateRow)
        .join(CertificateRow, CertificateRow.enrolment == EnrolmentRow.id)
        .where(CertificateRow.serial == peer.serial, EnrolmentRow.ended_at.is_(None))
    )
    enrolled = session.scalars(believed).first()
    if enrolled is None or (enrolled.part, enrolled.location) != (peer.workload.part, peer.workload.name):
        raise PeerRefusedError("this certificate was taken back, or never issued here", where=peer.workload.uri)


def record_seen(session: Session, location: str, now: float) -> None:
    """Remember that the agent of a location was heard."""
    inside = EnrolmentRow.used_at.is_not(None) & EnrolmentRow.ended_at.is_(None)
    session.execute(update(EnrolmentRow).where(EnrolmentRow.location == location, inside).values(seen_at=now))


def forget(session: Session, location: str, actor: str, now: float) -> None:
    """Put the agent of a location out: its certificates are refused from now on, and its unused tokens are void.

    Raises:
        EnrolmentError: It is neither in nor invited.
    """
    was_in, was_invited = enrolment.end(session, location, now), enrolment.withdraw(session, location)
    if not was_in and not was_invited:
        raise EnrolmentError(f"the location '{location}' is not enrolled", hint="falaj location list")
    record.write(session, "workload.forgotten", actor, f"location/{location}", now)


def members(session: Session, now: float) -> Sequence[Member]:
    """Every location that is configured, and those that are enrolled and no longer configured, by name."""
    rows = _present(session, WorkloadKind.AGENT)
    names = settings.current(session).locations.keys() | {row.location for row in rows}
    return [_member(name, [row for row in rows if row.location == name], now) for name in sorted(names)]


def machines(session: Session, now: float) -> Sequence[Member]:
    """Every machine of executors that is invited or enrolled, by name."""
    rows = _present(session, WorkloadKind.EXECUTOR)
    return [_member(row.location, [row], now) for row in sorted(rows, key=lambda row: row.location)]


def forget_machine(session: Session, machine: str, actor: str, now: float) -> None:
    """Put a machine of an executor out: its certificates are refused from now on, and its unused token is void.

    Raises:
        EnrolmentError: There is no such machine.
    """
    was_in, was_invited = enrolment.end(session, machine, now), enrolment.withdraw(session, machine)
    if "." not in machine or not (was_in or was_invited):
        raise EnrolmentError(f"there is no machine '{machine}'", hint="falaj platform executor list")
    record.write(session, "workload.forgotten", actor, f"executor/{enrolment.executor_of(machine)}", now)


def _present(session: Session, part: WorkloadKind) -> Sequence[EnrolmentRow]:
    rows = select(EnrolmentRow).where(EnrolmentRow.ended_at.is_(None), EnrolmentRow.part == part)
    return session.scalars(rows).all()


def _member(location: str, rows: Iterable[EnrolmentRow], now: float) -> Member:
    inside = next((row for row in rows if row.used_at is not None), None)
    if inside is not None:
        state = "enrolled" if now < (inside.certified_until or 0.0) else "silent"
        return Member(location, state, inside.seen_at, inside.certified_until, inside.used_at)
    if location == enrolment.OWN_LOCATION:
        return Member(location, "own")
    return Member(location, "invited" if any(now < row.expires_at for row in rows) else "not-enrolled")
