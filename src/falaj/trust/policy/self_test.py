"""The trial that policies pass before they load: questions with the answers that must come out.

The platform's own trial keeps an organisation from locking itself out. An organisation keeps cases of its own beside
its policies, and `falaj access policy test` runs them. A case is

    - name: release managers wait for Sunday
      principal: {kind: user, name: mariam, groups: [release], email: m@example.ae}
      roles: [release-manager, {role: data-scientist, project: flights}]
      action: approve-change
      resource: {kind: change, id: c1, project: flights, environment: prod, rank: 3}
      context: {now: 1700000000, change: {...}, signed: {...}}
      allowed: false
      because: sunday-only
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml

from falaj.core.principal import Principal, PrincipalKind
from falaj.trust.policy.actions import Action, Role
from falaj.trust.policy.bindings import Binding
from falaj.trust.policy.decision import authorize
from falaj.trust.policy.errors import PolicyError
from falaj.trust.policy.policyset import PolicySet, rule_text
from falaj.trust.policy.resources import PolicyDecision, Resource


@dataclass(frozen=True)
class Case:
    """A question and its answer.

    Args:
        name: What it is about.
        principal: Who asks.
        bindings: What that principal was granted.
        action: What it wants to do.
        resource: To what.
        context: As `authorize` takes it.
        allowed: The answer that must come out.
        because: The `@id` that must be among those that decide; empty for any.
    """

    name: str
    principal: Principal
    bindings: tuple[Binding, ...]
    action: Action
    resource: Resource
    context: Mapping[str, Any]
    allowed: bool
    because: str = ""

    def ask(self, policies: PolicySet) -> PolicyDecision:
        """The answer that policies give."""
        return authorize(
            self.principal, self.action, self.resource, self.context, policies=policies, bindings=self.bindings
        )

    def fits(self, decision: PolicyDecision) -> bool:
        """Whether an answer is the one that must come out."""
        return decision.allowed is self.allowed and (not self.because or self.because in decision.policy_ids)


@dataclass(frozen=True)
class Failure:
    """A case that came out differently."""

    case: Case
    decision: PolicyDecision

    def __str__(self) -> str:
        expected = "allowed" if self.case.allowed else "denied"
        by = f" by {self.case.because}" if self.case.because else ""
        return f"{self.case.name}: must be {expected}{by}, but {self.decision.reason}"


def failures(policies: PolicySet, cases: Iterable[Case]) -> list[Failure]:
    """The cases that come out differently."""
    answered = ((case, case.ask(policies)) for case in cases)
    return [Failure(case, decision) for case, decision in answered if not case.fits(decision)]


@cache
def assert_policy_tests() -> tuple[Case, ...]:
    """What must stay possible under any policies: managing the platform and its accounts, and taking part in it."""
    return read_cases(rule_text("trial.yaml"), "trial.yaml")


def read_cases(text: str, source: str) -> tuple[Case, ...]:
    """Cases from YAML: a list of mappings as above.

    Args:
        text: The file.
        source: Its name, for errors.

    Raises:
        PolicyError: A case is not of this form.
    """
    try:
        documents = yaml.safe_load(text) or []
        return tuple(_case(document) for document in documents)
    except (yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise PolicyError(
            f"the cases are not well formed: {error}", where=source, hint="docs/reference/policies.md"
        ) from (error)


def _case(document: Mapping[str, Any]) -> Case:
    return Case(
        name=str(document["name"]),
        principal=_principal(document["principal"]),
        bindings=tuple(_binding(each) for each in document.get("roles", ())),
        action=Action(document["action"]),
        resource=Resource(**document["resource"]),
        context=document["context"],
        allowed=bool(document["allowed"]),
        because=document.get("because", ""),
    )


def _principal(document: Mapping[str, Any]) -> Principal:
    kind, name = PrincipalKind(document["kind"]), document["name"]
    others = {key: value for key, value in document.items() if key not in {"kind", "name"}}
    for key in {"groups", "actions"} & set(others):
        others[key] = frozenset(others[key])
    return Principal(f"{kind}:{name}", kind, **others)


def _binding(document: str | Mapping[str, str]) -> Binding:
    if isinstance(document, str):
        return Binding(Role(document))
    return Binding(Role(document["role"]), document.get("project"), document.get("environment"))
