"""One-time passwords of an application on the person's phone: enrolment, and their use."""

from __future__ import annotations

import base64
import secrets

from sqlalchemy.orm import Session

from falaj.core.errors import ConflictError
from falaj.core.principal import Principal
from falaj.storage.identity_tables import AccountRow
from falaj.trust.identity import accounts, totp
from falaj.trust.identity.audit_entries import note
from falaj.trust.identity.errors import RefusedError
from falaj.trust.identity.reauthentication import require_recent_login
from falaj.trust.secrets import Vault

_ISSUER = "Falaj"


def enrol(session: Session, vault: Vault, principal: Principal, now: float) -> tuple[str, str]:
    """Begin an enrolment; it counts for nothing until a code confirms it.

    Args:
        session: Transaction to write in.
        vault: Seals the secret, which must be readable again to verify codes.
        principal: The person, freshly authenticated.
        now: Unix seconds.

    Returns:
        The secret as people type it, and the URI that applications read.

    Raises:
        StepUpNeededError: The login is older than five minutes.
        ConflictError: There is an application already (`identity.totp-enrolled`).
    """
    require_recent_login(principal, "enrolling an application", now)
    account = accounts.find(session, principal.id)
    if account.totp_confirmed:
        raise ConflictError("an application is enrolled", hint="falaj access otp remove", code="identity.totp-enrolled")
    secret = secrets.token_bytes(totp.SECRET_BYTES)
    account.totp_sealed = vault.seal(base64.b64encode(secret).decode(), _context(account.id))
    account.totp_step = 0
    return totp.secret_text(secret), totp.enrolment_uri(secret, principal.name, _ISSUER)


def confirm(session: Session, vault: Vault, principal: Principal, code: str, now: float) -> None:
    """End an enrolment: the application shows the right code.

    Raises:
        RefusedError: It does not, or none is being enrolled.
    """
    account = accounts.find(session, principal.id)
    accept_code(session, vault, account, code, now)
    account.totp_confirmed = True
    note(session, "account.totp-enrolled", principal.id, account.id, now)


def remove(session: Session, account: AccountRow, actor: str, now: float) -> None:
    """Forget the application of an account."""
    account.totp_sealed, account.totp_confirmed, account.totp_step = None, False, 0
    note(session, "account.totp-removed", actor, account.id, now)


def accept_code(session: Session, vault: Vault, account: AccountRow, code: str, now: float) -> None:
    """Take a code; it, and every earlier one, is never taken again.

    Raises:
        RefusedError: It is wrong, was used, or no application is enrolled.
        KeyGoneError: The key that sealed the secret was destroyed.
    """
    if account.totp_sealed is None:
        raise RefusedError("no application is enrolled", hint="falaj access otp enroll")
    secret = base64.b64decode(vault.open(account.totp_sealed, _context(account.id)))
    step = totp.matching_step(secret, code, now, account.totp_step)
    session.flush()
    session.refresh(account, with_for_update=True)  # of two requests with one code the database lets one through
    if step is None or step <= account.totp_step:
        raise RefusedError("the one-time password is wrong, or was used before", hint="wait for the next one")
    account.totp_step = step
    session.flush()


def _context(account: str) -> str:
    return f"falaj/totp|{account}"
