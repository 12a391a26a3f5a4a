"""From what a window says to an alert: opened once, brought up to date, and over when it is over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from falaj.control.monitoring.alerts.windows import MonitoredEndpoint
from falaj.control.monitoring.evaluation import MonitorState, WindowEvaluation
from falaj.control.monitoring.triage import Cause, TriageAction
from falaj.core.ids import new_id
from falaj.storage import EventRow
from falaj.storage.monitoring_tables import AlertNoteRow, AlertRow, MonitorRow, MonitorWindowRow
from falaj.trust.audit import record

CONTROLLER = "workload:controller/local"
OPEN, ACKNOWLEDGED, MUTED, RESOLVED = "open", "acknowledged", "muted", "resolved"
SEVERITY = {
    Cause.NONE: "info",
    Cause.COVARIATE_SHIFT: "info",
    Cause.UNKNOWN: "warning",
    Cause.PERFORMANCE_LOSS: "critical",
    Cause.CONCEPT_DRIFT: "critical",
    Cause.UPSTREAM_FAULT: "critical",
}
OK, WAITING, NOT_TESTED = "ok", "waiting", "not_tested"
QUIET_WINDOWS = 3
LOOKING = "being looked at"
RECALIBRATION_BOUND = "recalibration-bound"
"""The cause of alerts that agents' offsets raise, and no monitor; see `alerts.recalibration`."""


@dataclass(frozen=True)
class Carried:
    """What followed from a window.

    Args:
        alert: The alert of the release, if there is one.
        action: What is to be done now; none when nothing is.
    """

    alert: AlertRow | None
    action: TriageAction = TriageAction.NONE


def begin_monitor(
    session: Session, place: MonitoredEndpoint, state: MonitorState | None, release: int, reason: str, now: float
) -> MonitorRow:
    """Begin to watch a release at an endpoint.

    Args:
        session: The caller's transaction.
        place: The endpoint.
        state: What to remember at first; None for a release that cannot be watched.
        release: Its number.
        reason: Why it cannot be watched; empty when it can.
        now: Unix seconds.
    """
    row = session.get(MonitorRow, place.key)
    before = row.release if row else None
    if row is None:
        row = MonitorRow(location=place.location, environment=place.environment, model=place.model)
        session.add(row)
    row.release, row.reason, row.updated_at = release, reason, now
    row.status = WAITING if state else NOT_TESTED
    row.state = state.to_json() if state else {}
    details = {"location": place.location, "release": release, "instead_of": before, "reason": reason}
    record.write(session, "monitor.begun", CONTROLLER, place.subject, now, details)
    return row


def leave_release(session: Session, place: MonitoredEndpoint, release: int, now: float) -> None:
    """End the alerts of releases that an endpoint no longer serves."""
    for alert in _alerts(session, place):
        if alert.release != release:
            close_alert(
                session, alert, f"release {release} serves now, and monitors begin anew with its reference", now
            )


def follow(
    session: Session, place: MonitoredEndpoint, number: int, window_result: WindowEvaluation, project: str, now: float
) -> Carried:
    """Keep what a window said, and raise, bring up to date or end the alert of the release.

    Args:
        session: The caller's transaction.
        place: The endpoint.
        number: Of the window.
        window_result: What was found.
        project: Of the model.
        now: Unix seconds.
    """
    _keep(session, place, number, window_result, now)
    alert = next((each for each in _alerts(session, place) if each.release == window_result.state.release), None)
    if alert is None:
        alert = _opened(session, place, window_result, project, now) if window_result.fired else None
    else:
        _bring_up_to_date(session, alert, window_result, now)
    if alert is None:
        return Carried(None)
    if window_result.verdict.act:
        return Carried(alert, window_result.verdict.action)
    over = window_result.state.episode.cause is Cause.NONE and window_result.state.quiet >= QUIET_WINDOWS
    if over:
        close_alert(session, alert, f"nothing has fired in {window_result.state.quiet} windows", now)
    return Carried(alert)


def _keep(session: Session, place: MonitoredEndpoint, number: int, window_result: WindowEvaluation, now: float) -> None:
    row = session.get_one(MonitorRow, place.key)
    status = str(window_result.state.episode.cause) if window_result.state.episode.cause is not Cause.NONE else ""
    row.status = status or ("drifting" if window_result.state.drifting else "fired" if window_result.fired else OK)
    row.reason, row.state, row.updated_at = "; ".join(window_result.verdict.reasons), window_result.state.to_json(), now
    if row.status == OK and (reason := not_tested(window_result.report)):
        row.status, row.reason = NOT_TESTED, reason
    facts = window_result.facts
    session.merge(
        MonitorWindowRow(
            location=place.location, environment=place.environment, model=place.model,
            release=window_result.state.release, number=number, start=facts.start, end=facts.end, rows=facts.rows,
            report=dict(window_result.report), judged_at=now,
        )
    )  # fmt: skip


def not_tested(report: Mapping[str, Any]) -> str:
    """Why a window says nothing of drift; empty when something was compared."""
    features = report["features"]
    if not features:
        return "the location told no profile of this window"
    reasons = [each["reason"] for each in features if each["verdict"] == NOT_TESTED]
    return reasons[0] if len(reasons) == len(features) else ""


def _alerts(session: Session, place: MonitoredEndpoint) -> list[AlertRow]:
    query = select(AlertRow).where(
        AlertRow.location == place.location,
        AlertRow.environment == place.environment,
        AlertRow.model == place.model,
        AlertRow.state != RESOLVED,
        AlertRow.cause != RECALIBRATION_BOUND,
    )
    return list(session.scalars(query.with_for_update()))


def _opened(
    session: Session, place: MonitoredEndpoint, window_result: WindowEvaluation, project: str, now: float
) -> AlertRow:
    cause = window_result.state.episode.cause
    alert = AlertRow(
        id=new_id(now), project=project, location=place.location, environment=place.environment, model=place.model,
        release=window_result.state.release, state=OPEN, cause=_cause(cause), severity=SEVERITY[cause], opened_at=now,
        updated_at=now, resolved_at=None, muted_until=None, data=_data({}, window_result),
    )  # fmt: skip
    session.add(alert)
    details = {
        "release": alert.release,
        "location": place.location,
        "fired": list(window_result.fired),
        "cause": alert.cause,
    }
    record.write(session, "alert.opened", CONTROLLER, f"alert/{alert.id}", now, {**details, "endpoint": place.subject})
    tell(session, alert, "alert.opened", now)
    return alert


def _cause(cause: Cause) -> str:
    return LOOKING if cause is Cause.NONE else str(cause)


def _bring_up_to_date(session: Session, alert: AlertRow, window_result: WindowEvaluation, now: float) -> None:
    if alert.state == MUTED and alert.muted_until is not None and now >= alert.muted_until:
        alert.state, alert.muted_until = OPEN, None
        record.write(session, "alert.unmuted", CONTROLLER, f"alert/{alert.id}", now, {})
    cause, before = window_result.state.episode.cause, alert.cause
    alert.data, alert.updated_at = _data(alert.data, window_result), now
    if cause is Cause.NONE or _cause(cause) == before:
        return
    alert.cause, alert.severity = _cause(cause), SEVERITY[cause]
    record.write(
        session, "alert.judged", CONTROLLER, f"alert/{alert.id}", now,
        {"from": before, "to": alert.cause, "reasons": list(window_result.verdict.reasons)},
    )  # fmt: skip
    tell(session, alert, "alert.judged", now)


def _data(before: Mapping[str, Any], window_result: WindowEvaluation) -> dict[str, Any]:
    """What is told of an alert: the last window in full, and what was ever seen since it was opened."""
    facts = asdict(window_result.facts)
    drifting = {each.feature: round(each.effect, 4) for each in window_result.facts.drift}
    return {
        "windows": before.get("windows", 0) + 1,
        "since": before.get("since", window_result.facts.start),
        "fired": sorted({*before.get("fired", ()), *window_result.fired}),
        "features": {**before.get("features", {}), **drifting},
        "promises": sorted({*before.get("promises", ()), *window_result.promises}),
        "facts": facts,
        "verdict": dict(window_result.report["verdict"]),
        "reasons": list(window_result.verdict.reasons),
        "actions": list(before.get("actions", ())),
        "evidence": {
            each["feature"]: {"effect": each["effect"], "evidence": each["evidence"], "leading": each["leading"]}
            for each in window_result.report["features"]
            if each["drifting"] or each["verdict"] == "drifted"
        },
    }


def close_alert(session: Session, alert: AlertRow, reason: str, now: float) -> None:
    """End an alert."""
    alert.state, alert.resolved_at, alert.updated_at = RESOLVED, now, now
    note(session, alert, CONTROLLER, "resolved", reason, now)
    record.write(session, "alert.resolved", CONTROLLER, f"alert/{alert.id}", now, {"reason": reason})
    tell(session, alert, "alert.resolved", now)


def note(session: Session, alert: AlertRow, by: str, kind: str, text: str, now: float) -> None:
    """Write down what was said or done about an alert."""
    session.add(AlertNoteRow(alert=alert.id, at=now, by=by, kind=kind, text=text))


def tell(session: Session, alert: AlertRow, kind: str, now: float) -> None:
    """Raise an event, from which notifications are sent; nothing is raised for as long as the alert is muted."""
    if alert.muted_until is not None and now < alert.muted_until:
        return
    data = {
        "alert": alert.id, "endpoint": f"{alert.environment}/{alert.model}", "location": alert.location,
        "release": alert.release, "cause": alert.cause, "severity": alert.severity, "state": alert.state,
        "reasons": list(alert.data.get("reasons", ())), "fired": list(alert.data.get("fired", ())),
    }  # fmt: skip
    session.add(EventRow(at=now, subject=f"alert/{alert.id}", kind=kind, data=data))
