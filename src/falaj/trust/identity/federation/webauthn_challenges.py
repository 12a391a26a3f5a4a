"""Challenges for security keys: each belongs to one person and one purpose, expires, and is answered once."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from falaj.storage.federation_tables import CeremonyRow
from falaj.storage.sealed import delete_each
from falaj.trust.identity.federation.errors import SecurityKeyError

REGISTER, STEP_UP = "register", "step-up"
_MAX_CLIENT_DATA = 10_000


def begin(
    session: Session, account: str, purpose: str, challenge: bytes, expires_at: float, statement: str | None = None
) -> None:
    """Keep a challenge; one that the person has not answered for the same purpose is forgotten.

    Args:
        session: Transaction to write in.
        account: Of the person.
        purpose: `register` or `step-up`.
        challenge: 32 bytes that have never been used.
        expires_at: Unix seconds.
        statement: SHA-256 in hex of what the answer approves; None for nothing.
    """
    mine = (CeremonyRow.account == account, CeremonyRow.purpose == purpose, CeremonyRow.finished_at.is_(None))
    delete_each(session, select(CeremonyRow).where(*mine))
    session.add(
        CeremonyRow(
            challenge=challenge.hex(), account=account, purpose=purpose, statement=statement, expires_at=expires_at
        )
    )
    session.flush()


def take(session: Session, account: str, purpose: str, response: Mapping[str, Any], now: float) -> CeremonyRow:
    """Return the ceremony that an answer belongs to, which is answered from now on.

    Args:
        session: Transaction to write in; when it fails, the challenge stays open.
        account: Of the person who answers.
        purpose: What the answer is given for.
        response: The browser's answer as JSON.
        now: Unix seconds.

    Raises:
        SecurityKeyError: The challenge is not open for this person and purpose (`security-key.refused`).
    """
    open_now = (
        CeremonyRow.challenge == _challenge_in(response),
        CeremonyRow.account == account,
        CeremonyRow.purpose == purpose,
        CeremonyRow.finished_at.is_(None),
        CeremonyRow.expires_at > now,
    )
    ceremony_query = select(CeremonyRow).where(*open_now).with_for_update()
    row = session.scalars(ceremony_query.execution_options(populate_existing=True)).first()
    if row is None:
        raise SecurityKeyError("no such challenge is open: it was answered, has expired, or was for something else")
    row.finished_at = now
    session.flush()
    return row


def _challenge_in(response: Mapping[str, Any]) -> str:
    """The challenge that an answer says it signs, in hex; the library compares it again with what was signed."""
    try:
        text = response["response"]["clientDataJSON"]
        if len(text) > _MAX_CLIENT_DATA:
            raise ValueError
        challenge = json.loads(_decoded(text))["challenge"]
        return _decoded(challenge).hex()
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise SecurityKeyError("this is not an answer of a security key") from error


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
