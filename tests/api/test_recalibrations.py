"""What agents tell of recalibration: kept, shown, and an alert while an offset is at its bound; on both databases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from falaj.api.platform import Platform
from tests.api.monitored import Monitored, monitored
from tests.control.monitoring.evaluation.scene import REFERENCE

pytestmark = pytest.mark.integration

STATUS = "/api/v1/locations/local/status"
SHOWN = "/api/v1/models/delay/recalibrations"


@pytest.fixture
def place(platform: Platform, client: TestClient, tmp_path: Path) -> Monitored:
    return monitored(platform, client, tmp_path)


def report(**values: Any) -> dict[str, Any]:
    defaults = {
        "release": 3, "version": 1_796_446_800, "kind": "binary", "offset": 0.41, "proposed": 0.48, "strength": 0.86,
        "bound": 1.5, "threshold": 0.5, "limit": "none", "reason": "", "rows": 4000, "fitted_at": 1.7e9,
        "expires_at": 1.8e9, "days": [[20_000, 0.4], [20_001, 0.41]], "months": {"2026-07": 0.41},
    }  # fmt: skip
    return defaults | values


def tell(place: Monitored, *reports: dict[str, Any], endpoint: str = "prod/delay") -> int:
    endpoint_report = {"endpoint": endpoint, "release": 3, "state": "ready", "recalibrations": list(reports)}
    return place.client.put(STATUS, json={"version": 1, "endpoints": [endpoint_report]}).status_code


def test_what_an_agent_tells_is_shown_by_endpoint_and_location(place: Monitored):
    assert place.client.get(SHOWN).json() == []
    assert tell(place, report()) == 204
    (recalibration,) = place.client.get(SHOWN, params={"environment": "prod"}).json()
    assert recalibration == {**report(), "endpoint": "prod/delay", "location": "local"}
    assert place.client.get(SHOWN, params={"environment": "dev"}).json() == []
    assert place.client.get("/api/v1/models/other/recalibrations").status_code == 404


def test_an_offset_at_its_bound_is_one_alert_until_it_is_not(place: Monitored):
    for _ in range(3):
        tell(place, report(limit="bound", offset=1.5, proposed=2.1))
    (alert,) = place.alerts(open=True)
    assert (alert["cause"], alert["severity"], alert["release"]) == ("recalibration-bound", "warning", 3)
    assert "labels ask for an offset of +1.81 and 1.5 is the bound" in alert["reasons"][0]
    tell(place, report(limit="daily_step", offset=1.2))
    assert place.alerts(open=True) == []
    (over,) = place.alerts()
    assert over["state"] == "resolved"


def test_an_offset_that_moves_nothing_and_one_at_another_endpoint_are_no_alert(place: Monitored):
    tell(place, report(limit="bound", reason="monitoring.recalibrate is off"))
    assert tell(place, report(limit="bound"), endpoint="prod/unknown") == 204
    assert place.alerts() == []


def test_monitors_neither_end_nor_bring_up_to_date_such_an_alert(place: Monitored):
    tell(place, report(limit="bound", proposed=2.1))
    place.windows(8)
    (alert,) = place.alerts(open=True)
    assert alert["cause"] == "recalibration-bound" and alert["fired"] == ["recalibration"]


def test_people_resolve_it_and_do_not_overrule_it(place: Monitored):
    tell(place, report(limit="bound", proposed=2.1))
    path = f"/api/v1/alerts/{place.alerts()[0]['id']}"
    body = {"verdict": "concept-drift", "reason": "because"}
    assert place.client.post(f"{path}/overrule", json=body).status_code == 409
    assert place.client.post(f"{path}/resolve", json={"reason": "seen"}).json()["state"] == "resolved"


@pytest.mark.parametrize(
    "wrong", [{"offset": "much"}, {"limit": "far"}, {"rows": -1}, {"days": [[1]]}, {"kind": "ranking"}]
)
def test_what_is_no_report_is_refused(place: Monitored, wrong: dict[str, Any]):
    assert tell(place, report(**wrong)) == 400
    assert place.client.get(SHOWN).json() == []


def test_a_release_of_this_location_is_needed(place: Monitored):
    assert REFERENCE is not None
    assert tell(place, report(release=9, limit="bound")) == 204
    assert place.alerts() == []
