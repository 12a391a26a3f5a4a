"""What people do with alerts: acknowledge, mute, resolve, and overrule what triage says."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy.orm import Session

from falaj.control.monitoring.alerts.errors import AlertStateError, UnknownAlertError
from falaj.control.monitoring.alerts.lifecycle import (
    ACKNOWLEDGED,
    MUTED,
    RECALIBRATION_BOUND,
    RESOLVED,
    SEVERITY,
    WAITING,
    Carried,
    note,
    tell,
)
from falaj.control.monitoring.alerts.windows import state_of
from falaj.control.monitoring.triage import Cause, Episode, TriageAction, overrule
from falaj.statistics.concept import ConceptState
from falaj.statistics.drift import DriftMonitor
from falaj.storage.monitoring_tables import AlertRow, MonitorRow
from falaj.trust.audit import record


def find(session: Session, alert_id: str) -> AlertRow | None:
    """An alert, or None."""
    return session.get(AlertRow, alert_id)


def require_alert(session: Session, alert_id: str) -> AlertRow:
    """An alert.

    Raises:
        UnknownAlertError: There is none of this id.
    """
    alert_row = find(session, alert_id)
    if alert_row is None:
        raise UnknownAlertError(f"there is no alert '{alert_id}'", hint="falaj monitor alert list lists them")
    return alert_row


def acknowledge(session: Session, alert: AlertRow, by: str, reason: str, now: float) -> None:
    """Say that somebody looks after it.

    Raises:
        AlertStateError: It is over.
    """
    _require_open(alert)
    alert.state, alert.muted_until = ACKNOWLEDGED, None
    _record_action(session, alert, by, "acknowledged", reason, now)


def mute(session: Session, alert: AlertRow, by: str, reason: str, until: float, now: float) -> None:
    """Keep it from telling anybody for a time; monitors and triage go on.

    Raises:
        AlertStateError: It is over, or the time is past.
    """
    _require_open(alert)
    if until <= now:
        raise AlertStateError("an alert is muted until a time that is to come")
    alert.state, alert.muted_until = MUTED, until
    _record_action(session, alert, by, "muted", reason or f"for {until - now:.0f} s", now)


def resolve(session: Session, alert: AlertRow, by: str, reason: str, now: float) -> None:
    """Say that it is over. Its monitors begin anew, so that what is still wrong must show itself again.

    Raises:
        AlertStateError: It is over already.
    """
    _require_open(alert)
    alert.state, alert.resolved_at, alert.muted_until = RESOLVED, now, None
    row = session.get(MonitorRow, (alert.location, alert.environment, alert.model), with_for_update=True)
    mine = alert.cause != RECALIBRATION_BOUND
    if mine and row is not None and row.state and row.release == alert.release:
        state = state_of(row)
        episode = Episode(
            state.episode.release, last_done=state.episode.last_done, overrulings=state.episode.overrulings
        )
        fresh = replace(
            state, concept=ConceptState(), quiet=0, episode=episode,
            features=DriftMonitor(state.features.run_length), predictions=DriftMonitor(state.predictions.run_length),
        )  # fmt: skip
        row.state, row.status, row.updated_at = fresh.to_json(), WAITING, now
    _record_action(session, alert, by, "resolved", reason, now)


def overrule_verdict(session: Session, alert: AlertRow, by: str, cause: Cause, reason: str, now: float) -> Carried:
    """Put a person's word in the place of what triage says.

    Args:
        session: The caller's transaction.
        alert: The alert.
        by: Who.
        cause: What it is instead; `none` dismisses it.
        reason: In the person's words.
        now: Unix seconds.

    Returns:
        What is to be done about it.

    Raises:
        AlertStateError: It is over, or its release serves no more.
        OverrulingError: There is no verdict yet, it says the same, or there is no reason.
    """
    _require_open(alert)
    if alert.cause == RECALIBRATION_BOUND:
        raise AlertStateError("triage says nothing of this alert", hint="acknowledge, mute or resolve it")
    row = session.get(MonitorRow, (alert.location, alert.environment, alert.model), with_for_update=True)
    if row is None or not row.state or row.release != alert.release:
        raise AlertStateError("the release of this alert is not watched any more")
    state = state_of(row)
    episode, verdict = overrule(state.episode, cause, by=by, reason=reason, now=now)
    row.state, row.updated_at = replace(state, episode=episode).to_json(), now
    row.status = str(cause) if cause is not Cause.NONE else "ok"
    was, alert.cause, alert.severity = alert.cause, str(cause), SEVERITY[cause]
    verdict_data = {
        "cause": str(cause),
        "action": str(verdict.action),
        "act": verdict.act,
        "reasons": list(verdict.reasons),
    }
    alert.data = {**alert.data, "verdict": verdict_data, "reasons": list(verdict.reasons)}
    _record_action(session, alert, by, "overruled", f"{was} -> {cause}: {reason}", now)
    return Carried(alert, verdict.action if verdict.act else TriageAction.NONE)


def _require_open(alert: AlertRow) -> None:
    if alert.state == RESOLVED:
        raise AlertStateError(f"alert {alert.id} is over", hint="a new one is raised when monitors fire again")


def _record_action(session: Session, alert: AlertRow, by: str, kind: str, reason: str, now: float) -> None:
    alert.updated_at = now
    note(session, alert, by, kind, reason, now)
    record.write(session, f"alert.{kind}", by, f"alert/{alert.id}", now, {"reason": reason, "cause": alert.cause})
    tell(session, alert, f"alert.{kind}", now)
