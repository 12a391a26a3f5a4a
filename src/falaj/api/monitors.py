"""The controller of monitoring: judges each new window, follows its alert, and does what triage says."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from falaj.api.platform import Platform
from falaj.control.monitoring import alerts
from falaj.control.monitoring.alerts import Carried, MonitoredEndpoint
from falaj.control.monitoring.alerts.lifecycle import CONTROLLER, tell
from falaj.control.monitoring.evaluation import MonitorState, judge
from falaj.control.monitoring.triage import TriageAction, TriagePolicy
from falaj.control.releases import require_owner
from falaj.control.retraining.admission import request_training
from falaj.core.errors import FalajError
from falaj.statistics.reference import ReleaseReference
from falaj.storage import EndpointRow, ReleaseRow
from falaj.storage.monitoring_tables import AlertRow, MonitorRow
from falaj.supply_chain.artifacts import parse_digest
from falaj.trust.audit import record

_EVERY_S = 1.0
_FORGET_EVERY_S = 3600.0
_KEPT_DAYS = 90.0
"""Blocks of counts are kept so long; what windows found, and alerts, are kept for good."""
_MOST_WINDOWS = 50
_MOST_OPEN = 32
NO_REFERENCE = "the release came without a reference: what its inputs should look like is not known"
logger = logging.getLogger(__name__)


class MonitorWatch:
    """Looks for windows that can be judged.

    Args:
        platform: The installation; `FALAJ_MONITOR_EVERY_S` of its settings says how often, 1 by default, and
            `FALAJ_PROFILES_KEPT_DAYS` for how long blocks of counts are kept, 90 by default. `FALAJ_TRIAGE_COOLDOWN_S`
            is how long triage repeats no action, a day by default: shorter where blocks are rows that come fast.
    """

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._every_s = float(platform.home.settings.get("FALAJ_MONITOR_EVERY_S") or _EVERY_S)
        self._kept_s = 86_400.0 * float(platform.home.settings.get("FALAJ_PROFILES_KEPT_DAYS") or _KEPT_DAYS)
        patience_s = float(platform.home.settings.get("FALAJ_TRIAGE_COOLDOWN_S") or TriagePolicy.cooldown_s)
        self._policy = TriagePolicy(cooldown_s=patience_s)
        self._next = self._next_forgetting = 0.0
        self._references: dict[str, ReleaseReference] = {}

    def turn(self, now: float) -> int:
        """Judge what can be judged, if it is time.

        Args:
            now: Unix seconds.

        Returns:
            How many windows were judged.
        """
        if now < self._next:
            return 0
        self._next = now + self._every_s
        if now >= self._next_forgetting:
            self._next_forgetting = now + _FORGET_EVERY_S
            with self._platform.database.transaction() as session:
                alerts.forget(session, now - self._kept_s)
        with self._platform.database.reading() as session:
            places = [
                (MonitoredEndpoint(row.location, row.environment, row.model), serving_release(row))
                for row in session.scalars(select(EndpointRow))
                if not row.plan.get("withdrawn")
            ]
        return sum(self._watch(place, release, now) for place, release in places)

    def _watch(self, place: MonitoredEndpoint, release: int, now: float) -> int:
        try:
            self._begin(place, release, now)
            count = 0
            while count < _MOST_WINDOWS and self._judge_next(place, now):
                count += 1
            return count
        except FalajError as error:  # one endpoint that cannot be judged must not keep the others waiting
            logger.warning("monitors of %s at %s: %s", place.subject, place.location, error)
            return 0

    def _begin(self, place: MonitoredEndpoint, release: int, now: float) -> None:
        """Begin anew with the reference of a release that came in since."""
        with self._platform.database.reading() as session:
            row = session.get(MonitorRow, place.key)
            if row is not None and row.release == release:
                return
            digest = _reference_digest(session, place, release)
        reference = self._reference(digest) if digest else None
        with self._platform.database.transaction() as session:
            row = session.get(MonitorRow, place.key)
            before = alerts.state_of(row) if row is not None and row.state else None
            length = reference.settings.run_length if reference else 0
            state = MonitorState.begin(release, length, now, before) if reference else None
            alerts.leave_release(session, place, release, now)
            alerts.begin_monitor(session, place, state, release, "" if reference else NO_REFERENCE, now)

    def _judge_next(self, place: MonitoredEndpoint, now: float) -> bool:
        with self._platform.database.reading() as session:
            row = session.get_one(MonitorRow, place.key)
            digest = _reference_digest(session, place, row.release)
            if not row.state or digest is None:
                return False
            reference = self._reference(digest)
            if alerts.next_window(session, place, alerts.state_of(row), reference) is None:
                return False
        with self._platform.database.transaction() as session:
            row = session.get_one(MonitorRow, place.key, with_for_update=True)
            state = alerts.state_of(row)
            window = alerts.next_window(session, place, state, reference)
            if window is None or state.release != row.release:
                return False
            number, blocks, runs = window
            verdict = judge(reference, blocks, runs, _moved_on(state, number), now, self._policy)
            project = require_owner(session, place.model)
            carry_out(session, self._platform, alerts.follow(session, place, number, verdict, project, now), now)
        return True

    def _reference(self, digest: str) -> ReleaseReference:
        if digest not in self._references:
            folder = self._platform.home.root / "cache" / "references" / digest.replace(":", "-")
            self._references = dict(list(self._references.items())[1 - _MOST_OPEN :])
            self._references[digest] = _fetched(self._platform, digest, folder)
        return self._references[digest]


def _fetched(platform: Platform, digest: str, folder: Path) -> ReleaseReference:
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = folder.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        platform.store.fetch(parse_digest(digest), partial)
        partial.rename(folder)
    return ReleaseReference.read(folder)


def _reference_digest(session: Session, place: MonitoredEndpoint, release: int) -> str | None:
    row = session.get(ReleaseRow, (place.model, release))
    digest = row.data.get("reference") if row else None
    return str(digest) if digest else None


def serving_release(row: EndpointRow) -> int:
    """The release that an endpoint stands on: during a rollout the one that it may go back to."""
    before = row.plan.get("before")
    return int(before["release"]) if row.plan.get("rollout") and before else row.release


def _moved_on(state: MonitorState, number: int) -> MonitorState:
    return replace(state, next_window=number + 1)


def carry_out(session: Session, platform: Platform, carried: Carried, now: float) -> None:
    """Do what triage says, in the transaction of what it said.

    Args:
        session: The caller's transaction.
        platform: The installation.
        carried: The alert and the action.
        now: Unix seconds.
    """
    alert, action = carried.alert, carried.action
    if alert is None or action is TriageAction.NONE:
        return
    reasons = "; ".join(alert.data.get("reasons", ()))
    outcome = _retrain(session, platform, alert, reasons, now) if action is TriageAction.RETRAIN else {}
    text = outcome.get("text") or {
        TriageAction.WATCH: f"the model holds, so nothing is done: {reasons}",
        TriageAction.ASK: f"a person is asked: {reasons}",
        TriageAction.INCIDENT: f"an incident, and no retraining: {reasons}",
    }.get(action, reasons)
    kind = "note" if action is TriageAction.WATCH else str(action)
    alerts.note(session, alert, CONTROLLER, kind, text, now)
    action_entry = {"action": str(action), "at": now, "text": text}
    alert.data = {**alert.data, "actions": [*alert.data.get("actions", ()), action_entry][-20:]}
    record.write(session, f"alert.{kind}", CONTROLLER, f"alert/{alert.id}", now, {"text": text, "cause": alert.cause})
    tell(session, alert, f"alert.{kind}", now)


def _retrain(session: Session, platform: Platform, alert: AlertRow, reasons: str, now: float) -> Mapping[str, Any]:
    """Ask for a training; whether and when it starts is decided where trainings are decided about."""
    retrain_count = sum(each["action"] == TriageAction.RETRAIN for each in alert.data.get("actions", ()))
    cause = {
        "kind": "performance" if alert.cause == "performance-loss" else "drift", "alert": alert.id, "reason": reasons,
        "occasion": f"alert/{alert.id}/{retrain_count + 1}", "since": alert.data.get("since", alert.opened_at),
    }  # fmt: skip
    try:
        with session.begin_nested():
            answer = request_training(session, platform.processes, alert.model, cause, now)
    except FalajError as error:
        return {"text": f"no retraining was started: {error.message} ({reasons})"}
    run = f", run {answer.run}" if answer.run else f": {answer.reason}"
    return {"text": f"a retraining was asked for and is {answer.state}{run} ({reasons})"}
