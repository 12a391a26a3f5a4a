"""What the server tells Prometheus, out of its tables: one reading transaction a scrape, nothing counted in memory.

So the numbers survive a restart, and several servers of one database tell the same. The number of series is bounded by
the constants below; what is beyond them is in the series labelled `other`.
"""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from falaj import __version__
from falaj.control.monitoring.evaluation import MonitorState
from falaj.integrations.prometheus import Family, FamilyKind, Sample, bounded
from falaj.storage import EndpointRow, OutboxRow, ProcessRow, RunRow
from falaj.storage.audit_tables import AuditCheckpointRow, AuditHeadRow, AuditLeafRow
from falaj.storage.change_tables import AdmissionRow, ChangeRow
from falaj.storage.monitoring_tables import AlertRow, MonitorRow
from falaj.storage.retraining_tables import TrainingRequestRow

PLACE = ("environment", "model", "location")
MOST_PLACES = 200
"""Endpoints (environment, model, location) with series of their own."""
MOST_MODELS = 200
MOST_VALUES = 50
"""Values of a label that the code decides on, such as states and kinds."""
MOST_FEATURES = 10
"""Features of an endpoint, those with the strongest evidence."""
MOST_METRICS = 12
"""Metrics of a rollout."""
MOST_ROLLOUTS = 500
"""How far back rollouts are looked for."""

_Merge = Callable[[Iterable[float]], float]


def collect(session: Session, home: Path, now: float) -> list[Family]:
    """Everything that `/metrics` of the server tells.

    Args:
        session: Reads.
        home: Folder of the installation, for the space on its disk.
        now: Unix seconds.
    """
    dialect = session.get_bind().dialect.name
    endpoints = [row for row in session.scalars(select(EndpointRow)) if not row.plan.get("withdrawn")]
    return [
        *_machine(home, dialect),
        *_processes(session, now),
        *_audit(session, now),
        *_endpoints(session, endpoints, now),
        *_rollouts(session, endpoints),
        *_monitors(session),
        *_trainings(session),
    ]


def _machine(home: Path, dialect: str) -> Iterator[Family]:
    build_labels = {"version": __version__, "python": platform.python_version(), "database": dialect}
    yield _gauge("falaj_build_info", "1, labelled with what runs.", [Sample(build_labels, 1)])
    disk = shutil.disk_usage(home)
    yield _gauge("falaj_disk_free_bytes", "Free space for the installation's folder.", [Sample({}, disk.free)])
    yield _gauge("falaj_disk_size_bytes", "Size of the disk of the installation's folder.", [Sample({}, disk.total)])


# The platform


def _processes(session: Session, now: float) -> Iterator[Family]:
    count = func.count()
    process_counts = session.execute(
        select(ProcessRow.kind, ProcessRow.state, count).group_by(ProcessRow.kind, ProcessRow.state)
    )
    yield _counted("falaj_processes", "Long-running things by kind and state.", ("kind", "state"), process_counts)
    due = select(ProcessRow.kind, count, func.min(ProcessRow.wake_at)).group_by(ProcessRow.kind)
    waiting = session.execute(due.where(ProcessRow.wake_at <= now, ProcessRow.lease_expires_at <= now)).all()
    yield _counted("falaj_processes_due", "Due and held by nobody.", ("kind",), [(kind, n) for kind, n, _ in waiting])
    yield _counted(
        "falaj_process_overdue_seconds", "How long the one that waits longest has been due.", ("kind",),
        [(kind, now - since) for kind, _, since in waiting if since is not None],
    )  # fmt: skip
    leased_counts = session.execute(
        select(ProcessRow.kind, count).where(ProcessRow.lease_expires_at > now).group_by(ProcessRow.kind)
    )
    yield _counted("falaj_processes_held", "Being worked on under a lease.", ("kind",), leased_counts)
    runs = session.execute(select(RunRow.state, count).group_by(RunRow.state))
    yield _counted("falaj_runs", "Runs by state.", ("state",), runs)
    changes = session.execute(select(ChangeRow.kind, ChangeRow.state, count).group_by(ChangeRow.kind, ChangeRow.state))
    yield _counted("falaj_changes", "Changes by kind and state.", ("kind", "state"), changes)
    yield from _outbox(session, now)


def _outbox(session: Session, now: float) -> Iterator[Family]:
    columns = (OutboxRow.effect, func.count(), func.min(OutboxRow.created_at), func.max(OutboxRow.attempts))
    pending = session.execute(select(*columns).where(OutboxRow.done_at.is_(None)).group_by(OutboxRow.effect)).all()
    named = ("effect",)
    yield _counted("falaj_outbox_pending", "Effects that are not done yet.", named, [row[:2] for row in pending])
    ages = [(effect, max(0.0, now - since)) for effect, _, since, _ in pending]
    yield _counted("falaj_outbox_oldest_seconds", "Age of the oldest effect that is not done.", named, ages, max)
    tries = [(effect, most) for effect, _, _, most in pending]
    yield _counted("falaj_outbox_most_attempts", "Tries of the effect that was tried most.", named, tries, max)


def _audit(session: Session, now: float) -> Iterator[Family]:
    size = session.scalar(select(AuditHeadRow.size)) or 0
    newest = select(AuditCheckpointRow.size, AuditCheckpointRow.at).order_by(AuditCheckpointRow.size.desc()).limit(1)
    signed, at = session.execute(newest).first() or (0, None)
    yield _gauge("falaj_audit_entries", "Entries of the audit log.", [Sample({}, size)])
    age = [] if at is None else [Sample({}, max(0.0, now - at))]
    yield _gauge("falaj_audit_checkpoint_age_seconds", "Since the last signed checkpoint.", age)
    yield _gauge("falaj_audit_unsigned_entries", "Entries that no checkpoint covers.", [Sample({}, size - signed)])
    since = session.scalar(select(AuditLeafRow.at).where(AuditLeafRow.index == signed)) if size > signed else None
    waits = 0.0 if since is None else max(0.0, now - since)
    yield _gauge("falaj_audit_unsigned_age_seconds", "Age of the first entry of those.", [Sample({}, waits)])


# Endpoints


def _endpoints(session: Session, rows: Sequence[EndpointRow], now: float) -> Iterator[Family]:
    def gauge_of(name: str, text: str, values: Iterable[tuple[EndpointRow, float | None]], merge: _Merge) -> Family:
        return _placed(name, text, [Sample(_place(row), value) for row, value in values if value is not None], merge)

    yield gauge_of("falaj_endpoint_up", "1 when a release answers.", [(row, _answers(row)) for row in rows], min)
    ready = [(row, row.status.get("replicas_ready", 0)) for row in rows]
    yield gauge_of("falaj_endpoint_replicas_ready", "Replicas that answer, of the wanted release.", ready, sum)
    yield gauge_of(
        "falaj_endpoint_release", "Number of the release that is wanted.", [(r, r.release) for r in rows], max
    )
    serving = [(row, row.status.get("serving")) for row in rows]
    yield gauge_of("falaj_endpoint_serving_release", "Number of the release that answers.", serving, max)
    heard = [(row, max(0.0, now - row.updated_at)) for row in rows]
    yield gauge_of("falaj_endpoint_silent_seconds", "Since the location last said how it is doing.", heard, max)
    states = [Sample({**_place(row), "state": _state(row)}, 1) for row in rows]
    yield _placed("falaj_endpoint_state", "1, labelled with the state of the wanted release.", states)
    ends = _admissions(session, rows)
    admitted = [(row, ends.get((str(row.plan.get("change")), row.location))) for row in rows]
    text = "When the admission of what is served ends; it is renewed before."
    yield gauge_of("falaj_endpoint_admission_end_timestamp_seconds", text, admitted, min)


def _answers(row: EndpointRow) -> float:
    return float(row.status.get("serving") is not None or row.status.get("state") == "ready")


def _state(row: EndpointRow) -> str:
    return str(row.status.get("state", "pending")) if row.status.get("release") == row.release else "pending"


def _admissions(session: Session, rows: Iterable[EndpointRow]) -> dict[tuple[str, str], float]:
    changes = {str(row.plan["change"]) for row in rows if row.plan.get("change")}
    query = (
        select(AdmissionRow.change_id, AdmissionRow.location, func.max(AdmissionRow.expires_at))
        .where(AdmissionRow.change_id.in_(sorted(changes)))
        .group_by(AdmissionRow.change_id, AdmissionRow.location)
    )
    return {(change, location): ends for change, location, ends in session.execute(query)}


# Rollouts


def _rollouts(session: Session, endpoints: Iterable[EndpointRow]) -> Iterator[Family]:
    rollout_status = {each.get("id"): each for row in endpoints for each in row.status.get("rollouts") or ()}
    newest = [(labels, rollout_status.get(row.id, {}), row) for labels, row in _newest_rollouts(session)]
    states = [Sample({**labels, "state": _moment(report, row)}, 1) for labels, report, row in newest]
    yield _placed("falaj_rollout_state", "1, labelled with the state of an endpoint's newest rollout.", states)
    since = [Sample(labels, report.get("since") or row.updated_at) for labels, report, row in newest]
    yield _placed("falaj_rollout_changed_timestamp_seconds", "When it came into that state.", since, max)
    live = [(labels, report) for labels, report, _ in newest if report]
    weights = [Sample(labels, report.get("weight", 0) / 10_000) for labels, report in live]
    yield _placed("falaj_rollout_weight_ratio", "Share of the requests that the candidate answers.", weights, max)
    mirrors = [Sample(labels, report.get("mirror", 0.0)) for labels, report in live]
    yield _placed("falaj_rollout_mirror_ratio", "Share of the requests that it gets a copy of.", mirrors, max)
    requests = [
        Sample({**labels, "arm": arm}, count)
        for labels, report in live
        for arm, count in report.get("requests", {}).items()
    ]
    yield _placed("falaj_rollout_requests", "Requests that were judged, by arm.", requests)
    yield from _evidence(live)


def _evidence(live: Iterable[tuple[Mapping[str, str], Mapping[str, Any]]]) -> Iterator[Family]:
    evidence_samples: dict[str, list[Sample]] = {"": [], "_line": []}
    for labels, report in live:
        metrics = [{"name": "all", **report}, *report.get("metrics", ())]
        for suffix, samples in evidence_samples.items():
            metric_samples = [
                Sample({**labels, "metric": str(metric["name"]), "side": side}, value)
                for metric in metrics
                for side in ("harm", "safe")
                if (value := metric.get(f"{side}{suffix}")) is not None
            ]
            samples += bounded(metric_samples, ("metric",), MOST_METRICS, max)
    yield _placed(
        "falaj_rollout_evidence", "log10 of the evidence for harm, and for being safe.", evidence_samples[""], max
    )
    text = "Where that evidence decides: harm rolls back, safe promotes."
    yield _placed("falaj_rollout_evidence_line", text, evidence_samples["_line"], max)


def _newest_rollouts(session: Session) -> list[tuple[dict[str, str], Any]]:
    """The newest rollout of each endpoint and strategy; records of ended ones are large, so only columns are read."""
    data = ProcessRow.data
    names = {name: data[name].as_string().label(name) for name in PLACE}
    strategy = data[("plan", "strategy")].as_string().label("strategy")
    ended = data[("record", "state")].as_string().label("ended")
    query = (
        select(ProcessRow.id, ProcessRow.state, ProcessRow.updated_at, *names.values(), strategy, ended)
        .where(ProcessRow.kind == "deployment", strategy.is_not(None))
        .order_by(ProcessRow.created_at.desc())
        .limit(MOST_ROLLOUTS)
    )
    latest_rollouts: dict[tuple[str, ...], tuple[dict[str, str], Any]] = {}
    for row in session.execute(query):
        labels = {name: str(getattr(row, name)) for name in (*PLACE, "strategy")}
        latest_rollouts.setdefault(tuple(labels.values()), (labels, row))
    return list(latest_rollouts.values())


def _moment(report: Mapping[str, Any], row: Any) -> str:
    return str(report.get("state") or row.ended or row.state)


# Monitors


def _monitors(session: Session) -> Iterator[Family]:
    columns = (
        AlertRow.environment,
        AlertRow.model,
        AlertRow.location,
        AlertRow.cause,
        AlertRow.severity,
        AlertRow.state,
    )
    alerts = session.execute(select(*columns, func.count()).where(AlertRow.state != "resolved").group_by(*columns))
    names = (*PLACE, "cause", "severity", "state")
    opened = [Sample(dict(zip(names, map(str, row), strict=False)), row[-1]) for row in alerts]
    yield _placed("falaj_alerts", "Alerts that are not over.", opened)
    rows = session.scalars(select(MonitorRow)).all()
    statuses = [Sample({**_place(row), "status": row.status}, 1) for row in rows]
    yield _placed("falaj_monitor_status", "1, labelled with how an endpoint's monitors stand.", statuses)
    watched = [(_place(row), MonitorState.from_json(row.state)) for row in rows if row.state]
    windows = [Sample(place, state.windows) for place, state in watched]
    yield _placed("falaj_monitor_windows", "Windows of the release that were judged.", windows)
    yield from _drift(watched)
    losses = [Sample(place, state.concept.log10_evidence) for place, state in watched]
    yield _placed("falaj_concept_evidence", "log10 of the evidence that losses have risen.", losses, max)


def _drift(watched: Sequence[tuple[dict[str, str], MonitorState]]) -> Iterator[Family]:
    sides = [
        ({**place, "of": side}, monitor)
        for place, state in watched
        for side, monitor in (("features", state.features), ("predictions", state.predictions))
    ]
    means = [
        Sample(labels, sum(monitor.evidence.values()) / max(1, len(monitor.evidence))) for labels, monitor in sides
    ]
    yield _placed("falaj_drift_evidence", "Evidence of drift, the mean over the features.", means, max)
    lines = [Sample(labels, monitor.run_length) for labels, monitor in sides]
    yield _placed("falaj_drift_evidence_line", "Where that evidence raises an alarm.", lines, min)
    features: list[Sample] = []
    for place, state in watched:
        feature_samples = [Sample({**place, "feature": name}, value) for name, value in state.features.evidence.items()]
        features += bounded(feature_samples, ("feature",), MOST_FEATURES, max, strongest=True)
    yield _placed("falaj_drift_feature_evidence", "The same by feature, those with the most.", features, max)
    drifting = [Sample(place, len(state.drifting)) for place, state in watched]
    yield _placed("falaj_drift_features", "Features that an alarm named and that are not steady again.", drifting)


def _trainings(session: Session) -> Iterator[Family]:
    columns = (TrainingRequestRow.model, TrainingRequestRow.kind, TrainingRequestRow.state)
    training_counts = session.execute(select(*columns, func.count()).group_by(*columns))
    samples = [Sample({"model": model, "kind": kind, "state": state}, n) for model, kind, state, n in training_counts]
    text = "Requests for trainings by model, by what asked, and state."
    yield _gauge("falaj_training_requests", text, bounded(samples, ("model",), MOST_MODELS))


def _place(row: EndpointRow | MonitorRow) -> dict[str, str]:
    return {"environment": row.environment, "model": row.model, "location": row.location}


def _placed(name: str, text: str, samples: Sequence[Sample], merge: _Merge = sum) -> Family:
    return _gauge(name, text, bounded(samples, PLACE, MOST_PLACES, merge))


def _counted(name: str, text: str, labels: Sequence[str], rows: Iterable[Sequence[Any]], merge: _Merge = sum) -> Family:
    """A family out of rows that hold the values of some labels and then a number."""
    samples = [Sample(dict(zip(labels, map(str, row), strict=False)), row[-1]) for row in rows]
    return _gauge(name, text, bounded(samples, labels, MOST_VALUES, merge))


def _gauge(name: str, text: str, samples: Sequence[Sample]) -> Family:
    return Family(name, FamilyKind.GAUGE, text, tuple(samples))
