"""Monitors and alerts in the terminal, of a server that watches something."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from fastapi.testclient import TestClient

from falaj.api.platform import Platform
from falaj.cli.heat_map import heat_map
from falaj.cli.heat_picture import heat_picture
from falaj.core.home import Home
from falaj.schemas.monitoring import DriftWindow
from tests.api.monitored import Monitored, monitored
from tests.apps import app_of
from tests.cli.conftest import Command, _command
from tests.control.monitoring.evaluation.scene import missing, shifted
from tests.databases import migrated_sqlite
from tests.platforms import answering

pytestmark = pytest.mark.integration

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitored]:
    folder = tmp_path_factory.mktemp("watched")
    database = migrated_sqlite(folder / "falaj.db")
    platform = Platform(Home(folder / "home", {}).prepare(), database)
    with TestClient(app_of(platform)) as client:
        client.headers["authorization"] = f"Bearer {platform.home.token}"
        monitored_place = monitored(platform, client, folder)
        monitored_place.windows(2)
        monitored_place.windows(3, shifted)
        monitored_place.windows(1, missing)
    with answering(platform):
        yield monitored_place
    database.close()


@pytest.fixture
def falaj(place: Monitored, tmp_path: Path) -> Command:
    return _command(place.platform.home.root, tmp_path)


def test_monitors_drift_and_performance_are_shown(falaj: Command) -> None:
    monitors = falaj("monitor", "list").stdout
    assert "prod/delay" in monitors and "upstream-fault" in monitors and "at most 1 false alarm" in monitors
    drift = falaj("monitor", "drift", "delay", "--environment", "prod").stdout
    assert "quality: missing:" in drift and "6 windows at local" in drift and "verdict: upstream-fault" in drift
    assert len(json.loads(falaj("monitor", "drift", "delay", "-n", "2", "--json").stdout)) == 2
    assert "300 labels" in falaj("monitor", "performance", "delay").stdout
    assert "has been judged yet" in falaj("monitor", "drift", "delay", "--environment", "dev").stdout
    assert falaj("monitor", "performance", "nothing").returncode == 3


def test_an_alert_is_looked_after_overruled_and_resolved(falaj: Command) -> None:
    (alert,) = json.loads(falaj("monitor", "alert", "list", "--json").stdout)
    assert alert["id"] in falaj("monitor", "alert", "list").stdout
    assert "no retraining" in falaj("monitor", "alert", "show", alert["id"]).stdout
    assert "quality   missing:" in falaj("monitor", "alert", "triage", alert["id"]).stdout
    assert "acknowledged" in falaj("monitor", "alert", "ack", alert["id"], "-m", "looking").stdout
    assert "muted until" in falaj("monitor", "alert", "mute", alert["id"], "--for", "2h").stdout
    assert falaj("monitor", "alert", "mute", alert["id"], "--for", "soon").returncode == 2
    assert falaj("monitor", "alert", "triage", alert["id"], "--overrule", "bad-luck", "--reason", "x").returncode == 2
    assert falaj("monitor", "alert", "triage", alert["id"], "--overrule", "covariate-shift").returncode == 2
    output = falaj(
        "monitor", "alert", "triage", alert["id"], "--overrule", "covariate-shift", "--reason", "the season"
    ).stdout
    assert "upstream-fault -> covariate-shift: the season" in output
    assert json.loads(falaj("monitor", "alert", "resolve", alert["id"], "--json").stdout)["state"] == "resolved"
    assert (
        "no alerts" in falaj("monitor", "alert", "list").stdout
        and alert["id"] in falaj("monitor", "alert", "list", "--all").stdout
    )
    assert falaj("monitor", "alert", "ack", "nothing").returncode == 3


def test_the_picture_is_drawn_beside_the_table(falaj: Command, tmp_path: Path) -> None:
    picture = tmp_path / "drift.svg"
    assert falaj("monitor", "drift", "delay", "--environment", "prod", "--svg", str(picture)).returncode == 0
    texts = [each.text or "" for each in ElementTree.parse(picture).iter(f"{SVG}text")]
    assert "delay at local: drift by feature and window" in texts and "6 windows" in texts


def window(number: int, *features: tuple[str, str, float]) -> DriftWindow:
    feature_reports = [{"feature": name, "verdict": verdict, "effect": effect} for name, verdict, effect in features]
    return DriftWindow("local", 3, number, float(number), number + 1.0, 100, {"features": feature_reports})


def test_the_map_has_a_line_a_feature_those_that_moved_first() -> None:
    windows = [
        window(0, ("a", "steady", 0.05), ("b", "not_tested", 0.0)),
        window(1, ("a", "steady", 0.15), ("b", "drifted", 0.5), ("c", "drifted", 0.05)),
        window(2, ("a", "steady", 0.3), ("b", "drifted", 0.9)),
    ]
    *lines, scale = heat_map(windows)
    assert [(line.split()[0], line[25:]) for line in lines] == [("b", "?▓█"), ("c", "?░?"), ("a", " ░▒")]
    assert scale.endswith("█ >= 0.8  ? not tested")
    assert heat_map([]) == []
    assert heat_map(windows, most=1)[0].endswith("█")


def test_the_picture_has_a_cell_for_each_feature_and_window_and_a_line_for_each_release() -> None:
    windows = [
        window(0, ("a", "steady", 0.05), ("<b>", "not_tested", 0.0)),
        replace(window(1, ("a", "steady", 0.15), ("<b>", "drifted", 0.9)), release=4),
    ]
    root = ElementTree.fromstring(heat_picture("m", windows))
    assert len(root.findall(f"{SVG}path")) == 2
    texts = [each.text or "" for each in root.iter(f"{SVG}text")]
    assert [name for name in texts if name in ("a", "<b>")] == ["<b>", "a"]
    assert {"release 3", "release 4", "2 windows", ">= 0.8"} <= set(texts)
    drawn = [each.get("fill") for each in root.findall(f"{SVG}rect") if each.get("height") == "17"]
    assert drawn == ["#ffffff", "#8e0b0b", "#f4f4f4", "#dcdcdc"]
