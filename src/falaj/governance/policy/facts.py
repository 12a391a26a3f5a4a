"""What policy must know of a change to decide about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class ChangeFacts:
    """A change as it is at the moment of the decision; the context's `change`.

    Args:
        id: Of the change.
        kind: `standard`, `normal` or `emergency`.
        state: Its state in the change's own state machine.
        requester: Principal id of who asked for it.
        digest: Tree digest of the release it is about.
        environment: Where the release is to go.
        rank: Of that environment.
        risk: `low`, `medium` or `high`.
        release_state: State of the release in its lifecycle.
        expires_at: When it stops being valid, unix seconds.
        rung_passed: Whether the release was live on the rung below, or the environment is the lowest.
        evidence_complete: Whether every statement and gate that the environment asks for is there.
        residency_allowed: Whether the data in the release may be in every location of the environment.
        quorum_met: Whether enough distinct people with distinct keys approved; `count_holders` says so.
        opens_at: When its window opens, unix seconds; None for at once.
        frozen: Whether the environment is in a freeze that holds for this kind of change.
        renewal: Whether an admission that is in force is being renewed.
        tenant: The organisation it belongs to.
        authors: Principal ids and addresses of those who wrote what is released.
        approvers: Principal ids of those who have approved.
        approval_keys: Ids of the keys that those approvals were signed with.
    """

    id: str
    kind: str
    state: str
    requester: str
    digest: str
    environment: str
    rank: int
    risk: str
    release_state: str
    expires_at: float
    rung_passed: bool
    evidence_complete: bool
    residency_allowed: bool
    quorum_met: bool = False
    opens_at: float | None = None
    frozen: bool = False
    renewal: bool = False
    tenant: str = "default"
    authors: frozenset[str] = frozenset()
    approvers: frozenset[str] = frozenset()
    approval_keys: frozenset[str] = frozenset()


@dataclass(frozen=True)
class SignedFacts:
    """What the approval or admission in question says; the context's `signed`.

    Args:
        change: Id of the change.
        kind: Kind of the change.
        tenant: The organisation.
        digest: Tree digest of the release.
        environment: Where the release is to go.
        rank: Of that environment.
        key: Id of the key that it is signed with.
    """

    change: str
    kind: str
    digest: str
    environment: str
    rank: int
    key: str
    tenant: str = "default"


def record(facts: Mapping[str, Any] | ChangeFacts | SignedFacts) -> dict[str, Any]:
    """Facts as a Cedar record: times in whole seconds, sets as sorted lists, what is None left out."""
    named = facts.items() if isinstance(facts, Mapping) else ((f.name, getattr(facts, f.name)) for f in fields(facts))
    return {name: _value(value) for name, value in named if value is not None}


def _value(value: Any) -> Any:
    match value:
        case float():
            return int(value)
        case set() | frozenset():
            return sorted(value)
        case Mapping() | ChangeFacts() | SignedFacts():
            return record(value)
    return value
