"""Accounts: people and services that may act here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Select, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from falaj.core.principal import HOME, Principal, PrincipalKind
from falaj.storage.identity_tables import AccountRow
from falaj.trust.identity import names
from falaj.trust.identity.errors import IdentityInputError, IdentityTakenError, UnknownIdentityError

LOCAL, OIDC, TOKEN = "local", "oidc", "token"
"""Who proves the identity of an account: a password, the identity provider, a token."""


@dataclass(frozen=True)
class NewAccount:
    """An account to make.

    Args:
        kind: user or service.
        name: Unique and never reused.
        source: `local`, `oidc` or `token`.
        email: Address of a person; None for a service, and where an identity provider verified none.
        groups: Groups that roles may be bound to.
    """

    kind: PrincipalKind
    name: str
    source: str
    email: str | None = None
    groups: frozenset[str] = frozenset()

    @property
    def id(self) -> str:
        """Id of the principal."""
        return f"{self.kind}:{self.name}"


def create(
    session: Session, new_account: NewAccount, created_by: str, now: float, tenant: str = "default"
) -> AccountRow:
    """Make an account; it cannot act before it has a password, a session of the identity provider or a token.

    Raises:
        IdentityInputError: The name or the address is not allowed.
        IdentityTakenError: The name or the address has an account, also when that one is locked.
    """
    names.account_name(new_account.name)
    email = _required_email(new_account)
    if new_account.id == HOME or session.get(AccountRow, new_account.id) is not None:
        raise IdentityTakenError(f"there is an account '{new_account.name}'", hint="names are never reused")
    _require_free(session, email, tenant)
    row = AccountRow(
        id=new_account.id,
        tenant=tenant,
        source=new_account.source,
        email=email,
        groups=group_list(new_account.groups),
        created_at=now,
        created_by=created_by,
    )
    session.add(row)
    try:
        session.flush()
    except IntegrityError:  # another request was first
        raise IdentityTakenError("the name or the address has an account", hint="one person, one account") from None
    return row


def find(session: Session, account_id: str) -> AccountRow:
    """Return an account by principal id.

    Raises:
        UnknownIdentityError: There is none.
    """
    row = session.get(AccountRow, account_id)
    if row is None:
        raise UnknownIdentityError(f"no account '{account_id.partition(':')[2]}'", hint="falaj access account list")
    return row


def active(session: Session, account_id: str) -> AccountRow | None:
    """Return an account that exists and is not locked."""
    row = session.get(AccountRow, account_id)
    return row if row is not None and row.locked_at is None else None


def of_tenant(tenant: str = "default") -> Select[AccountRow]:
    """All accounts of a tenant, in no order."""
    return select(AccountRow).where(AccountRow.tenant == tenant)


def everyone(session: Session, tenant: str = "default") -> list[AccountRow]:
    """Return all accounts of a tenant by id."""
    return list(session.scalars(select(AccountRow).where(AccountRow.tenant == tenant).order_by(AccountRow.id)))


def find_or_create(session: Session, principal: Principal, method: str, now: float) -> AccountRow:
    """Return the account of a person who logs in; an identity provider's person gets one at the first login.

    Raises:
        IdentityTakenError: The name belongs to an account of another source, or the address to another account.
        UnknownIdentityError: There is no account, and the method makes none.
    """
    row = session.get(AccountRow, principal.id)
    if method != OIDC:
        return row or find(session, principal.id)
    new_account = NewAccount(principal.kind, principal.name, OIDC, principal.email, principal.groups)
    if row is None:
        return create(session, new_account, principal.id, now, principal.tenant)
    if row.source != OIDC or row.tenant != principal.tenant:
        raise IdentityTakenError(
            f"'{principal.name}' is a local account", hint="an administrator must choose: one person, one account"
        )
    if row.email != (email := _required_email(new_account)):
        _require_free(session, email, row.tenant)
        row.email = email
    row.groups = group_list(principal.groups)
    return row


def principal_of(
    row: AccountRow,
    *,
    authenticated_at: float,
    step_up_at: float | None = None,
    step_up_method: str | None = None,
    actions: frozenset[str] | None = None,
) -> Principal:
    """Return the principal that an account is."""
    return Principal(
        id=row.id,
        kind=PrincipalKind(row.id.partition(":")[0]),
        tenant=row.tenant,
        groups=frozenset(row.groups),
        email=row.email,
        active=row.locked_at is None,
        authenticated_at=authenticated_at,
        step_up_at=step_up_at,
        step_up_method=step_up_method,
        actions=actions,
    )


def group_list(groups: Iterable[str]) -> list[str]:
    """Return groups in the form in which they are stored.

    Raises:
        IdentityInputError: One is empty, long, or holds what does not print.
    """
    return sorted({names.label(group) for group in groups})


def _required_email(new_account: NewAccount) -> str | None:
    if new_account.kind is not PrincipalKind.USER:
        return None
    if not new_account.email and new_account.source == OIDC:
        return None  # the provider vouches for no address; who has none approves nothing
    if not new_account.email:
        raise IdentityInputError("a person needs an e-mail address", hint="it joins approvers with authors of commits")
    return names.email_address(new_account.email)


def _require_free(session: Session, email: str | None, tenant: str) -> None:
    """One person, one account: two accounts of one address could approve twice."""
    query = select(AccountRow).where(AccountRow.tenant == tenant, AccountRow.email == email)
    if email is not None and session.scalars(query).first() is not None:
        raise IdentityTakenError(f"the address {email} has an account", hint="one person, one account")
