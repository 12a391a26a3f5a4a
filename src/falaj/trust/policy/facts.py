"""What policy must know of a change to decide about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(frozen=True)
class PrivacyFacts:
    """What rules of privacy and residency ask for; `privacy` of a change or of a training.

    Args:
        regimes: The laws that the data is under, such as `pdpl`.
        transfer_allowed: Whether personal data may go where the environment runs.
        health_allowed: The same for health data.
        banking_allowed: The same for data of banks and insurers.
        government_allowed: The same for data of government.
        dpia_current: Whether an impact assessment of this model counts, or none is needed.
        human_review: Whether people can ask a human to look again, or nothing is decided about them.
        bias_current: Whether a bias evaluation of this model counts, or none is needed.
        officer_approved: Whether the data protection officer approved, or need not.
        notes: What is missing and how to put it right, by `@id` of the policy; people read it, Cedar does not.
    """

    regimes: frozenset[str] = frozenset()
    transfer_allowed: bool = True
    health_allowed: bool = True
    banking_allowed: bool = True
    government_allowed: bool = True
    dpia_current: bool = True
    human_review: bool = True
    bias_current: bool = True
    officer_approved: bool = True
    notes: Mapping[str, str] = field(default_factory=dict)


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
        passed_below: Whether the release was live on the environment below, or the environment is the lowest.
        arriving_below: Whether it is being deployed there, or nothing but the clock keeps it from that.
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
        privacy: What rules of privacy ask for; None where no pack of such rules is on.
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
    passed_below: bool
    evidence_complete: bool
    residency_allowed: bool
    arriving_below: bool = False
    quorum_met: bool = False
    opens_at: float | None = None
    frozen: bool = False
    renewal: bool = False
    tenant: str = "default"
    authors: frozenset[str] = frozenset()
    approvers: frozenset[str] = frozenset()
    approval_keys: frozenset[str] = frozenset()
    privacy: PrivacyFacts | None = None


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


def record(facts: Mapping[str, Any] | ChangeFacts | SignedFacts | PrivacyFacts) -> dict[str, Any]:
    """Facts as a Cedar record: times in whole seconds, sets as sorted lists, what is None or only told left out."""
    named = facts.items() if isinstance(facts, Mapping) else ((f.name, getattr(facts, f.name)) for f in fields(facts))
    return {name: _value(value) for name, value in named if value is not None and name != "notes"}


def notes_in(context: Mapping[str, Any]) -> Mapping[str, str]:
    """What people are told beside the explanation of a policy, by its `@id`."""
    change = context.get("change")
    privacy = change.privacy if isinstance(change, ChangeFacts) else context.get("privacy")
    return privacy.notes if isinstance(privacy, PrivacyFacts) else context.get("notes", {})


def _value(value: Any) -> Any:
    match value:
        case float():
            return int(value)
        case set() | frozenset():
            return sorted(value)
        case Mapping() | ChangeFacts() | SignedFacts() | PrivacyFacts():
            return record(value)
    return value
