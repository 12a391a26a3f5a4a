"""Monitors, windows and alerts as the API tells of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from falaj.schemas import states


@dataclass(frozen=True)
class Monitor:
    """How the monitors of an endpoint stand.

    `status` is `ok`, `waiting` before the first window, `not_tested` with the reason where nothing could be compared
    (no reference, too few rows), `fired`, `drifting`, or the cause that triage acts on. `guarantee` says what drift and
    concept monitors promise.
    """

    endpoint: str
    location: str
    release: int
    status: str
    reason: str
    windows: int
    drifting: list[str]
    concept: float
    last_window: float | None
    updated_at: float
    guarantee: str


@dataclass(frozen=True)
class DriftWindow:
    """What the monitors found in one window; `report` has each feature with its effect and evidence."""

    location: str
    release: int
    number: int
    start: float
    end: float
    rows: int
    report: dict[str, Any]


@dataclass(frozen=True)
class PerformanceWindow:
    """The loss of one window: measured by labels or estimated without them, with its interval."""

    location: str
    release: int
    number: int
    start: float
    end: float
    rows: int
    labelled: int
    metric: str
    value: float | None
    low: float | None
    high: float | None
    expected: float | None
    method: str
    reason: str
    wrong: float | None


@dataclass(frozen=True)
class Recalibration:
    """By what the answers of a release are moved at a location.

    `offset` is in log-odds for `binary` answers and in the unit of the answer for `regression`: `strength` times
    `proposed`, within `bound` either way and a third of it a day; `limit` says what it met. `reason` says why nothing
    is moved, and is empty where something is or could be. `days` are the last days with the offset of each, as days
    since 1970; `months` are means of them over all releases of the endpoint.
    """

    endpoint: str
    location: str
    release: int
    version: int
    kind: states.AnswerKind
    offset: float
    proposed: float
    strength: float
    bound: float
    threshold: float
    limit: states.OffsetLimit
    reason: str
    rows: int
    fitted_at: float
    expires_at: float
    days: list[list[float]]
    months: dict[str, float]


@dataclass(frozen=True)
class AlertNote:
    """What was said or done about an alert."""

    at: float
    by: str
    kind: str
    text: str


@dataclass(frozen=True)
class Alert:
    """What monitors of one release at one endpoint raised, and what triage says of it.

    `data` holds the facts, the evidence by feature, the promises of the monitors that fired, and what was done.
    """

    id: str
    project: str
    endpoint: str
    location: str
    release: int
    state: states.AlertState
    cause: states.AlertCause
    severity: states.AlertSeverity
    opened_at: float
    updated_at: float
    resolved_at: float | None
    muted_until: float | None
    fired: list[str]
    features: dict[str, float]
    reasons: list[str]
    action: str
    data: dict[str, Any]
    notes: list[AlertNote] = field(default_factory=list)
