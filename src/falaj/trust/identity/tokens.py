"""Tokens for programs: scoped to actions, bound to an audience, expiring, revocable."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from falaj.core.ids import new_id
from falaj.core.principal import Principal, PrincipalKind
from falaj.storage.identity_tables import AccountRow, TokenRow
from falaj.trust.identity import accounts, names
from falaj.trust.identity.audit_entries import note
from falaj.trust.identity.bearer import Bearer, BearerKind, new_bearer
from falaj.trust.identity.errors import IdentityInputError, RefusedError, UnknownIdentityError

API = "api"
"""Audience of the REST API."""

MAX_LIFE_S = 365 * 86_400.0
NEVER_BY_TOKEN = frozenset(
    {"approve-change", "reject-change", "review-change", "manage-own", "manage-accounts", "manage-keys"}
)
"""Actions that need a person who is there: no token may be scoped to them."""


@dataclass(frozen=True)
class NewToken:
    """A token to issue.

    Args:
        label: What people recognise it by.
        actions: All that it may be used for, within what policy allows its account.
        life_s: Seconds until it expires.
        audience: The part of the platform that accepts it.
    """

    label: str
    actions: frozenset[str]
    life_s: float
    audience: str = API


def issue(
    session: Session, account: AccountRow, new_token: NewToken, issuer: Principal, now: float
) -> tuple[str, TokenRow]:
    """Issue a token that acts as an account.

    Args:
        session: Transaction to write in.
        account: A service, or the person who asks.
        new_token: What it may do and how long.
        issuer: Who asks; a person in a session, because a token that makes tokens would outlive its own expiry.
        now: Unix seconds.

    Returns:
        The secret, which is stored nowhere, and the row.

    Raises:
        RefusedError: The issuer itself uses a token, or the account is locked.
        IdentityInputError: The scope or the life is not allowed.
    """
    if issuer.actions is not None:
        raise RefusedError("a token cannot make tokens", hint="falaj login", code="identity.token-by-token")
    if account.locked_at is not None:
        raise RefusedError("this account is locked")
    _require_modest(new_token)
    bearer = new_bearer(BearerKind.TOKEN, new_id(now))
    row = TokenRow(
        id=bearer.id,
        digest=bearer.digest,
        account=account.id,
        label=names.label(new_token.label),
        actions=sorted(new_token.actions),
        audience=new_token.audience,
        created_at=now,
        created_by=issuer.id,
        expires_at=now + new_token.life_s,
    )
    session.add(row)
    session.flush()
    details = {"token": row.id, "actions": row.actions, "expires_at": row.expires_at}
    note(session, "token.issued", issuer.id, account.id, now, details)
    return str(bearer), row


def service_account(session: Session, name: str, issuer: Principal, now: float) -> AccountRow:
    """Return the account of a service, made at its first token."""
    row = session.get(AccountRow, f"{PrincipalKind.SERVICE}:{name}")
    new_account = accounts.NewAccount(PrincipalKind.SERVICE, name, accounts.TOKEN)
    return row or accounts.create(session, new_account, issuer.id, now, issuer.tenant)


def find_token(session: Session, bearer: Bearer, now: float, audience: str) -> TokenRow | None:
    """Return the live token that a bearer secret is."""
    row = session.get(TokenRow, bearer.id)
    if row is None or not bearer.holds(row.digest) or row.audience != audience:
        return None
    return row if row.revoked_at is None and now < row.expires_at else None


def tokens_of(account: str | None = None) -> Select[TokenRow]:
    """The tokens of an account, or those of all services, in no order."""
    services = TokenRow.account.startswith(f"{PrincipalKind.SERVICE}:", autoescape=True)
    chosen = services if account is None else TokenRow.account == account
    return select(TokenRow).where(chosen)


def revoke(session: Session, token_id: str, actor: str, now: float, *, account: str | None = None) -> TokenRow:
    """Revoke a token; revoking it again changes nothing.

    Args:
        session: Transaction to write in.
        token_id: Its public id.
        actor: Principal id of who revokes it.
        now: Unix seconds.
        account: Only if it is of this account; None revokes a token of any.

    Raises:
        UnknownIdentityError: There is none.
    """
    row = session.get(TokenRow, token_id)
    if row is None or account not in {None, row.account}:
        raise UnknownIdentityError(f"no token '{token_id[:40]}'", hint="falaj access token list")
    if row.revoked_at is None:
        row.revoked_at = now
        note(session, "token.revoked", actor, row.account, now, {"token": row.id})
    return row


def _require_modest(new_token: NewToken) -> None:
    if not new_token.actions:
        raise IdentityInputError("a token needs the actions that it is for", code="identity.token-scope")
    if personal := sorted(new_token.actions & NEVER_BY_TOKEN):
        raise IdentityInputError(
            f"no token can be for {', '.join(personal)}",
            hint="this needs a person in a session",
            code="identity.token-scope",
        )
    if not 0 < new_token.life_s <= MAX_LIFE_S:
        raise IdentityInputError(f"a token lives at most {MAX_LIFE_S / 86_400:.0f} days", code="identity.token-scope")
