"""Windows that monitors judged, put into an installation as they write them down: steady at first, then drifting."""

from __future__ import annotations

from typing import Any

from falaj.api.platform import Platform
from falaj.storage.monitoring_tables import AlertRow, MonitorWindowRow

WINDOWS, DAY, ALERT = 24, 86_400.0, "drifted1"
_PLACE: dict[str, Any] = {"location": "local", "environment": "dev", "model": "flight-delay", "release": 1}
_FEATURES = ("distance", "carrier", "dep_hour", "temperature_at_the_airport_of_origin", "month", "prediction")


def fill_windows(platform: Platform) -> None:
    """A day a window: `distance` and `carrier` leave their reference in the last third, and the loss follows."""
    begin = platform.now() - WINDOWS * DAY
    with platform.database.transaction() as session:
        for number in range(1, WINDOWS + 1):
            start = begin + (number - 1) * DAY
            session.add(MonitorWindowRow(
                **_PLACE, number=number, start=start, end=start + DAY, rows=4_000 + number, report=_report(number),
                judged_at=start + DAY,
            ))  # fmt: skip
    raise_alert(platform, ALERT, "resolved", begin + 19.5 * DAY)


def raise_alert(platform: Platform, name: str, state: str, at: float) -> None:
    """An alert that monitors of `dev/flight-delay` raised."""
    with platform.database.transaction() as session:
        session.add(AlertRow(
            id=name, project="flights", **_PLACE, state=state, cause="covariate-shift", severity="warning",
            opened_at=at, updated_at=at, data={"reasons": ["distance moved"]},
        ))  # fmt: skip


def _report(number: int) -> dict[str, Any]:
    moved = max(0, number - 16)
    loss = 0.18 + 0.01 * moved + 0.002 * (number % 3)
    return {
        "features": [_feature(name, number, moved) for name in _FEATURES],
        "quality": [],
        "loss": {
            "labelled": 400, "method": "labels", "reason": "", "metric": "brier", "value": loss, "expected": 0.18,
            "interval": [loss - 0.015, loss + 0.015],
        },
        "verdict": {"cause": "covariate-shift" if moved else "none", "action": "train", "act": bool(moved),
                    "reasons": ["distance moved (0.9)"] if moved else ["nothing drifts"]},
        "fired": ["drift"] if moved else [],
    }  # fmt: skip


def _feature(name: str, number: int, moved: int) -> dict[str, Any]:
    strength = {"distance": 0.12, "carrier": 0.06}.get(name, 0.0) * moved
    effect = strength + 0.02 * ((number * len(name)) % 5)
    untested = name == "month" and number < 6
    verdict = "not_tested" if untested else "drifted" if strength > 0.2 else "steady"
    return {
        "feature": name, "verdict": verdict, "effect": effect, "p_value": 0.001, "leading": "higher than before",
        "evidence": 10 * strength, "drifting": strength > 0.3, "reason": "too few rows" if untested else "",
        "least": 0.0,
    }  # fmt: skip
