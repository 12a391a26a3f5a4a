"""The question with what is in force now: policies and bindings come from the database of the session."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from sqlalchemy.orm import Session

from falaj.config.platform_spec import PlatformSpec
from falaj.core.principal import Principal
from falaj.trust import settings
from falaj.trust.policy.actions import Action
from falaj.trust.policy.bindings import granted_under
from falaj.trust.policy.decision import authorize
from falaj.trust.policy.errors import ForbiddenError
from falaj.trust.policy.organisation import with_organisation
from falaj.trust.policy.policyset import PolicySet
from falaj.trust.policy.resources import PolicyDecision, Resource


def effective_policies(session: Session) -> PolicySet:
    """The built-in policies, and the packs and own policies that platform.yaml names; parsed once a version."""
    return _in(settings.current(session))


def _in(spec: PlatformSpec) -> PolicySet:
    return _compiled(tuple(sorted(spec.policies.items())), spec.policy_packs)


@lru_cache(maxsize=8)
def _compiled(texts: tuple[tuple[str, str], ...], packs: tuple[str, ...]) -> PolicySet:
    return with_organisation(dict(texts), packs)


def decide(
    session: Session,
    principal: Principal,
    action: Action,
    resource: Resource,
    context: Mapping[str, Any],
    *,
    anywhere: bool = False,
) -> PolicyDecision:
    """`authorize` with the policies in force and the bindings of the principal.

    Args:
        session: Reads settings and bindings.
        principal: Who asks.
        action: What it wants to do.
        resource: To what.
        context: `now` (unix seconds); for changes `change` (ChangeFacts) and `signed` (SignedFacts).
        anywhere: True asks whether it may do so in any scope; whoever asks that must ask again for the resource.
    """
    spec = settings.current(session)
    granted = granted_under(spec, session, principal)
    return authorize(principal, action, resource, context, policies=_in(spec), bindings=granted, anywhere=anywhere)


def require(
    session: Session, principal: Principal, action: Action, resource: Resource, context: Mapping[str, Any]
) -> PolicyDecision:
    """`decide`, or refuse.

    Raises:
        ForbiddenError: The reason names the policy (`auth.forbidden`); the server writes it to the audit log.
    """
    decision = decide(session, principal, action, resource, context)
    if not decision.allowed:
        raise ForbiddenError(principal, action, resource, decision)
    return decision
