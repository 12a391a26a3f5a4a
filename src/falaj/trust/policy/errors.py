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
            hint=_what_next(decision),
        )
        self.principal, self.action, self.resource, self.decision = principal, action, resource, decision


def _what_next(decision: PolicyDecision) -> str:
    """Who may, where another role would do; else where to read on."""
    if decision.able_roles:
        who = " or ".join(decision.able_roles)
        return f"{who} may: falaj access account list shows who that is; falaj access policy explain shows the rule"
    return "falaj access policy explain shows the rule; falaj access whoami shows your roles"


class PolicyError(UsageError):
    """A policy does not parse, does not fit the schema, lacks its id, or fails its trial; nothing was loaded."""

    code = "policy.invalid"
