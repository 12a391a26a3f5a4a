"""From what a location counts to an alert, a verdict, and what follows; on both databases."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from falaj.api import monitors
from falaj.api.platform import Platform
from falaj.control.retraining import admission
from falaj.core.errors import ConflictError
from falaj.storage import EventRow
from falaj.storage.audit_tables import AuditLeafRow
from falaj.storage.monitoring_tables import ProfileBlockRow
from tests.api.monitored import Monitored, document, key, monitored
from tests.control.monitoring.evaluation.scene import REFERENCE, ROWS, missing, shifted, window
from tests.owners import own

pytestmark = pytest.mark.integration


@pytest.fixture
def place(platform: Platform, client: TestClient, tmp_path: Path) -> Monitored:
    return monitored(platform, client, tmp_path)


@pytest.fixture
def training_requests(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """What trainings were asked for, where another room decides about them."""
    calls: list[tuple[str, dict[str, Any]]] = []

    really = monitors.request_training

    def request_training(session: Any, processes: Any, model: str, cause: Any, now: float) -> admission.Requested:
        calls.append((model, dict(cause)))
        return really(session, processes, model, cause, now)

    monkeypatch.setattr(monitors, "request_training", request_training)
    return calls


sqlite_only = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def kinds(place: Monitored, table: Any = EventRow) -> list[str]:
    with place.platform.database.reading() as session:
        return [row.kind for row in session.scalars(select(table)) if row.kind.startswith(("alert", "monitor"))]


def test_a_shift_is_a_note_on_one_alert_and_over_when_it_is_over(place: Monitored) -> None:
    assert [each["status"] for each in place.windows(2)] == ["ok", "ok"]
    place.windows(4, shifted)
    alert = place.alert()
    assert alert["cause"] == "covariate-shift" and alert["severity"] == "info" and "temp" in alert["features"]
    assert [note["kind"] for note in alert["notes"]] == ["note"]
    assert alert["data"]["promises"][0].startswith("drift: at most 1 false alarm in 100 windows")
    place.windows(8)
    assert place.alerts(open=True) == []
    (over,) = place.alerts()
    assert over["state"] == "resolved"
    assert kinds(place) == ["alert.opened", "alert.judged", "alert.note", "alert.resolved"]
    assert kinds(place, AuditLeafRow) == ["monitor.begun", *kinds(place)]


@sqlite_only
def test_missing_values_are_an_incident_and_no_retraining(place: Monitored, training_requests: list[Any]) -> None:
    place.windows(1)
    place.windows(3, missing)
    alert = place.alert()
    assert alert["cause"] == "upstream-fault" and alert["severity"] == "critical" and alert["state"] == "open"
    assert [note["kind"] for note in alert["notes"]] == ["incident"]
    assert training_requests == [] and "alert.incident" in kinds(place)


@sqlite_only
def test_a_loss_asks_for_a_training_once_in_a_cooldown(place: Monitored, training_requests: list[Any]) -> None:
    place.windows(14, flipped=0.7)
    alert = place.alert()
    assert alert["cause"] == "concept-drift"
    assert [(model, cause["kind"], cause["alert"]) for model, cause in training_requests] == [
        ("delay", "performance", alert["id"])
    ]
    assert "a retraining was asked for and is started, run " in alert["data"]["actions"][0]["text"]
    place.now += 90_000
    place.windows(1, flipped=0.7)
    assert [cause["kind"] for _, cause in training_requests] == ["performance", "drift"]


@sqlite_only
def test_without_somebody_who_trains_and_when_it_is_refused_the_alert_says_so(
    place: Monitored, training_requests: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise ConflictError("the budget does not allow a single training")

    monkeypatch.setattr(monitors, "request_training", refuse)
    place.windows(12, flipped=0.7)
    assert "no retraining was started: the budget does not allow" in place.alert()["data"]["actions"][0]["text"]


@sqlite_only
def test_telling_twice_and_late_changes_nothing_but_labels(place: Monitored) -> None:
    blocks, _ = window(5)
    first = document(blocks[0], 0)
    assert place.tell([first])["taken"] == 1
    assert place.tell([first])["taken"] == 0
    tally = {"labelled": 40, "total": 8.0, "cells": [40] + [0] * 49, "wrong": 4, "score_rows": [40] + [0] * 19,
             "score_losses": [8.0] + [0.0] * 19}  # fmt: skip
    later = {**first, "revision": 2, "features": None, "predictions": None, "losses": tally}
    assert place.tell([later])["taken"] == 1
    assert place.tell([{**first, "revision": 1}])["taken"] == 0
    with place.platform.database.reading() as session:
        (row,) = session.scalars(select(ProfileBlockRow))
        assert row.features is not None and row.losses == tally
    assert place.judge() == 1 and place.judge() == 0
    (performance_row,) = place.client.get("/api/v1/models/delay/performance", params={"environment": "prod"}).json()
    assert performance_row["labelled"] == 40 and performance_row["wrong"] == 0.1
    tally = {**tally, "labelled": 200, "total": 50.0, "cells": [200] + [0] * 49}
    place.tell([{**later, "revision": 3, "losses": tally}])
    (performance_row,) = place.client.get("/api/v1/models/delay/performance", params={"environment": "prod"}).json()
    assert performance_row["value"] == 0.25 and performance_row["method"] == "labels"


@sqlite_only
@pytest.mark.parametrize(
    "wrong",
    [
        {"endpoint": "prod/other"}, {"release": "other@3"}, {"release": "delay@x"}, {"arm": "left"}, {"number": -1},
        {"start": 9.0, "end": 1.0}, {"rows": -5}, {"features": {"form": 7}}, {"losses": {"labelled": 3}},
        {"losses": {"labelled": 1, "total": 5.0, "cells": [1]}}, {"number": "many"}, {"revision": None},
        {"rows": 10**30}, {"number": 2**60}, {"least": -1},
        {"endpoint": "prod/de\x00lay"}, {"release": "delay@99999999999"},
    ],
)  # fmt: skip
def test_what_is_no_count_is_refused_and_the_rest_is_taken(place: Monitored, wrong: dict[str, Any]) -> None:
    good = document(window(5)[0][0], 0)
    answer = place.tell([{**document(window(6)[0][0], 1), **wrong}, good])
    assert answer["taken"] == 1 and len(answer["refused"]) == 1


@sqlite_only
def test_losses_that_are_none_are_refused(place: Monitored) -> None:
    run = {**key(), "number": 0, "rows": 50, "mean": 0.2, "start": 1.0, "end": 2.0, "labelled_at": 3.0}
    assert place.tell([], [run, run, {**run, "number": 1, "mean": 1.5}])["taken"] == 1


@sqlite_only
def test_windows_wait_until_they_are_complete(platform: Platform, client: TestClient, tmp_path: Path) -> None:
    place = Monitored(platform, client)
    place.release(3, replace(REFERENCE, settings=replace(REFERENCE.settings, block="hour", window=4)), tmp_path)
    blocks = [window(seed)[0][0] for seed in range(8)]
    place.tell([document(blocks[0], 10), document(blocks[1], 11, final=False)])
    assert place.judge() == 0
    place.tell([document(blocks[2], 11, revision=2)])
    assert place.judge() == 1  # 8 to 11, of which two had no traffic
    place.tell([document(blocks[3], 13), document(blocks[4], 17)])
    assert place.judge() == 1  # what comes later shows that the window is over
    (drift_row, other) = client.get("/api/v1/models/delay/drift", params={"environment": "prod"}).json()
    assert [drift_row["rows"], other["rows"]] == [2 * ROWS, ROWS]


@sqlite_only
def test_a_promotion_begins_anew_and_ends_the_alerts_of_the_release_before(
    place: Monitored, training_requests: list[Any], tmp_path: Path
) -> None:
    place.windows(2, missing)
    assert place.alert()["release"] == 3
    place.losses.clear()
    place.release(4, REFERENCE, tmp_path)
    assert place.windows(1, release=4)[0]["release"] == 4
    assert place.alerts(open=True) == []
    assert (
        "release 4 serves now"
        in place.client.get(f"/api/v1/alerts/{place.alerts()[0]['id']}").json()["notes"][-1]["text"]
    )


@sqlite_only
def test_a_release_without_a_reference_is_unknown(platform: Platform, client: TestClient, tmp_path: Path) -> None:
    place = Monitored(platform, client)
    place.release(3, None, tmp_path)
    place.tell([document(replace(window(5)[0][0], features=None, predictions=None), 0)])
    assert place.judge() == 0
    (monitor_state,) = client.get("/api/v1/monitors").json()
    assert (
        monitor_state["status"] == "not_tested"
        and "without a reference" in monitor_state["reason"]
        and not monitor_state["guarantee"]
    )


@sqlite_only
def test_people_acknowledge_mute_and_resolve(place: Monitored) -> None:
    place.windows(2, missing)
    alert = place.alert()["id"]
    assert place.ask(alert, "acknowledge", reason="looking").json()["state"] == "acknowledged"
    assert place.ask(alert, "mute", for_s=100.0).json()["muted_until"] == place.now + 100
    before = kinds(place)
    place.windows(1, missing)
    assert kinds(place) == before
    place.now += 200
    place.windows(1, missing)
    assert place.alert()["state"] == "open"
    assert place.ask(alert, "resolve", reason="sensor replaced").json()["state"] == "resolved"
    assert place.ask(alert, "resolve").status_code == 409
    assert place.ask(alert, "acknowledge").json()["code"] == "alert.state"
    assert place.ask("nothing", "acknowledge").json()["code"] == "alert.unknown"
    place.windows(1)
    assert place.alerts(open=True) == []
    place.windows(1, missing)
    assert place.alert()["id"] != alert
    assert [kind for kind in kinds(place, AuditLeafRow) if kind in ("alert.acknowledged", "alert.muted")] != []


@sqlite_only
def test_a_verdict_is_overruled_with_a_reason_and_acted_on(place: Monitored, training_requests: list[Any]) -> None:
    place.windows(2, missing)
    alert = place.alert()["id"]
    assert place.ask(alert, "overrule", verdict="concept-drift", reason="").status_code == 400
    overruled_alert = place.ask(
        alert, "overrule", verdict="concept-drift", reason="the source will stay like this"
    ).json()
    assert (
        overruled_alert["cause"] == "concept-drift"
        and overruled_alert["action"] == "retrain"
        and len(training_requests) == 1
    )
    assert [note["kind"] for note in overruled_alert["notes"]] == ["incident", "overruled", "retrain"]
    place.windows(1, missing)
    assert place.alert()["cause"] == "concept-drift"
    assert (
        place.ask(alert, "overrule", verdict="concept-drift", reason="again").json()["code"] == "monitoring.overruling"
    )
    assert place.ask(alert, "overrule", verdict="none", reason="it is fine").json()["cause"] == "none"


@sqlite_only
def test_one_endpoint_that_cannot_be_judged_does_not_keep_others_waiting(place: Monitored, platform: Platform) -> None:
    from falaj.storage import EndpointRow, ReleaseRow

    with platform.database.transaction() as session:
        own(session, "broken", "delays")
        session.add(
            ReleaseRow(
                model="broken", number=1, project="delays", run_id="run9", commit="c" * 40, digest="d", state="live",
                data={"reference": "sha256:" + "00" * 32}, created_at=0.0,
            )
        )  # fmt: skip
        session.add(
            EndpointRow(
                location="local", environment="dev", model="broken", release=1, version=2, plan={}, status={},
                updated_at=0.0,
            )
        )  # fmt: skip
    assert place.windows(1)[0]["status"] == "ok"


@sqlite_only
def test_old_counts_are_forgotten_and_what_was_found_is_not(place: Monitored) -> None:
    place.windows(1)
    place.now += 91 * 86_400
    place.tell([document(replace(window(7)[0][0], start=place.now - 20, end=place.now - 10), 1)])
    place.judge()
    with place.platform.database.reading() as session:
        assert [row.number for row in session.scalars(select(ProfileBlockRow))] == [1]
    assert len(place.client.get("/api/v1/models/delay/drift", params={"environment": "prod"}).json()) == 2
