"""What travels about permission: the rules in force, and answers to "may I?"."""

from __future__ import annotations

from dataclasses import dataclass

from falaj.schemas import states


@dataclass(frozen=True)
class PolicyRule:
    """One policy in force; `effect` is `permit` or `forbid`, `text` its Cedar."""

    id: str
    effect: states.PolicyEffect
    explanation: str
    source: str
    text: str


@dataclass(frozen=True)
class PolicyAnswer:
    """Whether the caller may do something, which policies decide it, and the roles that the caller holds there."""

    principal: str
    action: str
    resource: str
    allowed: bool
    reason: str
    policies: list[str]
    roles: list[str]
