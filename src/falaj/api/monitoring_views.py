"""Rows of monitoring as the documents of the API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from falaj.control.monitoring.alerts import state_of
from falaj.control.releases import require_owner
from falaj.schemas import monitoring, states
from falaj.storage import EndpointRow
from falaj.storage.monitoring_tables import AlertNoteRow, AlertRow, MonitorRow, MonitorWindowRow, ProfileBlockRow


def project_of(session: Session, model: str) -> str:
    """The project that a model is of.

    Raises:
        NotFoundError: There is no such model.
    """
    return require_owner(session, model)


def monitors(session: Session, rows: Sequence[MonitorRow]) -> list[monitoring.Monitor]:
    """The monitors of endpoints, read with one statement however many they are."""
    window = MonitorWindowRow
    key = (window.location, window.environment, window.model, window.release)
    names = [(row.location, row.environment, row.model, row.release) for row in rows]
    query = select(*key, func.max(window.end)).where(tuple_(*key).in_(names)).group_by(*key)
    ends = {tuple(name): end for *name, end in session.execute(query)}
    return [_monitor(row, ends.get(name)) for row, name in zip(rows, names, strict=True)]


def _monitor(row: MonitorRow, last: float | None) -> monitoring.Monitor:
    state = state_of(row) if row.state else None
    length = state.features.run_length // 2 if state else 0
    return monitoring.Monitor(
        endpoint=f"{row.environment}/{row.model}", location=row.location, release=row.release, status=row.status,
        reason=row.reason, windows=state.windows if state else 0, drifting=sorted(state.drifting) if state else [],
        concept=round(state.concept.log10_evidence, 3) if state else 0.0, last_window=last, updated_at=row.updated_at,
        guarantee=f"at most 1 false alarm of drift in {length} windows on average" if length else "",
    )  # fmt: skip


def windows(
    session: Session, model: str, environment: str, limit: int, before: float | None = None
) -> list[monitoring.DriftWindow]:
    """The last windows, the earliest first."""
    return [
        monitoring.DriftWindow(row.location, row.release, row.number, row.start, row.end, row.rows, row.report)
        for row in _windows(session, model, environment, limit, before)
    ]


def _windows(
    session: Session, model: str, environment: str, limit: int, before: float | None
) -> Sequence[MonitorWindowRow]:
    query = select(MonitorWindowRow).where(MonitorWindowRow.model == model, MonitorWindowRow.environment == environment)
    if before is not None:
        query = query.where(MonitorWindowRow.end < before)
    return session.scalars(query.order_by(MonitorWindowRow.end.desc()).limit(limit)).all()[::-1]


def performance(
    session: Session, model: str, environment: str, limit: int, before: float | None = None
) -> list[monitoring.PerformanceWindow]:
    """The loss of the last windows, the earliest first."""
    return [_performance(session, row) for row in _windows(session, model, environment, limit, before)]


def _performance(session: Session, row: MonitorWindowRow) -> monitoring.PerformanceWindow:
    loss = row.report["loss"]
    labelled, total, wrong = _labels_since(session, row)
    low, high = loss["interval"] or (None, None)
    value, method, reason = loss["value"], loss["method"], loss["reason"]
    if labelled > loss["labelled"]:  # labels came after the window was judged; the interval was of those before
        value, method, reason, low, high = total / labelled, "labels", f"{labelled} labels, some came later", None, None
    return monitoring.PerformanceWindow(
        location=row.location, release=row.release, number=row.number, start=row.start, end=row.end, rows=row.rows,
        labelled=labelled, metric=loss["metric"], value=value, low=low, high=high, expected=loss["expected"],
        method=method, reason=reason, wrong=wrong / labelled if wrong is not None and labelled else None,
    )  # fmt: skip


def _labels_since(session: Session, row: MonitorWindowRow) -> tuple[int, float, int | None]:
    """Labels of a window as they are known now: how many, the sum of their losses, and wrong decisions."""
    query = select(ProfileBlockRow.losses).where(
        ProfileBlockRow.location == row.location,
        ProfileBlockRow.environment == row.environment,
        ProfileBlockRow.model == row.model,
        ProfileBlockRow.release == row.release,
        ProfileBlockRow.arm == "answered",
        ProfileBlockRow.start >= row.start,
        ProfileBlockRow.end <= row.end,
    )
    tallies: list[dict[str, Any]] = [each for each in session.scalars(query) if each]
    wrong = [each["wrong"] for each in tallies if each.get("wrong") is not None]
    labelled = sum(each["labelled"] for each in tallies)
    return labelled, sum(each["total"] for each in tallies), sum(wrong) if wrong else None


def recalibrations(session: Session, model: str, environment: str | None = None) -> list[monitoring.Recalibration]:
    """By what the answers of a model's releases are moved, by endpoint and location."""
    query = select(EndpointRow).where(EndpointRow.model == model)
    if environment:
        query = query.where(EndpointRow.environment == environment)
    rows = session.scalars(query.order_by(EndpointRow.environment, EndpointRow.location))
    return [each for row in rows if not row.plan.get("withdrawn") for each in recalibrations_of(row)]


def recalibrations_of(row: EndpointRow) -> list[monitoring.Recalibration]:
    """What the agent of an endpoint told of the recalibration of its releases."""
    return [
        monitoring.Recalibration(f"{row.environment}/{row.model}", row.location, **report)
        for report in row.status.get("recalibrations", ())
    ]


def alert(row: AlertRow, notes: Sequence[AlertNoteRow] = ()) -> monitoring.Alert:
    """An alert, with its notes where they are given."""
    return monitoring.Alert(
        id=row.id, project=row.project, endpoint=f"{row.environment}/{row.model}", location=row.location,
        release=row.release, state=cast("states.AlertState", row.state),
        cause=cast("states.AlertCause", row.cause), severity=cast("states.AlertSeverity", row.severity),
        opened_at=row.opened_at,
        updated_at=row.updated_at, resolved_at=row.resolved_at, muted_until=row.muted_until,
        fired=list(row.data.get("fired", ())), features=dict(row.data.get("features", {})),
        reasons=list(row.data.get("reasons", ())), action=row.data.get("verdict", {}).get("action", ""),
        data=row.data, notes=[monitoring.AlertNote(each.at, each.by, each.kind, each.text) for each in notes],
    )  # fmt: skip
