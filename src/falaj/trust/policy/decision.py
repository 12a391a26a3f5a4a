"""The one question, answered by Cedar: may this principal do that to this resource, now?

Pure: time comes with the context. Whatever keeps the question from being answered is a denial; the engine by itself
skips a policy that fails, so that a forbid that fails would permit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import cedarpy

from falaj.core.principal import Principal
from falaj.trust.policy.actions import Action, Role
from falaj.trust.policy.bindings import Binding, held_roles, roles_for
from falaj.trust.policy.facts import notes_in, record
from falaj.trust.policy.policyset import PolicySet
from falaj.trust.policy.resources import PolicyDecision, Resource

_TYPES = {"change": "Change", "release": "Release", "location": "Location"}


def authorize(
    principal: Principal,
    action: Action,
    resource: Resource,
    context: Mapping[str, Any],
    *,
    policies: PolicySet,
    bindings: Iterable[Binding] = (),
    anywhere: bool = False,
) -> PolicyDecision:
    """Decide.

    Args:
        principal: Who asks.
        action: What it wants to do.
        resource: To what.
        context: `now` (unix seconds); for changes `change` (ChangeFacts) and `signed` (SignedFacts); for a training
            `privacy` (PrivacyFacts); for what erases `locked_until` (unix seconds) and `notes` on it by `@id`.
        policies: Those in force.
        bindings: What the principal was granted.
        anywhere: True asks whether it may do so in any scope; whoever asks that must ask again for the resource.
    """
    granted = tuple(bindings)
    roles = held_roles(granted) if anywhere else roles_for(granted, action, resource)
    try:
        request = _request(principal, action, resource, context)
        entities = [_actor(principal, roles, held_roles(granted)), _object(resource)]
        answer = cedarpy.is_authorized(request, policies.engine, entities, policies.schema)
    except Exception as error:  # whatever it is, a question without an answer is a denial
        return _unanswered(str(error))
    if answer.diagnostics.errors:
        return _unanswered(answer.diagnostics.errors[0])
    ids = tuple(sorted(answer.diagnostics.id_annotations_by_reason.values()))
    if answer.allowed:
        return PolicyDecision(True, f"permitted by {_explained(ids, policies)}", ids)
    if ids:
        return PolicyDecision(False, f"denied by {_explained(ids, policies, notes_in(context))}", ids)
    able = tuple(role.value for role in Role if _would_be_allowed(role, request, (principal, resource), policies))
    return PolicyDecision(False, _no_permit(action, resource, roles), able_roles=able)


def _would_be_allowed(
    role: Role, request: dict[str, Any], who_and_what: tuple[Principal, Resource], policies: PolicySet
) -> bool:
    """Whether the same principal could with this role alone."""
    principal, resource = who_and_what
    entities = [_actor(principal, frozenset({role.value}), frozenset({role.value})), _object(resource)]
    answer = cedarpy.is_authorized(request, policies.engine, entities, policies.schema)
    return bool(answer.allowed and not answer.diagnostics.errors)


def _explained(ids: tuple[str, ...], policies: PolicySet, notes: Mapping[str, str] = MappingProxyType({})) -> str:
    explanations = ((name, policies.rules[name].explanation, notes.get(name)) for name in ids)
    return "; ".join(f"{name}: {rule} ({note})" if note else f"{name}: {rule}" for name, rule, note in explanations)


def _no_permit(action: Action, resource: Resource, roles: frozenset[str]) -> str:
    roles_clause = (
        f"the roles held here ({', '.join(sorted(roles))}) do" if roles else "no role is held here that could"
    )
    return f"nothing permits '{action}' on {resource}: {roles_clause}{' not include it' if roles else ''}"


def _unanswered(error: str) -> PolicyDecision:
    return PolicyDecision(False, f"the question could not be answered, which denies it: {error}", ("policy-error",))


def _request(principal: Principal, action: Action, resource: Resource, context: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "principal": _uid(principal.kind.value.title(), principal.name),
        "action": _uid("Action", action.value),
        "resource": _uid(_TYPES.get(resource.kind, "Resource"), _object_id(resource)),
        "context": record(context) | {"action": action.value},
    }


def _actor(principal: Principal, roles: frozenset[str], all_roles: frozenset[str]) -> dict[str, Any]:
    attributes = {
        "id": principal.id,
        "tenant": principal.tenant,
        "active": principal.active,
        "roles": roles,
        "held": all_roles,
        "groups": principal.groups,
        "email": principal.email,
        "authenticated_at": float(principal.authenticated_at),
        "step_up_at": None if principal.step_up_at is None else float(principal.step_up_at),
        "step_up_method": principal.step_up_method,
        "scope": principal.actions,
        "location": principal.location,
    }
    uid = _uid(principal.kind.value.title(), principal.name)
    return {"uid": uid, "attrs": record(attributes), "parents": []}


def _object(resource: Resource) -> dict[str, Any]:
    attributes = {
        "kind": resource.kind,
        "id": resource.id,
        "tenant": resource.tenant,
        "project": resource.project,
        "environment": resource.environment,
        "rank": resource.rank,
    }
    uid = _uid(_TYPES.get(resource.kind, "Resource"), _object_id(resource))
    return {"uid": uid, "attrs": record(attributes), "tags": dict(resource.attributes), "parents": []}


def _object_id(resource: Resource) -> str:
    return f"{resource.tenant}/{resource}"


def _uid(kind: str, name: str) -> dict[str, str]:
    return {"type": kind, "id": name}
