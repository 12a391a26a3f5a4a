"""What `/metrics` tells of an installation with something in it, read back as Prometheus would."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from falaj.api import metrics
from falaj.api.platform import Platform
from falaj.control.monitoring.evaluation import MonitorState
from falaj.integrations.prometheus import CONTENT_TYPE, OTHER, parse
from falaj.storage import EndpointRow, ProcessRow, RunRow
from falaj.storage.audit_tables import AuditCheckpointRow
from falaj.storage.change_tables import AdmissionRow
from falaj.storage.durable import Effect, Outbox
from falaj.storage.monitoring_tables import AlertRow, MonitorRow
from falaj.storage.retraining_tables import TrainingRequestRow
from falaj.trust.audit import record
from tests.platforms import fill

pytestmark = pytest.mark.integration

PLACE = {"environment": "dev", "model": "flight-delay", "location": "local"}
Exposition = dict[str, dict[frozenset[tuple[str, str]], float]]


@pytest.fixture(autouse=True)
def filled(platform: Platform, tmp_path: Path) -> None:
    fill(platform, tmp_path)
    object.__setattr__(platform, "now", lambda: 2_000.0)


def scrape(client: TestClient) -> Exposition:
    """Value by family and labels."""
    answer = client.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == CONTENT_TYPE
    return {
        family.name: {frozenset(each.labels.items()): each.value for each in family.samples}
        for family in parse(answer.text)
    }


def of(samples: Exposition, name: str, **labels: str) -> float | None:
    """The value of one series, or None."""
    return samples.get(name, {}).get(frozenset(labels.items()))


def test_processes_runs_and_changes_are_counted_by_state(client: TestClient, platform: Platform) -> None:
    samples = scrape(client)
    assert of(samples, "falaj_runs", state="succeeded") == 1
    assert of(samples, "falaj_changes", kind="standard", state="done") == 1
    assert of(samples, "falaj_processes", kind="run", state="queued") == 1
    assert of(samples, "falaj_processes_due", kind="run") == 1
    assert of(samples, "falaj_process_overdue_seconds", kind="run") == 2_000 - 991
    assert of(samples, "falaj_processes_held", kind="run") is None
    assert platform.processes.claim("run", "worker", 15.0, 2_000.0) is not None
    samples = scrape(client)
    assert of(samples, "falaj_processes_held", kind="run") == 1
    assert of(samples, "falaj_processes_due", kind="run") is None


def test_what_waits_in_the_outbox_is_told_with_its_age(client: TestClient, platform: Platform) -> None:
    assert of(scrape(client), "falaj_outbox_pending", effect="commit-status") is None
    with platform.database.transaction() as session:
        Outbox.add(session, Effect("commit-status", "a", {}), 1_400.0)
        Outbox.add(session, Effect("commit-status", "b", {}), 1_900.0)

    def refuses(_: object) -> None:
        raise OSError("no")

    Outbox(platform.database, {"commit-status": refuses}).run_due(1_950.0)
    samples = scrape(client)
    assert of(samples, "falaj_outbox_pending", effect="commit-status") == 2
    assert of(samples, "falaj_outbox_oldest_seconds", effect="commit-status") == 600
    assert of(samples, "falaj_outbox_most_attempts", effect="commit-status") == 1


def test_the_audit_log_says_what_no_checkpoint_covers(client: TestClient, platform: Platform) -> None:
    samples = scrape(client)
    entries = of(samples, "falaj_audit_entries")
    assert entries and of(samples, "falaj_audit_unsigned_entries") == entries
    assert of(samples, "falaj_audit_checkpoint_age_seconds") is None
    assert client.post("/api/v1/audit/checkpoint").status_code == 200
    with platform.database.transaction() as session:
        session.query(AuditCheckpointRow).update({"at": 1_500.0})
    samples = scrape(client)
    assert of(samples, "falaj_audit_unsigned_entries") == of(samples, "falaj_audit_unsigned_age_seconds") == 0
    assert of(samples, "falaj_audit_checkpoint_age_seconds") == 500
    with platform.database.transaction() as session:
        record.write(session, "test.happened", "user:x", "x", 1_700.0, {})
        record.write(session, "test.happened", "user:x", "x", 1_800.0, {})
    samples = scrape(client)
    assert of(samples, "falaj_audit_unsigned_entries") == 2
    assert of(samples, "falaj_audit_unsigned_age_seconds") == 300


def test_an_endpoint_tells_what_serves_and_until_when_it_may(client: TestClient, platform: Platform) -> None:
    with platform.database.transaction() as session:
        for change, ends in (("change1", 5_000.0), ("change1", 9_000.0), ("another", 99_000.0)):
            session.add(AdmissionRow(change_id=change, location="local", envelope={}, not_before=0.0, expires_at=ends))
    samples = scrape(client)
    assert of(samples, "falaj_endpoint_up", **PLACE) == of(samples, "falaj_endpoint_release", **PLACE) == 1
    assert of(samples, "falaj_endpoint_replicas_ready", **PLACE) == 2
    assert of(samples, "falaj_endpoint_state", **PLACE, state="ready") == 1
    assert of(samples, "falaj_endpoint_silent_seconds", **PLACE) == 2_000 - 1_014
    assert of(samples, "falaj_endpoint_admission_end_timestamp_seconds", **PLACE) == 9_000
    _endpoint(platform, status={"release": 1, "state": "starting", "serving": None, "replicas_ready": 0})
    samples = scrape(client)
    assert of(samples, "falaj_endpoint_up", **PLACE) == 0
    assert of(samples, "falaj_endpoint_state", **PLACE, state="ready") is None
    _endpoint(platform, plan={"withdrawn": "no longer wanted"})
    assert "falaj_endpoint_up" not in scrape(client)


def test_a_rollout_tells_its_weight_and_evidence_while_it_lasts_and_how_it_ended(
    client: TestClient, platform: Platform
) -> None:
    metric = {"name": "errors", "harm": 1.5, "harm_line": 2.0, "safe": None, "safe_line": 1.3}
    report = {
        "id": "d1", "state": "stepping", "weight": 500, "mirror": 0.0, "since": 1_990.0, "metrics": [metric],
        "requests": {"stable": 950, "candidate": 50}, "harm": 1.2, "harm_line": 2.0,
    }  # fmt: skip
    _deployment(platform, "d0", 1_000.0, "failed", record={"state": "rolled_back"})
    _deployment(platform, "d1", 1_980.0, "rolling")
    _deployment(platform, "d2", 1_985.0, "live", plan=None)  # took over at once: that is no rollout
    _endpoint(platform, status={"release": 1, "state": "rolling", "serving": 1, "rollouts": [report]})
    place = {**PLACE, "strategy": "canary"}
    samples = scrape(client)
    assert samples["falaj_rollout_state"] == {frozenset({**place, "state": "stepping"}.items()): 1}
    assert of(samples, "falaj_rollout_weight_ratio", **place) == 0.05
    assert of(samples, "falaj_rollout_changed_timestamp_seconds", **place) == 1_990
    assert of(samples, "falaj_rollout_requests", **place, arm="candidate") == 50
    assert of(samples, "falaj_rollout_evidence", **place, metric="errors", side="harm") == 1.5
    assert of(samples, "falaj_rollout_evidence", **place, metric="errors", side="safe") is None
    assert of(samples, "falaj_rollout_evidence", **place, metric="all", side="harm") == 1.2
    assert of(samples, "falaj_rollout_evidence_line", **place, metric="errors", side="safe") == 1.3
    with platform.database.transaction() as session:
        row = session.get_one(ProcessRow, "d1")
        row.state, row.updated_at = "failed", 1_999.0
        row.data = {**row.data, "record": {"state": "rolled_back"}}
    _endpoint(platform, status={"release": 1, "state": "ready", "serving": 1})
    samples = scrape(client)
    assert samples["falaj_rollout_state"] == {frozenset({**place, "state": "rolled_back"}.items()): 1}
    assert of(samples, "falaj_rollout_changed_timestamp_seconds", **place) == 1_999
    assert "falaj_rollout_evidence" not in samples


def test_monitors_tell_open_alerts_and_the_evidence_of_drift(client: TestClient, platform: Platform) -> None:
    evidence = {f"f{number:02}": float(number) for number in range(1, 31)}
    _monitor(platform, evidence)
    _alert(platform, "a1", "open"), _alert(platform, "a2", "open"), _alert(platform, "a3", "resolved")
    with platform.database.transaction() as session:
        session.add(_training("t1")), session.add(_training("t2"))
    samples = scrape(client)
    alert_labels = {**PLACE, "cause": "concept-drift", "severity": "critical"}
    assert samples["falaj_alerts"] == {frozenset({**alert_labels, "state": "open"}.items()): 2}
    assert of(samples, "falaj_monitor_status", **PLACE, status="drifting") == 1
    assert of(samples, "falaj_drift_evidence", **PLACE, of="features") == 15.5
    assert of(samples, "falaj_drift_evidence_line", **PLACE, of="features") == 200
    features = samples["falaj_drift_feature_evidence"]
    assert len(features) == metrics.MOST_FEATURES + 1
    assert of(samples, "falaj_drift_feature_evidence", **PLACE, feature="f30") == 30
    assert of(samples, "falaj_drift_feature_evidence", **PLACE, feature="f20") is None
    assert of(samples, "falaj_drift_feature_evidence", **PLACE, feature=OTHER) == 20
    assert of(samples, "falaj_training_requests", model="flight-delay", kind="drift", state="waiting") == 2


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_more_endpoints_than_the_bound_are_told_together(client: TestClient, platform: Platform) -> None:
    with platform.database.transaction() as session:
        for number in range(metrics.MOST_PLACES + 20):
            session.add(
                EndpointRow(
                    location="local", environment="prod", model=f"m{number:04}", release=1, version=1, plan={},
                    status={"release": 1, "state": "failed" if number > 215 else "ready", "replicas_ready": 2},
                    updated_at=1_000.0,
                )
            )  # fmt: skip
    samples = scrape(client)
    other = dict.fromkeys(PLACE, OTHER)
    assert len(samples["falaj_endpoint_up"]) == metrics.MOST_PLACES + 1
    assert of(samples, "falaj_endpoint_up", **PLACE) == 1
    assert of(samples, "falaj_endpoint_up", **other) == 0, "one that is down is not hidden among those that are up"
    assert of(samples, "falaj_endpoint_replicas_ready", **other) == 21 * 2
    assert of(samples, "falaj_endpoint_state", **other, state="failed") == 4
    assert max(len(series) for series in samples.values()) <= 2 * (metrics.MOST_PLACES + 2)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_odd_names_do_not_break_the_page(client: TestClient, platform: Platform) -> None:
    odd = 'new\nline "quoted" back\\slash é \u2028'
    with platform.database.transaction() as session:
        session.get_one(RunRow, session.query(RunRow.id).scalar()).state = odd
    assert of(scrape(client), "falaj_runs", state=odd) == 1


def _endpoint(platform: Platform, **values: Any) -> None:
    with platform.database.transaction() as session:
        row = session.get_one(EndpointRow, ("local", "dev", "flight-delay"))
        for name, value in values.items():
            setattr(row, name, value)


def _deployment(
    platform: Platform,
    name: str,
    at: float,
    state: str,
    plan: dict[str, Any] | None = {"strategy": "canary"},  # noqa: B006
    **data: Any,
) -> None:
    with platform.database.transaction() as session:
        platform.processes.start(session, "deployment", name, state, {**PLACE, "plan": plan, **data}, at, due=False)


def _monitor(platform: Platform, evidence: dict[str, float]) -> None:
    state = MonitorState.begin(1, 100, 0.0)
    document = state.to_json()
    document["features"]["evidence"] = evidence
    with platform.database.transaction() as session:
        session.add(MonitorRow(**PLACE, release=1, status="drifting", reason="", state=document, updated_at=1_900.0))
        session.add(
            MonitorRow(
                **{**PLACE, "model": "bare"}, release=1, status="not_tested", reason="", state={}, updated_at=1.0
            )
        )


def _alert(platform: Platform, name: str, state: str) -> None:
    with platform.database.transaction() as session:
        session.add(
            AlertRow(
                id=name, project="flights", **PLACE, release=1, state=state, cause="concept-drift",
                severity="critical", opened_at=1.0, updated_at=1.0, data={},
            )
        )  # fmt: skip


def _training(name: str) -> TrainingRequestRow:
    return TrainingRequestRow(
        id=name, model="flight-delay", project="flights", kind="drift", occasion=name, attempt=1, times=1,
        state="waiting", reason="", cause={}, actor="x", at=1.0, data={}, requested_at=1.0,
    )  # fmt: skip
