"""The rollouts of one location: what the data plane is to do for them, and what follows from what it reports.

Everything is written to one file before the data plane is told, together with the place in the access log up to which
requests were counted. So an agent that is killed anywhere counts no request twice, forgets none, and does again what
it was about to do.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from falaj.locations.accesslog import AccessLog, Position
from falaj.locations.agent.intake import Offer
from falaj.locations.agent.rollouts import counting
from falaj.locations.agent.rollouts.judging import analysis_plan
from falaj.locations.agent.rollouts.record import Record
from falaj.locations.desired import DesiredState, EndpointState, EndpointStatus, RolloutWish
from falaj.locations.runtimes.process.files import read_json, write_json
from falaj.locations.traffic import Match, Traffic
from falaj.rollout import WHOLE, Applied, Failed, Ready, RolloutState, Started, Strategy
from falaj.rollout.analysis import Analysis

SAVE_EVERY_S = 0.5
REPORT_EVERY_S = 1.0
PAST_BYTES = 2 << 20
"""So much of the access log before a rollout tells how fast the stable release was."""
_log = logging.getLogger(__name__)
Arm = tuple[str, int]
Key = tuple[str, str]
"""Endpoint and id of a rollout."""


class Rollouts:
    """All rollouts of a location.

    Args:
        folder: The location's folder.
        access_log: Of the gateway.
        clock: Unix time.
    """

    def __init__(self, folder: Path, access_log: AccessLog, clock: Callable[[], float]) -> None:
        self._file = folder / "rollouts.json"
        self._access_log = access_log
        self._clock = clock
        stored = read_json(self._file) or {}
        self._position = Position.from_json(stored["position"]) if stored.get("position") else None
        self._records: dict[Key, Record] = {
            (item["endpoint"], item["record"]["plan"]["id"]): Record.from_json(item["record"])
            for item in stored.get("records", ())
        }
        self._saved_at = 0.0
        self._dirty = False
        self._reports: dict[Key, dict[str, Any]] = {}
        self._reported_at = 0.0

    @property
    def active(self) -> bool:
        """Whether anything is under way."""
        return any(not record.rollout.ended for record in self._records.values())

    def want(self, desired: DesiredState) -> None:
        """Begin what is new, forget what is over, and do what people asked for."""
        wishes: dict[Key, RolloutWish] = {
            (endpoint, wish.plan.id): wish for endpoint, found in desired.rollouts.items() for wish in found
        }
        now, before = self._clock(), self._records
        self._records = {
            key: before.get(key, Record(wish.plan)).happened(Started(), now).heard(wish.asked, now)
            for key, wish in wishes.items()
        }
        self._reports = {key: report for key, report in self._reports.items() if key in self._records}
        if not self._records:
            self._position = None
        if self._records != before:
            self._save()

    def traffic(self) -> dict[str, Traffic]:
        """How the requests of each endpoint with a rollout are shared."""
        by_endpoint: dict[str, list[Record]] = {}
        for (endpoint, _), record in self._records.items():
            by_endpoint.setdefault(endpoint, []).append(record)
        return {endpoint: _traffic(records) for endpoint, records in by_endpoint.items()}

    def observe(self, offer: Offer, statuses: Sequence[EndpointStatus]) -> None:
        """Take in what the data plane says after it did what `traffic` asked for."""
        if not self._records:
            return
        now, before = self._clock(), self._records
        told: dict[Arm, EndpointStatus] = {(status.endpoint, status.release): status for status in statuses}
        told |= {arm: status for arm, status in offer.obstacles.items() if status.state is EndpointState.FAILED}
        self._records = {key: self._told(key[0], record, told, now) for key, record in before.items()}
        self._count(now)
        self._records = {key: record.judged(now) for key, record in self._records.items()}
        moved = any(before[key].rollout != record.rollout for key, record in self._records.items())
        self._dirty = self._dirty or self._records != before
        if moved or now - self._reported_at >= REPORT_EVERY_S:
            self._reports = {key: record.report() for key, record in self._records.items()}
            self._reported_at = now
        if moved or (self._dirty and now - self._saved_at >= SAVE_EVERY_S):
            self._save()

    def reports(self, endpoint: str) -> tuple[Mapping[str, Any], ...]:
        """What the control plane is told of an endpoint's rollouts."""
        return tuple(report for (name, _), report in self._reports.items() if name == endpoint)

    def main(self, endpoint: str) -> Record | None:
        """The rollout that moves an endpoint; challengers do not."""
        mine = (record for (name, _), record in self._records.items() if name == endpoint)
        return next((record for record in mine if record.plan.strategy is not Strategy.CHALLENGER), None)

    def _told(self, endpoint: str, record: Record, told: Mapping[Arm, EndpointStatus], now: float) -> Record:
        candidate = told.get((endpoint, record.plan.candidate))
        if record.rollout.state in (RolloutState.PROMOTING, RolloutState.ROLLING_BACK):
            record = record.happened(Applied(), now)  # the data plane converged with the traffic of this state
        if candidate is None:
            return record
        if candidate.state is EndpointState.FAILED:
            return record.happened(Failed(candidate.message or "the candidate does not run"), now)
        if candidate.state is EndpointState.READY and record.ready_at is None:
            record = replace(record, ready_at=now, analysis=self._analysis(endpoint, record))
        return record.happened(Ready(), now) if candidate.state is EndpointState.READY else record

    def _analysis(self, endpoint: str, record: Record) -> Analysis:
        past, end = self._access_log.recent(PAST_BYTES)
        self._position = self._position or end
        latency = counting.latencies(past, endpoint, record.plan.stable)
        return Analysis.start(analysis_plan(record.plan, latency, ()))

    def _count(self, now: float) -> None:
        """Count what was answered since the last time."""
        if self._position is None:
            return
        accesses, position = self._access_log.read(self._position)
        if position != self._position:
            self._position, self._dirty = position, True
        by_endpoint = counting.by_endpoint(accesses)
        for key, record in self._records.items():
            if found := by_endpoint.get(key[0]):
                self._records[key] = counting.counted(record, found, now)

    def _save(self) -> None:
        records = [{"endpoint": key[0], "record": record.to_json()} for key, record in self._records.items()]
        position = self._position.to_json() if self._position else None
        write_json(self._file, {"position": position, "records": records})
        self._saved_at, self._dirty = self._clock(), False


def _traffic(records: Sequence[Record]) -> Traffic:
    main = next((record for record in records if record.plan.strategy is not Strategy.CHALLENGER), None)
    mirrors = {record.plan.candidate: record.mirror for record in records if record.mirror > 0}
    if main is None:
        return Traffic({records[0].plan.stable: WHOLE}, mirrors)
    plan, weight = main.plan, main.weight
    matches = tuple(Match(**{**match, "release": plan.candidate}) for match in plan.matches)  # type: ignore[arg-type]
    weights = {plan.stable: WHOLE - weight, plan.candidate: weight}
    return Traffic(weights, mirrors, canary=plan.candidate, sticky=plan.sticky, matches=matches)
