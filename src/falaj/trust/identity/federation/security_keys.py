"""Security keys of people (WebAuthn): which credentials are whose.

Source: W3C Web Authentication, Level 2, sections 7.1 and 7.2.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from webauthn import generate_registration_options, options_to_json, verify_registration_response
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AttestationConveyancePreference,
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    UserVerificationRequirement,
)

from falaj.core.principal import Principal, PrincipalKind
from falaj.storage.federation_tables import SecurityKeyRow
from falaj.trust.identity import names, require_recent_login
from falaj.trust.identity.audit_entries import note
from falaj.trust.identity.errors import IdentityInputError, IdentityTakenError, RefusedError, UnknownIdentityError
from falaj.trust.identity.federation.errors import SecurityKeyError
from falaj.trust.identity.federation.webauthn_challenges import REGISTER, begin, take

REGISTRATION_S = 300.0
_MAX_KEYS = 10
_MAX_CREDENTIAL = 1023

MALFORMED = (WebAuthnException, ValueError, TypeError, KeyError)
"""What the library raises for answers that do not hold, and for those that are none."""


@dataclass(frozen=True)
class RelyingParty:
    """The platform, as browsers know it.

    Args:
        id: Host name; a credential works for it alone.
        origin: Scheme, host and port of the pages that may ask for a credential.
    """

    id: str
    origin: str

    @classmethod
    def at(cls, public_url: str) -> RelyingParty:
        """The platform at the address at which browsers reach it."""
        parts = urlsplit(public_url)
        return cls(parts.hostname or "", f"{parts.scheme}://{parts.netloc}")


def begin_registration(session: Session, party: RelyingParty, principal: Principal, now: float) -> dict[str, Any]:
    """Begin to register a security key; return what `navigator.credentials.create` needs.

    Raises:
        RefusedError: It is no person in a session.
        StepUpNeededError: The login is older than five minutes.
        IdentityInputError: There are too many keys.
    """
    require_person(principal)
    require_recent_login(principal, "registering a security key", now)
    key_rows = keys_of(session, principal.id)
    if len(key_rows) >= _MAX_KEYS:
        raise IdentityInputError(f"a person has at most {_MAX_KEYS} security keys", hint="remove those that are lost")
    challenge = secrets.token_bytes(32)
    begin(session, principal.id, REGISTER, challenge, now + REGISTRATION_S)
    options = generate_registration_options(
        rp_id=party.id,
        rp_name="Falaj",
        user_name=principal.name,
        user_id=user_handle(principal.id),
        challenge=challenge,
        timeout=int(REGISTRATION_S * 1000),
        attestation=AttestationConveyancePreference.NONE,
        authenticator_selection=AuthenticatorSelectionCriteria(user_verification=UserVerificationRequirement.REQUIRED),
        exclude_credentials=[descriptor(row) for row in key_rows],
    )
    return _json(options_to_json(options))


def finish_registration(
    session: Session, party: RelyingParty, principal: Principal, response: Mapping[str, Any], label: str, now: float
) -> SecurityKeyRow:
    """Register the security key that answered.

    Args:
        session: Transaction to write in.
        party: The platform.
        principal: The person, freshly authenticated.
        response: What `navigator.credentials.create` answered, as JSON.
        label: What the person will recognise the key by.
        now: Unix seconds.

    Raises:
        SecurityKeyError: The answer does not hold (`security-key.refused`).
        StepUpNeededError: The login is older than five minutes.
        IdentityTakenError: The credential is registered.
    """
    require_person(principal)
    require_recent_login(principal, "registering a security key", now)
    ceremony = take(session, principal.id, REGISTER, response, now)
    try:
        proved = verify_registration_response(
            credential=dict(response),
            expected_challenge=bytes.fromhex(ceremony.challenge),
            expected_rp_id=party.id,
            expected_origin=party.origin,
            require_user_verification=True,
        )
    except MALFORMED as error:
        raise refused(error) from error
    if len(proved.credential_id) > _MAX_CREDENTIAL:
        raise SecurityKeyError("the security key's answer does not hold: its id is too long")
    row = SecurityKeyRow(
        id=key_id(proved.credential_id),
        account=principal.id,
        credential=base64.b64encode(proved.credential_id).decode(),
        public_key=base64.b64encode(proved.credential_public_key).decode(),
        sign_count=proved.sign_count,
        label=names.label(label),
        created_at=now,
    )
    _keep(session, row)
    note(session, "security-key.registered", principal.id, principal.id, now, {"key": row.id, "label": label})
    return row


def keys_of(session: Session, account: str) -> list[SecurityKeyRow]:
    """Return the security keys of an account, oldest first."""
    query = select(SecurityKeyRow).where(SecurityKeyRow.account == account)
    return list(session.scalars(query.order_by(SecurityKeyRow.created_at, SecurityKeyRow.id)))


def remove(session: Session, principal: Principal, credential_id: str, now: float) -> None:
    """Forget a security key.

    Raises:
        UnknownIdentityError: The person has no such key.
        StepUpNeededError: The login is older than five minutes.
    """
    require_person(principal)
    require_recent_login(principal, "removing a security key", now)
    row = session.get(SecurityKeyRow, credential_id)
    if row is None or row.account != principal.id:
        raise UnknownIdentityError("no such security key", hint="falaj access security-key list shows yours")
    session.delete(row)
    note(session, "security-key.removed", principal.id, principal.id, now, {"key": row.id, "label": row.label})


def require_person(principal: Principal) -> None:
    """Refuse programs: a security key is touched by somebody who is there.

    Raises:
        RefusedError: It is no person in a session.
    """
    if principal.kind is not PrincipalKind.USER or principal.actions is not None:
        raise RefusedError("a security key belongs to a person in a session", hint="falaj login")


def descriptor(row: SecurityKeyRow) -> PublicKeyCredentialDescriptor:
    """A security key, as browsers are told of it."""
    return PublicKeyCredentialDescriptor(id=base64.b64decode(row.credential))


def key_id(credential: bytes) -> str:
    """Return the id of the row of a credential."""
    return hashlib.sha256(credential).hexdigest()


def user_handle(account: str) -> bytes:
    """Return what keys keep of a person: nothing that says who it is."""
    return hashlib.sha256(f"falaj security key\n{account}".encode()).digest()


def refused(error: Exception) -> SecurityKeyError:
    """The refusal of an answer; the library's words for what is wrong with it hold no secret."""
    why = str(error)[:200] if isinstance(error, WebAuthnException) else "it is none"
    return SecurityKeyError(f"the security key's answer does not hold: {why}")


def _keep(session: Session, row: SecurityKeyRow) -> None:
    conflict = IdentityTakenError("this security key is registered", hint="falaj access security-key list")
    if session.get(SecurityKeyRow, row.id) is not None:
        raise conflict
    session.add(row)
    try:
        session.flush()
    except IntegrityError:  # another request was first
        raise conflict from None


def _json(text: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(text)
    return document
