"""What a decision is about, and the decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Resource:
    """What an action is done to.

    Args:
        kind: `tenant`, `project`, `run`, `release`, `change`, `environment`, `endpoint`, `location`, `account`, ...
        id: Its name; unique within kind and tenant.
        tenant: The organisation it belongs to.
        project: The project it belongs to; bindings to a project grant nothing where it is None.
        environment: The environment it is in; bindings to an environment grant nothing where it is None.
        rank: Of that environment.
        attributes: What policies of an organisation may ask for, such as a classification (Cedar tags).
    """

    kind: str
    id: str
    tenant: str = "default"
    project: str | None = None
    environment: str | None = None
    rank: int | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.kind}/{self.id}"


@dataclass(frozen=True)
class PolicyDecision:
    """The answer to "may this principal do that?".

    Args:
        allowed: Whether it may.
        reason: One sentence for people: which policy decided, and what it says.
        policy_ids: `@id` of the policies that decided; `policy-error` when the question could not be answered.
        able_roles: Where nothing permits it: the roles with which the same principal could.
    """

    allowed: bool
    reason: str
    policy_ids: tuple[str, ...] = ()
    able_roles: tuple[str, ...] = ()
