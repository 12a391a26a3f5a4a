"""What travels of privacy: records, incidents, requests of people, and the compliance report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from falaj.schemas import states


@dataclass(frozen=True)
class PrivacyRecord:
    """A signed record; `counts_until` is when it stops counting by the settings that hold now."""

    id: str
    kind: states.RecordKind
    model: str
    document: str
    document_name: str
    made_by: str
    made_at: float
    expires_at: float
    counts_until: float
    regime: str
    destination: str
    purpose: str
    mechanism: str
    authority: str
    consent: bool
    note: str
    data: str
    classification: str
    sector: str
    origin: str
    subject_key: str


@dataclass(frozen=True)
class Incident:
    """A breach; `overdue` when it was to be notified before now, or was notified late."""

    id: str
    title: str
    state: states.IncidentState
    learned_at: float
    notify_by: float
    notified_at: float | None
    closed_at: float | None
    overdue: bool
    data: dict[str, Any]


@dataclass(frozen=True)
class SubjectRequest:
    """What a person asked for; nothing in it says who."""

    id: str
    kind: states.SubjectRequestKind
    state: states.SubjectRequestState
    received_at: float
    due_at: float
    closed_at: float | None
    overdue: bool
    result: dict[str, Any]


@dataclass(frozen=True)
class SnapshotWithPerson:
    """A snapshot that holds a person's data."""

    digest: str
    source: str
    project: str
    first_at: float
    locked_until: float | None
    erased_at: float | None


@dataclass(frozen=True)
class ReleaseWithPerson:
    """A release that a person's data reached, and where it serves."""

    name: str
    state: states.ReleaseState
    serves: list[str]
    flagged: str


@dataclass(frozen=True)
class FoundSubject:
    """Where a person's data went; `unsearched` are sources with people in them that the index does not know."""

    snapshots: list[SnapshotWithPerson]
    derived: int
    releases: list[ReleaseWithPerson]
    unsearched: list[str]
    erased_at: float | None


@dataclass(frozen=True)
class ExportedRow:
    """A row of a person, with where it is from."""

    source: str
    snapshot: str
    row: dict[str, Any]


@dataclass(frozen=True)
class ErasedSubject:
    """What came of an erasure; `note` says in words what it does not do."""

    request: str
    snapshots: list[str]
    derived: int
    objects: int
    keys: int
    flagged: list[str]
    note: str


@dataclass(frozen=True)
class IndexedSnapshots:
    """What a search of snapshots found: how many are in the index now, and why others are not, by source."""

    indexed: int
    failed: dict[str, str]


@dataclass(frozen=True)
class DataLabel:
    """What one source of data is, and which laws it is under."""

    name: str
    classification: str
    sector: str
    origin: str
    subject_key: str
    personal: bool
    regimes: list[str]


@dataclass(frozen=True)
class ProcessingActivity:
    """A record of processing, generated from lineage."""

    release: str
    project: str
    owner: str
    purpose: str
    categories: list[str]
    regimes: list[str]
    serves: list[str]
    transfers: list[str]
    automated_decisions: str
    human_review: str
    snapshots: list[str]
    digest: str
    commit: str


@dataclass(frozen=True)
class ComplianceFinding:
    """One rule of a pack with its control, whether it holds, what shows it and what is missing."""

    id: str
    law: str
    control: str
    state: states.ControlState
    evidence: list[str]
    gaps: list[str]


@dataclass(frozen=True)
class ComplianceReport:
    """The report, as findings and as pages."""

    pack: str
    made_at: float
    findings: list[ComplianceFinding]
    markdown: str
    html: str
