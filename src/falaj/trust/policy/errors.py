"""Refusals, and policies that cannot be loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from falaj.core.errors import FalajError, UsageError

if TYPE_CHECKING:
    from falaj.core.principal import Principal
    from falaj.trust.policy.actions import Action
    from falaj.trust.policy.resources import PolicyDecision, Resource


class ForbiddenError(FalajError):
    """The caller is known, and policy does not permit what it asked for."""

    code, status, exit_code = "auth.forbidden", 403, 7

    def __init__(self, principal: Principal, action: Action, resource: Resource, decision: PolicyDecision) -> None:
        super().__init__(
            f"{principal.id} may not {action.phrase}: {decision.reason}",
            where=str(resource),
            hint="falaj access policy explain shows the rule; falaj access whoami shows your roles",
        )
        self.principal, self.action, self.resource, self.decision = principal, action, resource, decision


class PolicyError(UsageError):
    """A policy does not parse, does not fit the schema, lacks its id, or fails its trial; nothing was loaded."""

    code = "policy.invalid"
