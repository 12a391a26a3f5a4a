"""Monitors, drift, performance and alerts."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from falaj.schemas import api
from falaj.schemas.monitoring import Alert, DriftWindow, Monitor, PerformanceWindow, Recalibration
from falaj.sdk.http import Transport

_PREFIX = "/api/v1"


class MonitoringCalls:
    """The calls about monitors and alerts.

    Args:
        transport: How the server is reached.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def monitors(self, environment: str = "", model: str = "") -> list[Monitor]:
        """How the monitors of each endpoint stand."""
        query = {"environment": environment or None, "model": model or None}
        return self._transport.list(Monitor, f"{_PREFIX}/monitors", query)

    def drift(self, model: str, environment: str, windows: int = 30) -> list[DriftWindow]:
        """The last windows of a model in an environment, the earliest first."""
        return self._transport.whole(DriftWindow, *_windows(model, "drift", environment, windows))

    def performance(self, model: str, environment: str, windows: int = 30) -> list[PerformanceWindow]:
        """The loss of the last windows, the earliest first."""
        return self._transport.whole(PerformanceWindow, *_windows(model, "performance", environment, windows))

    def recalibrations(self, model: str, environment: str = "") -> list[Recalibration]:
        """By what the answers of a model's releases are moved, at each endpoint and location."""
        path, query = f"{_PREFIX}/models/{quote(model)}/recalibrations", {"environment": environment or None}
        return self._transport.whole(Recalibration, path, query)

    def alerts(
        self, *, open_only: bool = False, environment: str = "", model: str = "", limit: int | None = 50
    ) -> list[Alert]:
        """The newest first; all of them for a limit of None."""
        query = {"open": open_only, "environment": environment or None, "model": model or None}
        return self._transport.list(Alert, f"{_PREFIX}/alerts", query, limit)

    def alert(self, alert_id: str) -> Alert:
        """One alert with its facts, its verdict, and what was said and done."""
        return api.decode(Alert, self._transport.json("GET", _path(alert_id)))

    def acknowledge(self, alert_id: str, reason: str = "") -> Alert:
        """Say that somebody looks after it."""
        return self._ask(alert_id, "acknowledge", reason=reason)

    def resolve(self, alert_id: str, reason: str = "") -> Alert:
        """Say that it is over; its monitors begin anew."""
        return self._ask(alert_id, "resolve", reason=reason)

    def mute(self, alert_id: str, for_s: float, reason: str = "") -> Alert:
        """Keep it from telling anybody for so many seconds."""
        return self._ask(alert_id, "mute", reason=reason, for_s=for_s)

    def overrule(self, alert_id: str, verdict: str, reason: str) -> Alert:
        """Put one's own word in the place of what triage says."""
        return self._ask(alert_id, "overrule", verdict=verdict, reason=reason)

    def _ask(self, alert_id: str, what: str, **body: Any) -> Alert:
        return api.decode(Alert, self._transport.json("POST", f"{_path(alert_id)}/{what}", body))


def _windows(model: str, figure: str, environment: str, windows: int) -> tuple[str, dict[str, str | int]]:
    """Where the last windows of a model are, and which of them."""
    path = f"{_PREFIX}/models/{quote(model, safe='')}/{figure}"
    return path, {"environment": environment, "windows": windows}


def _path(alert_id: str) -> str:
    return f"{_PREFIX}/alerts/{quote(alert_id, safe='')}"
