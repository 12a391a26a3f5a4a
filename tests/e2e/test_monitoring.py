"""A release that is watched: a shift is a note or a question, a fault upstream an incident, a loss a training.

Time is compressed: windows are counted in rows.
"""

from __future__ import annotations

import csv
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars
import pytest

from falaj.build.checks.runner.models import LoadedModel
from falaj.sdk import Endpoint, Label
from tests.e2e.installation import Installation, installed
from tests.waiting import until

pytestmark = [pytest.mark.lifecycle, pytest.mark.e2e]
BLOCK, LABEL = 120, "malignant"


def project(installation: Installation, folder: Path) -> Path:
    """The template's project, some of whose measurements are missing, watched by blocks of 120 rows."""
    installation.plain_template(folder)
    file = folder / "falaj.yaml"
    text = file.read_text().replace("model: tumours", "model: tumour-risk")
    watched = f"{{label: {LABEL}, block: {BLOCK}, tolerance: 0.08}}\nretrain:\n  - {{on: drift}}"
    file.write_text(text.replace(f"{{label: {LABEL}}}", watched))
    data = folder / "data" / "tumours.csv"
    lines = data.read_text().splitlines()
    for place in range(1, len(lines), 11):
        radius, _texture, *others = lines[place].split(",")
        lines[place] = ",".join([radius, "", *others])
    data.write_text("\n".join(lines) + "\n")
    return folder


Row = dict[str, float | None]


@dataclass
class Clinic:
    """Rows as they come in service."""

    rows: list[Row]
    endpoint: Endpoint
    chance: random.Random = field(default_factory=lambda: random.Random(7))

    @classmethod
    def of(cls, folder: Path, endpoint: Endpoint) -> Clinic:
        with (folder / "data" / "tumours.csv").open() as file:
            rows = [
                {name: float(value) if value else None for name, value in row.items()} for row in csv.DictReader(file)
            ]
        return cls(rows, endpoint)

    def window(self, *, large: bool = False, scale: float = 1.0, lost: float = 0.0, opposite: bool = False) -> None:
        """One block of rows.

        Args:
            large: Prefers large tumours.
            scale: What measurements are multiplied with, so that none is like those of the reference.
            lost: Share of rows that lose a measurement.
            opposite: Sends labels, and they are the opposite of the truth.
        """
        weights = [row["radius"] ** 3 if large else 1.0 for row in self.rows]  # type: ignore[operator]
        self.send(
            [dict(row) for row in self.chance.choices(self.rows, weights, k=BLOCK)], scale, lost, opposite=opposite
        )

    def doubtful(self, model: LoadedModel) -> list[Row]:
        """One block of rows between those of two classes, of which the model is not sure."""
        whole = [row for row in self.rows if row["texture"] is not None]
        sides = [[row for row in whole if row[LABEL] == label] for label in (0.0, 1.0)]
        doubtful_rows: list[Row] = []
        while len(doubtful_rows) < BLOCK:
            mixed = [self._between(*map(self.chance.choice, sides)) for _ in range(20 * BLOCK)]
            scores = model.score(model.features(polars.DataFrame(mixed)))
            doubtful_rows += [row for row, score in zip(mixed, scores, strict=True) if 0.3 < score < 0.7]
        for row in doubtful_rows[::11]:
            row["texture"] = None
        return doubtful_rows[:BLOCK]

    def _between(self, one: Row, other: Row) -> Row:
        share = self.chance.random()
        return {name: share * (one[name] or 0.0) + (1 - share) * (other[name] or 0.0) for name in one}

    def send(self, drawn: list[Row], scale: float = 1.0, lost: float = 0.0, *, opposite: bool = False) -> None:
        """Ask about rows, changed as `window` says."""
        labels = [row.pop(LABEL) for row in drawn]
        for row in drawn:
            row.update({name: value and value * scale for name, value in row.items()})
            if self.chance.random() < lost:
                row["texture"] = None
        answer = self.endpoint.predict(drawn)
        if opposite:
            self.endpoint.feedback([Label(answer.id, [int(not label) for label in labels])])


def test_a_shift_is_noted_a_person_asked_a_fault_is_an_incident_and_a_loss_is_trained_for(tmp_path: Path) -> None:
    with installed(tmp_path / "home") as platform:
        folder = project(platform, tmp_path / "tumours")
        platform.repository(folder, "tumours")
        run = platform.ended(platform.push(folder, "First"))
        assert run["state"] == "succeeded", run["reason"] + platform.logs()
        clinic = Clinic.of(folder, platform.opened(_ready(platform)["url"]))
        for _ in range(2):
            clinic.window()
        _require_window(platform, 2)
        assert platform.json("monitor", "list")[0]["status"] == "ok"

        for _ in range(4):
            clinic.window(large=True)
        shift = _alert(platform, "covariate-shift")
        assert "radius" in shift["features"] and shift["severity"] == "info"
        assert [note["kind"] for note in shift["notes"]] == ["note"]
        assert "at most 1 false alarm in 100 windows" in platform.ok("monitor", "alert", "triage", shift["id"])

        for _ in range(3):
            clinic.window(scale=1.35)
        strange = _alert(platform, "unknown")
        assert strange["id"] == shift["id"] and strange["notes"][-1]["kind"] == "ask"

        clinic.window(lost=0.5)
        fault = _alert(platform, "upstream-fault")
        assert fault["id"] == shift["id"] and fault["notes"][-1]["kind"] == "incident"
        assert "texture are missing" in platform.ok("monitor", "alert", "show", fault["id"])
        assert not [run for run in platform.json("run", "list") if run["trigger"] == "drift"]
        assert (
            platform.json("monitor", "alert", "resolve", fault["id"], "-m", "the sensor was replaced")["state"]
            == "resolved"
        )

        model = LoadedModel(next((platform.home / "locations" / "local" / "models").iterdir()))
        for _ in range(3):
            clinic.send(clinic.doubtful(model))
        loss = _alert(platform, "performance-loss")
        assert loss["id"] != fault["id"]
        assert any("a retraining was asked for and is started" in note["text"] for note in loss["notes"])
        assert "estimated without labels" in platform.ok("monitor", "alert", "triage", loss["id"])
        assert [run["trigger"] for run in platform.json("run", "list")].count("drift") == 1

        for _ in range(4):
            clinic.window(opposite=True)
        until(lambda: _labelled(platform) >= 4 * BLOCK, platform.logs)
        clinic.window()
        assert _alert(platform, "concept-drift")["id"] == loss["id"]
        windows = platform.json("monitor", "drift", "tumour-risk", "--environment", "dev")
        assert [window["number"] for window in windows] == list(range(len(windows)))
        assert "radius" in platform.ok("monitor", "drift", "tumour-risk", "--environment", "dev")
        assert "labels" in platform.ok("monitor", "performance", "tumour-risk", "--environment", "dev")
        clinic.endpoint.close()


def _ready(platform: Installation) -> dict[str, Any]:
    def find_alert() -> dict[str, Any] | None:
        return next((each for each in platform.json("endpoint", "list") if each["state"] == "ready"), None)

    ready: dict[str, Any] = until(find_alert, platform.logs)
    return ready


def _require_window(platform: Installation, windows: int) -> None:
    def enough() -> bool:
        monitor_rows = platform.json("monitor", "list")
        return bool(monitor_rows) and monitor_rows[0]["windows"] >= windows

    until(enough, platform.logs)


def _alert(platform: Installation, cause: str) -> dict[str, Any]:
    def find_alert() -> dict[str, Any] | None:
        listed = platform.json("monitor", "alert", "list")
        return (
            platform.json("monitor", "alert", "show", listed[0]["id"])
            if listed and listed[0]["cause"] == cause
            else None
        )

    def explain() -> str:
        return f"{platform.ok('alerts')}\n{platform.ok('monitors')}\n{platform.logs()}"

    alert: dict[str, Any] = until(find_alert, explain)
    return alert


def _labelled(platform: Installation) -> int:
    return sum(
        each["labelled"] for each in platform.json("monitor", "performance", "tumour-risk", "--environment", "dev")
    )
