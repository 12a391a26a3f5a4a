"""Who carries this secret?"""

from __future__ import annotations

from sqlalchemy.orm import Session

from falaj.core.principal import Principal
from falaj.trust.identity import accounts
from falaj.trust.identity.bearer import Bearer, BearerKind, parse_bearer
from falaj.trust.identity.sessions import find_session
from falaj.trust.identity.tokens import API, find_token


def authenticate(session: Session, bearer: str, now: float, *, audience: str = API) -> Principal | None:
    """Return who carries a session or token, with the account's groups as they are now.

    Args:
        session: May be one for reading; nothing is written.
        bearer: The secret, without `Bearer `.
        now: Unix seconds.
        audience: Which part of the platform asks; a token is good for one.

    Returns:
        None when the secret is unknown, expired, revoked or for another audience, or the account is locked.
    """
    parsed = parse_bearer(bearer)
    match parsed:
        case Bearer(kind=BearerKind.SESSION):
            return _by_session(session, parsed, now)
        case Bearer(kind=BearerKind.TOKEN):
            return _by_token(session, parsed, now, audience)
        case _:
            return None


def _by_session(session: Session, bearer: Bearer, now: float) -> Principal | None:
    row = find_session(session, bearer, now)
    account = accounts.active(session, row.account) if row else None
    if row is None or account is None:
        return None
    return accounts.principal_of(
        account,
        authenticated_at=row.authenticated_at,
        step_up_at=row.step_up_at,
        step_up_method=row.step_up_method,
    )


def _by_token(session: Session, bearer: Bearer, now: float, audience: str) -> Principal | None:
    row = find_token(session, bearer, now, audience)
    account = accounts.active(session, row.account) if row else None
    if row is None or account is None:
        return None
    return accounts.principal_of(account, authenticated_at=row.created_at, actions=frozenset(row.actions))
