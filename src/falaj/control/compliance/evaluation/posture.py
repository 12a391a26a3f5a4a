"""What is known of an installation when it is judged, and what a judgement says (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from falaj.control.compliance.gates import AssessedModel, Rules
from falaj.trust.policy import PrivacyFacts


class State(StrEnum):
    """Whether a control holds."""

    MET = "met"
    GAP = "gap"
    ASK = "ask a person"
    """The platform sees nothing against it, and cannot see all of it."""
    NONE = "not applicable"


@dataclass(frozen=True)
class ControlFinding:
    """One rule.

    Args:
        id: Stable, such as `pdpl-22`.
        law: Where the rule stands.
        control: What the platform does about it.
        state: Whether it holds.
        evidence: What shows it, with digests.
        gaps: What is missing, one line each.
    """

    id: str
    law: str
    control: str
    state: State
    evidence: tuple[str, ...] = ()
    gaps: tuple[str, ...] = ()


@dataclass(frozen=True)
class Holding:
    """A release that serves, or the newest of a model that serves nowhere.

    Args:
        name: `model@number`.
        digest: Of its model.
        project: Whose it is.
        owner: Who answers for it.
        commit: What it was made of.
        made_at: Unix seconds.
        subject: What the rules look at.
        snapshots: Digests of its data by source.
        serves: Jurisdictions by environment, where it serves.
        facts: What the rules say of it where it serves.
        flagged: Why it should be trained again; empty when it need not.
    """

    name: str
    digest: str
    project: str
    owner: str
    commit: str
    made_at: float
    subject: AssessedModel
    snapshots: Mapping[str, str]
    serves: Mapping[str, tuple[str, ...]]
    facts: PrivacyFacts
    flagged: str = ""


@dataclass(frozen=True)
class SnapshotView:
    """A labelled snapshot: its source, digest, whether it has people in it, and whether the index knows them."""

    digest: str
    source: str
    personal: bool
    subject_key: str
    indexed: bool
    subjects: int | None
    note: str
    locked_until: float | None
    erased_at: float | None


@dataclass(frozen=True)
class IncidentView:
    """A breach: when it had to be notified, and when it was."""

    id: str
    title: str
    state: str
    learned_at: float
    notify_by: float
    notified_at: float | None
    overdue: bool


@dataclass(frozen=True)
class RequestView:
    """What a person asked for: by when it had to be answered, and when it was."""

    id: str
    kind: str
    state: str
    received_at: float
    due_at: float
    closed_at: float | None
    overdue: bool
    result: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Posture:
    """An installation, as far as the rules of a pack look at it.

    Args:
        rules: The pack's settings, the entity and the records.
        settings: Digest of the settings that hold.
        holdings: Its releases.
        snapshots: Its labelled snapshots.
        incidents: All of them.
        requests: All of them.
        encrypted: Whether artifacts are encrypted at rest.
        log_size: Entries of the audit log.
        log_root: Root of the audit log, in hex.
    """

    rules: Rules
    settings: str
    holdings: tuple[Holding, ...]
    snapshots: tuple[SnapshotView, ...]
    incidents: tuple[IncidentView, ...]
    requests: tuple[RequestView, ...]
    encrypted: bool
    log_size: int
    log_root: str
