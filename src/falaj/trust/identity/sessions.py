"""Sessions: opened by a proof of identity, ended by their owner, an administrator or the clock."""

from __future__ import annotations

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from falaj.core.ids import new_id
from falaj.core.principal import Principal
from falaj.storage.identity_tables import SessionRow
from falaj.storage.sealed import delete_each
from falaj.trust.identity import accounts
from falaj.trust.identity.bearer import Bearer, BearerKind, new_bearer, parse_bearer
from falaj.trust.identity.errors import RefusedError, UnknownIdentityError

SESSION_S = 12 * 3600.0
"""Life of a session: one working day, however much it is used."""

BROWSER_IDLE_S = 3600.0
"""After how long without use a session of a browser ends."""

_CLOCK_SKEW_S = 60.0


def open_session(session: Session, principal: Principal, method: str, now: float) -> str:
    """Open a session for a person who has just proved who it is.

    A person of an identity provider gets an account at the first login, and the provider's groups at each. When the
    proof counts as a step-up, the caller says so in `principal.step_up_at` and `principal.step_up_method`.

    Args:
        session: Transaction to write in.
        principal: Who it is; of kind user.
        method: How it was proved: `password`, `totp`, `oidc`.
        now: Unix seconds.

    Returns:
        The secret that the person carries from now on; it is stored nowhere.

    Raises:
        RefusedError: The account is locked.
        IdentityTakenError: The name or the address belongs to an account of another source.
    """
    account = accounts.find_or_create(session, principal, method, now)
    if account.locked_at is not None:
        raise RefusedError("this account is locked", hint="an administrator can unlock it")
    bearer = new_bearer(BearerKind.SESSION, new_id(now))
    delete_each(session, select(SessionRow).where(SessionRow.account == account.id, SessionRow.expires_at <= now))
    session.add(_row(bearer, principal, method, now))
    session.flush()
    return str(bearer)


def _row(bearer: Bearer, principal: Principal, method: str, now: float) -> SessionRow:
    return SessionRow(
        id=bearer.id,
        digest=bearer.digest,
        account=principal.id,
        method=method,
        authenticated_at=now,
        step_up_at=principal.step_up_at,
        step_up_method=principal.step_up_method,
        expires_at=now + SESSION_S,
        idle_s=None,
        used_at=now,
    )


def find_session(session: Session, bearer: Bearer, now: float) -> SessionRow | None:
    """Return the live session that a bearer secret opens."""
    row = session.get(SessionRow, bearer.id)
    if row is None or not bearer.holds(row.digest):
        return None
    return row if is_live(row, now) else None


def is_live(row: SessionRow, now: float) -> bool:
    """Whether a session opens anything now."""
    ends_at = row.expires_at if row.idle_s is None else min(row.expires_at, row.used_at + row.idle_s)
    return row.authenticated_at - _CLOCK_SKEW_S <= now < ends_at


def give_to_browser(session: Session, secret: str, now: float) -> SessionRow:
    """Let a session end after an hour without use, as one that a browser carries does.

    Raises:
        RefusedError: No live session is opened by this secret.
    """
    row = session_of(session, secret, now)
    row.idle_s, row.used_at = BROWSER_IDLE_S, now
    return row


def note_use(session: Session, secret: str, now: float) -> None:
    """Note that a session was used.

    Raises:
        RefusedError: No live session is opened by this secret.
    """
    session_of(session, secret, now).used_at = now


def record_step_up(session: Session, secret: str, method: str, now: float) -> None:
    """Note that the person of a session has proved again who it is.

    Args:
        session: Transaction to write in.
        secret: The session's bearer secret.
        method: `webauthn`, `totp` or `login`.
        now: Unix seconds.

    Raises:
        RefusedError: No live session is opened by this secret.
    """
    row = session_of(session, secret, now)
    row.step_up_at, row.step_up_method = now, method


def close_session(session: Session, secret: str, now: float) -> None:
    """End a session.

    Raises:
        RefusedError: No live session is opened by this secret.
    """
    session.delete(session_of(session, secret, now))
    session.flush()


def sessions_of(account: str, now: float) -> Select[SessionRow]:
    """The query of the sessions of an account that time has not ended; those that lie idle are among them."""
    return select(SessionRow).where(SessionRow.account == account, SessionRow.expires_at > now)


def end_session(session: Session, account: str, name: str) -> None:
    """End one session of an account, wherever it is carried.

    Args:
        session: Transaction to write in.
        account: Whose it is.
        name: Id of the session.

    Raises:
        UnknownIdentityError: The account has no session of this id.
    """
    row = session.get(SessionRow, name)
    if row is None or row.account != account:
        raise UnknownIdentityError(
            f"there is no session '{name}' of yours", hint="falaj access whoami shows who you are"
        )
    session.delete(row)
    session.flush()


def close_all(session: Session, account: str) -> None:
    """End every session of an account."""
    delete_each(session, select(SessionRow).where(SessionRow.account == account))


def session_of(session: Session, secret: str, now: float) -> SessionRow:
    """Return the live session that a secret opens.

    Raises:
        RefusedError: There is none.
    """
    bearer = parse_bearer(secret)
    row = find_session(session, bearer, now) if bearer and bearer.kind is BearerKind.SESSION else None
    if row is None:
        raise RefusedError("this session is not that of a person", hint="falaj login opens one")
    return row
