"""Who was granted which role, and where it holds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from falaj.governance.policy.actions import Action, Role
from falaj.governance.policy.resources import Resource
from falaj.governance.principal import HOME, Principal
from falaj.storage.policy_tables import RoleBindingRow

_READING = frozenset({Action.READ, Action.READ_AUDIT})


@dataclass(frozen=True)
class Binding:
    """A role in a scope: the whole tenant when neither project nor environment is named.

    Args:
        role: What is granted.
        project: Where it holds; None for every project.
        environment: Where it holds; None for every environment.
        source: What granted it, for `falaj whoami`: `built-in`, `account` or `platform.yaml`.
    """

    role: Role
    project: str | None = None
    environment: str | None = None
    source: str = "account"

    def covers(self, action: Action, resource: Resource) -> bool:
        """Whether it holds for a resource. Reading is not bounded by environment: who decides about one sees them all."""
        in_project = self.project is None or self.project == resource.project
        in_environment = self.environment is None or action in _READING or self.environment == resource.environment
        return in_project and in_environment


_HOME_ROLES = (Role.SERVICE, Role.DATA_SCIENTIST, Role.ML_ENGINEER, Role.AUDITOR)
_OF_HOME = tuple(Binding(role, source="built-in") for role in _HOME_ROLES)


def roles_for(bindings: Iterable[Binding], action: Action, resource: Resource) -> frozenset[str]:
    """The roles that bindings grant for an action on a resource."""
    return frozenset(binding.role.value for binding in bindings if binding.covers(action, resource))


def held_roles(bindings: Iterable[Binding]) -> frozenset[str]:
    """The roles that bindings grant anywhere."""
    return frozenset(binding.role.value for binding in bindings)


def bindings_of(session: Session, principal: Principal) -> tuple[Binding, ...]:
    """Everything that a principal was granted: built in, to its account, and by platform.yaml to it or its groups."""
    if principal.id == HOME:
        return _OF_HOME
    query = select(RoleBindingRow).where(
        RoleBindingRow.tenant == principal.tenant, RoleBindingRow.principal == principal.id
    )
    direct = [Binding(Role(row.role), row.project, row.environment) for row in session.scalars(query)]
    return (*direct, *_of_platform(session, principal))


def _of_platform(session: Session, principal: Principal) -> Iterable[Binding]:
    from falaj.governance import settings

    for spec in settings.current(session).roles:
        if spec.user == principal.name or (spec.group is not None and spec.group in principal.groups):
            yield Binding(Role(spec.role), spec.project, spec.environment, "platform.yaml")
