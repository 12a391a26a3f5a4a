"""What travels about changes: requests, approvals, and how far a change is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from falaj.schemas import states


@dataclass(frozen=True)
class GivenApproval:
    """Who approved a change, when, with which key."""

    approver: str
    approved_at: float
    key_id: str


@dataclass(frozen=True)
class Change:
    """A change.

    `quorum` is how many people must approve; `restores` the change that a rollback takes up again; `note` says why it
    waits or how it ended; `wakes_at` is when something happens by itself: it opens, expires, or its review is overdue.
    """

    id: str
    kind: states.ChangeKind
    state: states.ChangeState
    model: str
    release: int
    digest: str
    environment: str
    rank: int
    risk: str
    requester: str
    reason: str
    quorum: int
    approvals: list[GivenApproval]
    restores: str | None
    opens_at: float | None
    expires_at: float
    wakes_at: float | None
    note: str
    created_at: float
    updated_at: float


@dataclass(frozen=True)
class ToSign:
    """What a person signs to approve a change: the approval's predicate, and the gates with values that it rests on.

    A gate that asks for less than that of the release which serves now says so under `looser`; one that is not asked
    for any more is `dropped`.
    """

    approval: dict[str, Any]
    gates: list[dict[str, Any]]
