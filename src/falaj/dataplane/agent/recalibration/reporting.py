"""What an agent tells of the recalibration of its releases, as plain JSON (pure but for the lock)."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from statistics import fmean
from typing import Any

from falaj.dataplane.agent.recalibration.rows_file import DAY_S
from falaj.statistics.recalibration.document import RecalibrationDocument

_DAYS = 60


class Reports:
    """What was told last of each endpoint; written by one thread and read by another."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_endpoint: dict[str, dict[str, Mapping[str, Any]]] = {}

    def put(self, new_reports: Mapping[tuple[str, str], Mapping[str, Any]]) -> None:
        """Replace everything that is told, by endpoint and release."""
        fresh: dict[str, dict[str, Mapping[str, Any]]] = defaultdict(dict)
        for (endpoint, release), report in new_reports.items():
            fresh[endpoint][release] = report
        with self._lock:
            self._by_endpoint = dict(fresh)

    def of(self, endpoint: str) -> tuple[Mapping[str, Any], ...]:
        """What is told of an endpoint, one report a release."""
        with self._lock:
            return tuple(self._by_endpoint.get(endpoint, {}).values())


def report_of(document: RecalibrationDocument, least: int) -> dict[str, Any]:
    """What leaves the location of a document: no row, and no small count.

    Args:
        document: Of a release.
        least: The smallest count that leaves; 0 where all may.
    """
    state = document.state
    days = [*state.earlier_days, *state.days]
    return {
        "release": int(document.release.rpartition("@")[2]), "version": document.version, "kind": str(document.kind),
        "offset": document.offset, "proposed": state.proposed, "strength": state.strength, "bound": document.bound,
        "threshold": document.threshold, "limit": str(state.limit), "reason": document.reason,
        "rows": state.rows // least * least if least else state.rows, "fitted_at": document.fitted_at,
        "expires_at": document.expires_at, "days": [[day.day, round(day.applied, 4)] for day in days[-_DAYS:]],
        "months": months_of(document),
    }  # fmt: skip


def months_of(document: RecalibrationDocument) -> dict[str, float]:
    """The mean offset of each month, over all releases of the endpoint; the newest last."""
    by_month: dict[str, list[float]] = defaultdict(list)
    for day in (*document.state.earlier_days, *document.state.days):
        by_month[f"{datetime.fromtimestamp(day.day * DAY_S, UTC):%Y-%m}"].append(day.applied)
    return {month: round(fmean(values), 4) for month, values in sorted(by_month.items())}
