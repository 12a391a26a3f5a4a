"""Roles that are granted to an account directly; others come from platform.yaml."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from falaj.core.errors import ConflictError
from falaj.core.principal import PrincipalKind
from falaj.storage.identity_tables import AccountRow
from falaj.storage.policy_tables import RoleBindingRow
from falaj.storage.sealed import delete_each
from falaj.trust.identity import accounts
from falaj.trust.identity.audit_entries import note
from falaj.trust.policy import Binding, Role, bindings_of


def set_roles(session: Session, account: AccountRow, new_bindings: Sequence[Binding], actor: str, now: float) -> None:
    """Give an account these roles and no others.

    Args:
        session: Transaction to write in.
        account: Whose roles.
        new_bindings: Roles with their scopes.
        actor: Principal id of who grants them.
        now: Unix seconds.

    Raises:
        ConflictError: An administrator's own roles (`identity.own-account`): another administrator changes them.
    """
    refuse_own(account, actor)
    mine = (RoleBindingRow.tenant == account.tenant, RoleBindingRow.principal == account.id)
    delete_each(session, select(RoleBindingRow).where(*mine))
    for binding in dict.fromkeys(new_bindings):
        session.add(_row(account, binding, actor, now))
    session.flush()
    note(session, "account.roles", actor, account.id, now, {"roles": sorted(map(role_text, new_bindings))})


def grant_first(session: Session, account: AccountRow, now: float) -> None:
    """Make an account the first administrator; whoever holds the one-time link decides it."""
    session.add(_row(account, Binding(Role.ADMIN), account.id, now))
    session.flush()


def has_administrator(session: Session) -> bool:
    """Tell whether someone who is not locked may administer accounts."""
    people = (row for row in accounts.everyone(session) if row.id.startswith(f"{PrincipalKind.USER}:"))
    return any(
        Role.ADMIN in {binding.role for binding in roles_of(session, row)} for row in people if row.locked_at is None
    )


def roles_of(session: Session, account: AccountRow) -> tuple[Binding, ...]:
    """Return all roles of an account, those of platform.yaml too."""
    return bindings_of(session, accounts.principal_of(account, authenticated_at=0.0))


def role_text(binding: Binding) -> str:
    """Return a role with its scope as people write it: `ml-engineer`, `ml-engineer@project`, `release-manager:prod`."""
    project = f"@{binding.project}" if binding.project else ""
    return f"{binding.role}{project}{':' + binding.environment if binding.environment else ''}"


def refuse_own(account: AccountRow, actor: str) -> None:
    """Refuse what nobody may do to their own account.

    Raises:
        ConflictError: `identity.own-account`.
    """
    if account.id == actor:
        raise ConflictError(
            "nobody changes their own rights", hint="another administrator can", code="identity.own-account"
        )


def _row(account: AccountRow, binding: Binding, actor: str, now: float) -> RoleBindingRow:
    return RoleBindingRow(
        tenant=account.tenant,
        principal=account.id,
        role=binding.role.value,
        project=binding.project,
        environment=binding.environment,
        granted_by=actor,
        granted_at=now,
    )
