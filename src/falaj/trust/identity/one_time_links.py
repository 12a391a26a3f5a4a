"""One-time links: to make the first administrator, and to choose a password."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from falaj.core.ids import new_id
from falaj.storage.identity_tables import LinkRow
from falaj.storage.sealed import delete_each
from falaj.trust.identity.bearer import BearerKind, new_bearer, parse_bearer
from falaj.trust.identity.errors import RefusedError

SETUP, PASSWORD = "setup", "password"
"""What a link is good for."""

SETUP_LIFE_S = 7 * 86_400.0
PASSWORD_LIFE_S = 86_400.0


def make_link(session: Session, purpose: str, account: str | None, now: float, life_s: float) -> str:
    """Make a link; earlier ones for the same purpose and account are void from now on.

    Args:
        session: Transaction to write in.
        purpose: `setup` or `password`.
        account: Whose password; None for the first administrator.
        now: Unix seconds.
        life_s: Seconds until it expires.

    Returns:
        The secret, which is stored nowhere.
    """
    same = LinkRow.account.is_(None) if account is None else LinkRow.account == account
    delete_each(session, select(LinkRow).where(LinkRow.purpose == purpose, same, LinkRow.used_at.is_(None)))
    bearer = new_bearer(BearerKind.LINK, new_id(now))
    session.add(
        LinkRow(
            id=bearer.id,
            digest=bearer.digest,
            purpose=purpose,
            account=account,
            created_at=now,
            expires_at=now + life_s,
        )
    )
    session.flush()
    return str(bearer)


def look_at_link(session: Session, secret: str, purpose: str, now: float) -> LinkRow:
    """Return the unused link that a secret is.

    Raises:
        RefusedError: It is none, is expired, or was used (`identity.link`, `identity.link-used`).
    """
    bearer = parse_bearer(_token_of(secret))
    row = session.get(LinkRow, bearer.id) if bearer and bearer.kind is BearerKind.LINK else None
    if bearer is None or row is None or not bearer.holds(row.digest) or row.purpose != purpose:
        raise RefusedError("this link is not valid", hint=_hint(purpose), code="identity.link")
    if row.used_at is not None:
        raise _used(purpose)
    if now >= row.expires_at:
        raise RefusedError("this link has expired", hint=_hint(purpose), code="identity.link")
    return row


def use_link(session: Session, secret: str, purpose: str, now: float) -> LinkRow:
    """Take a link; of two who use it at once the database lets one through.

    Raises:
        RefusedError: See `look_at_link`.
    """
    row = look_at_link(session, secret, purpose, now)
    session.refresh(row, with_for_update=True)
    if row.used_at is not None:
        raise _used(purpose)
    row.used_at = now
    session.flush()
    return row


def is_good(session: Session, secret: str, purpose: str, now: float) -> bool:
    """Tell whether a link can still be used."""
    try:
        look_at_link(session, secret, purpose, now)
    except RefusedError:
        return False
    return True


def link_text(server_url: str, secret: str, purpose: str) -> str:
    """Return a link for people; the secret is in the fragment, which is sent to no server and written to no log."""
    return f"{server_url.rstrip('/')}/{purpose}#{secret}"


def _token_of(text: str) -> str:
    """The secret of a link, given with or without its address."""
    return text.strip().rpartition("#")[2]


def _used(purpose: str) -> RefusedError:
    return RefusedError("this link was used before", hint=_hint(purpose), code="identity.link-used")


def _hint(purpose: str) -> str:
    if purpose == SETUP:
        return "falaj down and falaj up print a new one while there is no administrator"
    return "an administrator makes a new one: falaj access account link NAME"
