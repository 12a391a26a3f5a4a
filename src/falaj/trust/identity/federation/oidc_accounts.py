"""Which account a provider's person has here. The pair of issuer and subject decides, never a name or an address."""

from __future__ import annotations

import hashlib
import re

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from falaj.core.principal import Principal, PrincipalKind
from falaj.storage.federation_tables import FederatedSubjectRow
from falaj.storage.identity_tables import AccountRow
from falaj.storage.policy_tables import RoleBindingRow
from falaj.trust import settings
from falaj.trust.identity import NewAccount, accounts
from falaj.trust.identity.audit_entries import note
from falaj.trust.identity.errors import IdentityTakenError
from falaj.trust.identity.federation.claims import Person
from falaj.trust.identity.login import LOGIN
from falaj.trust.identity.reauthentication import FRESH_S

_NOT_IN_NAMES = re.compile(r"[^a-z0-9._-]+", re.ASCII)
_MAX_NAME = 48
_CLOCK_SKEW_S = 5.0


def principal_of(session: Session, person: Person, now: float) -> Principal:
    """Return the principal that a provider's person is; the first time, make the account, without a password.

    Args:
        session: Transaction to write in.
        person: Whom the provider vouches for, just now.
        now: Unix seconds.

    Raises:
        IdentityTakenError: The address has another account, or another request was first.
        IdentityInputError: The verified address is none.
    """
    row = session.get(FederatedSubjectRow, (person.issuer, person.subject))
    account = row.account if row else _make(session, person, now)
    stepped_up = person.proved_at is not None and -_CLOCK_SKEW_S <= now - person.proved_at <= FRESH_S
    return Principal(
        id=account,
        kind=PrincipalKind.USER,
        groups=frozenset(person.groups),
        email=person.email,
        authenticated_at=now,
        step_up_at=min(person.proved_at, now) if stepped_up and person.proved_at is not None else None,
        step_up_method=LOGIN if stepped_up else None,
    )


def _make(session: Session, person: Person, now: float) -> str:
    name = _free_name(session, person)
    new_account = NewAccount(PrincipalKind.USER, name, accounts.OIDC, person.email, frozenset(person.groups))
    row = accounts.create(session, new_account, f"{PrincipalKind.USER}:{name}", now)
    session.add(FederatedSubjectRow(issuer=person.issuer, subject=person.subject, account=row.id, first_at=now))
    try:
        session.flush()
    except IntegrityError:  # two first logins of one person
        raise IdentityTakenError("this person's account was made by another login just now", hint="again") from None
    note(session, "account.federated", row.id, row.id, now, {"issuer": person.issuer, "subject": person.subject})
    return row.id


def _free_name(session: Session, person: Person) -> str:
    """What the provider calls the person; marked when it is somebody's, or when rights are waiting for that name."""
    raw_name = person.name or (person.email or "").partition("@")[0]
    name = _NOT_IN_NAMES.sub("-", raw_name.lower())[:_MAX_NAME].strip("._-")
    mark = hashlib.sha256(f"{person.issuer}\n{person.subject}".encode()).hexdigest()[:8]
    if not name:
        return f"person-{mark}"
    return f"{name}-{mark}" if _is_taken(session, name) or _has_rights(session, name) else name


def _is_taken(session: Session, name: str) -> bool:
    return session.get(AccountRow, f"{PrincipalKind.USER}:{name}") is not None


def _has_rights(session: Session, name: str) -> bool:
    """People can often choose what their provider calls them; a name alone must not be worth a role."""
    bound = select(RoleBindingRow).where(RoleBindingRow.principal == f"{PrincipalKind.USER}:{name}")
    named = any(binding.user == name for binding in settings.current(session).roles)
    return named or session.scalars(bound).first() is not None
