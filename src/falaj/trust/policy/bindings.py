"""Who was granted which role, and where it holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from falaj.config.platform_spec import PlatformSpec
from falaj.core.principal import HOME, Principal, PrincipalKind
from falaj.storage.policy_tables import RoleBindingRow
from falaj.trust import settings
from falaj.trust.policy.actions import Action, Role
from falaj.trust.policy.resources import Resource

_READING = frozenset({Action.READ, Action.READ_AUDIT})


@dataclass(frozen=True)
class Binding:
    """A role in a scope: the whole tenant when neither project nor environment is named.

    Args:
        role: What is granted.
        project: Where it holds; None for every project.
        environment: Where it holds; None for every environment.
        source: What granted it, for `falaj access whoami`: `built-in`, `account` or `platform.yaml`.
    """

    role: Role
    project: str | None = None
    environment: str | None = None
    source: str = "account"

    def covers(self, action: Action, resource: Resource) -> bool:
        """Whether it holds for a resource.

        Reading is not bounded by environment: who decides about one environment sees what happened on the others.
        """
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
    return granted_under(settings.current(session), session, principal)


def granted_under(spec: PlatformSpec, session: Session, principal: Principal) -> tuple[Binding, ...]:
    """What `bindings_of` returns, where the settings have been read already."""
    if principal.id == HOME:
        return _OF_HOME
    query = select(RoleBindingRow).where(
        RoleBindingRow.tenant == principal.tenant, RoleBindingRow.principal == principal.id
    )
    direct = (Binding(Role(row.role), row.project, row.environment) for row in session.scalars(query))
    return (*direct, *_of_platform(spec, principal))


def _of_platform(spec: PlatformSpec, principal: Principal) -> Iterator[Binding]:
    """Bindings of platform.yaml name people; a token or workload of the same name is nobody that they mean."""
    if principal.kind is not PrincipalKind.USER:
        return
    for each in spec.roles:
        if each.user == principal.name or (each.group is not None and each.group in principal.groups):
            yield Binding(Role(each.role), each.project, each.environment, "platform.yaml")
