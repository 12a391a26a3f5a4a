"""Proving again who one is with a security key, for one statement.

The challenge is SHA-256 of a nonce and of the statement's digest. What the key signs is therefore good for exactly
that statement, and the nonce makes it good once even where a key does not count its signatures.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session
from webauthn import generate_authentication_options, options_to_json, verify_authentication_response
from webauthn.helpers.structs import UserVerificationRequirement

from falaj.core.principal import Principal
from falaj.storage.federation_tables import CeremonyRow, SecurityKeyRow
from falaj.storage.sealed import delete_each
from falaj.trust.identity.audit_entries import note
from falaj.trust.identity.errors import IdentityInputError, UnknownIdentityError
from falaj.trust.identity.federation.errors import AssertionNeededError, SecurityKeyError
from falaj.trust.identity.federation.security_keys import (
    MALFORMED,
    RelyingParty,
    descriptor,
    key_id,
    keys_of,
    refused,
    require_person,
)
from falaj.trust.identity.federation.webauthn_challenges import STEP_UP, begin, take
from falaj.trust.identity.reauthentication import FRESH_S

WEBAUTHN = "webauthn"
"""How a person proved again who it is: with a security key."""

ASSERTION_S = 120.0
"""How long a person may take to touch the key."""

_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True)
class Asserted:
    """What a security key signed for.

    Args:
        statement: SHA-256 in hex of the statement.
        key: Id of the security key.
    """

    statement: str
    key: str


def begin_step_up(
    session: Session, party: RelyingParty, principal: Principal, statement_digest: str, now: float
) -> dict[str, Any]:
    """Begin a step-up for one statement; return what `navigator.credentials.get` needs.

    Args:
        session: Transaction to write in.
        party: The platform.
        principal: The person.
        statement_digest: SHA-256 in hex of the canonical statement that the person is going to sign.
        now: Unix seconds.

    Raises:
        IdentityInputError: The digest is none.
        UnknownIdentityError: The person has no security key.
    """
    require_person(principal)
    if not _DIGEST.fullmatch(statement_digest):
        raise IdentityInputError("the statement's digest is not a SHA-256 hash in hex")
    key_rows = keys_of(session, principal.id)
    if not key_rows:
        raise UnknownIdentityError(f"{principal.name} has no security key", hint="register one first")
    challenge = challenge_for(statement_digest, secrets.token_bytes(32))
    _forget_old(session, principal.id, now)
    begin(session, principal.id, STEP_UP, challenge, now + ASSERTION_S, statement_digest)
    options = generate_authentication_options(
        rp_id=party.id,
        challenge=challenge,
        timeout=int(ASSERTION_S * 1000),
        allow_credentials=[descriptor(row) for row in key_rows],
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    document: dict[str, Any] = json.loads(options_to_json(options))
    return document


def challenge_for(statement_digest: str, nonce: bytes) -> bytes:
    """Return the challenge that binds a signature to a statement.

    Args:
        statement_digest: SHA-256 in hex.
        nonce: 32 random bytes.
    """
    return hashlib.sha256(b"falaj step-up\n" + nonce + bytes.fromhex(statement_digest)).digest()


def finish_step_up(
    session: Session, party: RelyingParty, principal: Principal, response: Mapping[str, Any], now: float
) -> Asserted:
    """Take a security key's answer. The caller notes the step-up in the person's session, in the same transaction.

    Args:
        session: Transaction to write in.
        party: The platform.
        principal: The person.
        response: What `navigator.credentials.get` answered, as JSON.
        now: Unix seconds.

    Raises:
        SecurityKeyError: The answer does not hold (`security-key.refused`), or the key counts backwards, which a copy
            of it would (`security-key.counter`).
    """
    require_person(principal)
    ceremony = take(session, principal.id, STEP_UP, response, now)
    row = _key_in(session, principal, response)
    try:
        proved = verify_authentication_response(
            credential=dict(response),
            expected_challenge=bytes.fromhex(ceremony.challenge),
            expected_rp_id=party.id,
            expected_origin=party.origin,
            credential_public_key=base64.b64decode(row.public_key),
            credential_current_sign_count=0,  # judged below, where a copied key gets an answer of its own
            require_user_verification=True,
        )
    except MALFORMED as error:
        raise refused(error) from error
    _count(row, proved.new_sign_count)
    row.used_at = now
    statement = ceremony.statement or ""
    details = {"method": WEBAUTHN, "key": row.id, "statement": statement}
    note(session, "session.step-up", principal.id, principal.id, now, details)
    return Asserted(statement, row.id)


def require_asserted(session: Session, principal: Principal, statement_digest: str, now: float) -> None:
    """Refuse a person whose last proof is a security key's signature for something else than this statement.

    Who proved it in another way passes; whether that is enough is asked of the policy.

    Args:
        session: Any session.
        principal: Who approves.
        statement_digest: SHA-256 in hex of the canonical statement.
        now: Unix seconds.

    Raises:
        AssertionNeededError: It is (`security-key.assertion-needed`).
    """
    if principal.step_up_method != WEBAUTHN:
        return
    signed = select(CeremonyRow).where(
        CeremonyRow.account == principal.id,
        CeremonyRow.purpose == STEP_UP,
        CeremonyRow.statement == statement_digest,
        CeremonyRow.finished_at >= now - FRESH_S,
    )
    if session.scalars(signed).first() is None:
        raise AssertionNeededError("approving exactly this statement with your security key")


def _forget_old(session: Session, account: str, now: float) -> None:
    old = (CeremonyRow.account == account, CeremonyRow.expires_at < now - FRESH_S)
    delete_each(session, select(CeremonyRow).where(*old))


def _key_in(session: Session, principal: Principal, response: Mapping[str, Any]) -> SecurityKeyRow:
    """The person's key that an answer names, held until the transaction ends, so that its counter is read once."""
    try:
        named = str(response["rawId"])
        credential_id = key_id(base64.urlsafe_b64decode(named + "=" * (-len(named) % 4)))
    except (KeyError, ValueError) as error:
        raise SecurityKeyError("this is not an answer of a security key") from error
    mine = (SecurityKeyRow.id == credential_id, SecurityKeyRow.account == principal.id)
    row = session.scalar(select(SecurityKeyRow).where(*mine).with_for_update())
    if row is None:
        raise SecurityKeyError("this security key is not registered for you")
    return row


def _count(row: SecurityKeyRow, reported: int) -> None:
    """Take a key's counter; those that count nothing always say 0 (WebAuthn, section 7.2, step 21)."""
    if (reported or row.sign_count) and reported <= row.sign_count:
        raise SecurityKeyError(
            "the security key counts backwards: there may be a copy of it",
            hint="falaj access security-key remove, and find out who has the copy",
            code="security-key.counter",
        )
    row.sign_count = reported
