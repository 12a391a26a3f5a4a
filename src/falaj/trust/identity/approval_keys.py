"""Approval keys: a person's own Ed25519 key, of which the platform sees only the public half.

To register one, the person proves to hold it, so that nobody can register another's key as theirs. The platform then
signs an `identity` statement, which travels with approvals and is all that a verifier believes about the key.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from sqlalchemy import Select, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from falaj.core.principal import Principal, PrincipalKind
from falaj.schemas.identity import key_proof
from falaj.storage.identity_tables import ApprovalKeyRow
from falaj.supply_chain.attestations import EvidenceError, IdentityRecord, Signer, key_id_of, sign_statement
from falaj.supply_chain.attestations.keys import public_key
from falaj.trust.identity.audit_entries import note, note_evidence
from falaj.trust.identity.errors import IdentityInputError, IdentityTakenError, RefusedError, UnknownIdentityError
from falaj.trust.identity.reauthentication import require_recent_login

KEY_LIFE_S = 90 * 86_400.0
_MAX_KEYS = 10


def register(
    session: Session, signer: Signer, principal: Principal, pem: str, proof: str, now: float
) -> ApprovalKeyRow:
    """Register a public key as a person's, and sign the statement that says so.

    Args:
        session: Transaction to write in.
        signer: The identity authority, `identity.pem` of the installation.
        principal: The person, freshly authenticated.
        pem: Ed25519 public key.
        proof: Base64 of the signature of `key_proof(principal.id, key id)` by the private key.
        now: Unix seconds.

    Raises:
        StepUpNeededError: The login is older than five minutes.
        IdentityInputError: The key is no Ed25519 key, or there are too many.
        RefusedError: The proof does not hold (`identity.key-proof`).
        IdentityTakenError: The key is, or was, another person's, or was revoked (`identity.key-taken`).
    """
    _require_person(principal, now)
    key_id = _proved(principal, pem, proof)
    row = session.get(ApprovalKeyRow, key_id)
    if row is not None and (row.account != principal.id or row.revoked_at is not None):
        raise _fingerprint_in_use()
    if row is None and len(keys_of(session, principal.id, now)) >= _MAX_KEYS:
        raise IdentityInputError(f"a person has at most {_MAX_KEYS} keys", hint="revoke those that are lost")
    since = row.not_before if row else now
    identity_record = IdentityRecord(principal.id, principal.email or "", key_id, pem, since, now + KEY_LIFE_S)
    row = _recorded(session, row, identity_record, signer)
    note(session, "approval-key.registered", principal.id, principal.id, now, {"key": key_id})
    note_evidence(session, row.envelope, principal.id, now)
    return row


def valid_keys(person: str, now: float) -> Select[ApprovalKeyRow]:
    """The keys of a person that are good now, in no order."""
    return select(ApprovalKeyRow).where(
        ApprovalKeyRow.account == person,
        ApprovalKeyRow.revoked_at.is_(None),
        ApprovalKeyRow.not_before <= now,
        ApprovalKeyRow.not_after > now,
    )


def keys_of(session: Session, person: str, now: float) -> list[ApprovalKeyRow]:
    """Return the keys of a person that are good now."""
    return list(session.scalars(valid_keys(person, now).order_by(ApprovalKeyRow.key_id)))


def identity_envelopes(session: Session, people: frozenset[str], now: float) -> list[Mapping[str, Any]]:
    """Return the signed identity statements of people, for those who verify their approvals."""
    return [row.envelope for person in sorted(people) for row in keys_of(session, person, now)]


def revoke_key(session: Session, key_id: str, now: float, *, person: str) -> ApprovalKeyRow:
    """Revoke a key of a person: no approval that it signs counts any more.

    Raises:
        UnknownIdentityError: The person has no such key.
    """
    row = session.get(ApprovalKeyRow, key_id)
    if row is None or row.account != person:
        raise UnknownIdentityError("no such approval key", hint="falaj access approval-key list shows yours")
    if row.revoked_at is None:
        row.revoked_at = now
        note(session, "approval-key.revoked", person, person, now, {"key": key_id})
    return row


def _require_person(principal: Principal, now: float) -> None:
    if principal.kind is not PrincipalKind.USER or principal.actions is not None or not principal.email:
        raise RefusedError("an approval key belongs to a person in a session", hint="falaj login")
    require_recent_login(principal, "registering an approval key", now)


def _proved(principal: Principal, pem: str, proof: str) -> str:
    try:
        key_id = key_id_of(pem)
    except EvidenceError as error:
        raise IdentityInputError(error.message, code="identity.key") from error
    try:
        public_key(pem).verify(base64.b64decode(proof, validate=True), key_proof(principal.id, key_id))
    except (InvalidSignature, binascii.Error, ValueError) as error:
        raise RefusedError("the proof does not show that this key is yours", code="identity.key-proof") from error
    return key_id


def _recorded(
    session: Session, row: ApprovalKeyRow | None, identity_record: IdentityRecord, signer: Signer
) -> ApprovalKeyRow:
    """Write the key; registering it again renews it, and keeps the time since which it is the person's."""
    if row is None:
        row = ApprovalKeyRow(
            key_id=identity_record.key_id,
            account=identity_record.person,
            pem=identity_record.pem,
            not_before=identity_record.not_before,
        )
        session.add(row)
    row.not_after, row.envelope = identity_record.not_after, sign_statement(identity_record.statement(), signer)
    try:
        session.flush()
    except IntegrityError:  # another request was first
        raise _fingerprint_in_use() from None
    return row


def _fingerprint_in_use() -> IdentityTakenError:
    return IdentityTakenError(
        "this key belongs to someone else, or was revoked",
        hint="delete the file of the key and log in for a new one",
        code="identity.key-taken",
    )
