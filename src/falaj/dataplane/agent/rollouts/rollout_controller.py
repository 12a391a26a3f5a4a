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

from falaj.dataplane.access_log import Access, AccessLog, Position
from falaj.dataplane.agent.admission_queue import Offer
from falaj.dataplane.agent.rollouts import counting
from falaj.dataplane.agent.rollouts.blocks import OpenBlocks
from falaj.dataplane.agent.rollouts.capturing import Captures
from falaj.dataplane.agent.rollouts.labelled import (
    SHADOWED,
    Answer,
    Once,
    classes_met,
    is_comparable,
    is_judged_by_scores,
    quality_of,
    release_of,
    with_blocks_closed,
    with_labels,
    with_pairs,
    with_scores,
)
from falaj.dataplane.agent.rollouts.predictions import RolloutPredictions
from falaj.dataplane.agent.rollouts.rollout_record import RolloutRecord
from falaj.dataplane.agent.rollouts.steady_clock import SteadyClock
from falaj.dataplane.agent.rollouts.units import Units
from falaj.dataplane.desired_state import BaselineStatus, DesiredRollout, DesiredState, EndpointState, EndpointStatus
from falaj.dataplane.errors import DesiredStateError
from falaj.dataplane.label_join import JoinedLabel
from falaj.dataplane.runtimes.process.files import read_json, write_json
from falaj.dataplane.traffic_split import BaselineArm, HeaderMatch, Traffic
from falaj.statistics.losses import LOSSES, OF_NUMBERS, error_of, score_of
from falaj.statistics.rollout import (
    WHOLE,
    Applied,
    Failed,
    Hindered,
    Ready,
    RolloutPlan,
    RolloutState,
    RolloutStrategy,
    Started,
    block_length_s,
    pair_of,
)
from falaj.statistics.rollout.analysis import Analysis
from falaj.statistics.rollout.forecast import forecast, in_words, refusal
from falaj.statistics.rollout.judging import analysis_plan

SAVE_EVERY_S = 0.5
REPORT_EVERY_S = 1.0
PAST_BYTES = 2 << 20
"""So much of the access log before a rollout tells how fast the stable release was."""
_log = logging.getLogger(__name__)
_NOTHING: Mapping[str, Any] = {"position": None, "records": []}
Arm = tuple[str, int]
Key = tuple[str, str]
"""Endpoint and id of a rollout."""


class RolloutController:
    """All rollouts of a location.

    Args:
        folder: The location's folder.
        access_log: Of the gateway.
        predictions: What was predicted, and the labels.
        copies: How many copies a release of an endpoint was to get, and how many it failed, since the gateway started.
        clock: Unix time that does not jump; None for that of the machine.
    """

    def __init__(
        self,
        folder: Path,
        access_log: AccessLog,
        predictions: RolloutPredictions,
        copies: Callable[[str, int], tuple[int, int]],
        clock: SteadyClock | None = None,
    ) -> None:
        self._file = folder / "rollouts.json"
        self._access_log = access_log
        self._predictions = predictions
        self._captures = Captures(predictions)
        self._copies = copies
        self._clock = clock or SteadyClock()
        self._units = Units(folder / "units")
        self._position, self._records = _stored(read_json(self._file) or _NOTHING)
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
        wishes: dict[Key, DesiredRollout] = {
            (endpoint, desired_rollout.plan.id): desired_rollout
            for endpoint, endpoint_rollouts in desired.rollouts.items()
            for desired_rollout in endpoint_rollouts
        }
        if not self.active:
            self._clock.reset()
        now, before = self._clock(), self._records
        self._records = {
            key: (before.get(key) or _begun(desired_rollout, now))
            .happened(Started(), now)
            .heard(desired_rollout.requests, now)
            for key, desired_rollout in wishes.items()
        }
        if before.keys() - wishes.keys():
            self._units.keep({record.plan.id for record in self._records.values()})
        self._reports = {key: report for key, report in self._reports.items() if key in self._records}
        if not self._records:
            self._position = None
        if _changed(self._records, before):
            self._save()

    def traffic(self) -> dict[str, Traffic]:
        """How the requests of each endpoint with a rollout are shared."""
        by_endpoint: dict[str, list[RolloutRecord]] = {}
        for (endpoint, _), record in self._records.items():
            by_endpoint.setdefault(endpoint, []).append(record)
        return {endpoint: _traffic(records) for endpoint, records in by_endpoint.items()}

    def observe(self, offer: Offer, statuses: Sequence[EndpointStatus]) -> None:
        """Take in what the data plane says after it did what `traffic` asked for."""
        if not self._records:
            return
        now, before = self._clock(), self._records
        arm_statuses: dict[Arm, EndpointStatus] = {(status.endpoint, status.release): status for status in statuses}
        refused = {arm: status for arm, status in offer.obstacles.items() if status.state is EndpointState.FAILED}
        arm_statuses |= {arm: _refused(status, arm_statuses.get(arm)) for arm, status in refused.items()}
        self._records = {key: self._with_requests(key[0], record, arm_statuses, now) for key, record in before.items()}
        self._count(now)
        self._records = {key: record.evaluate(now) for key, record in self._records.items()}
        moved = any(before[key].rollout != record.rollout for key, record in self._records.items())
        self._dirty = self._dirty or _changed(self._records, before)
        if moved or now - self._reported_at >= REPORT_EVERY_S:
            self._reports = {key: record.report() for key, record in self._records.items()}
            self._reported_at = now
        if moved or (self._dirty and now - self._saved_at >= SAVE_EVERY_S):
            self._save()

    def reports(self, endpoint: str) -> tuple[Mapping[str, Any], ...]:
        """What the control plane is told of an endpoint's rollouts."""
        return tuple(report for (name, _), report in self._reports.items() if name == endpoint)

    def main(self, endpoint: str) -> RolloutRecord | None:
        """The rollout that moves an endpoint; challengers do not."""
        mine = (record for (name, _), record in self._records.items() if name == endpoint)
        return next((record for record in mine if record.plan.strategy is not RolloutStrategy.CHALLENGER), None)

    def _with_requests(
        self, endpoint: str, record: RolloutRecord, arm_statuses: Mapping[Arm, EndpointStatus], now: float
    ) -> RolloutRecord:
        candidate = arm_statuses.get((endpoint, record.plan.candidate))
        record = _observe(record, endpoint, arm_statuses, now)
        if record.rollout.state in (RolloutState.PROMOTING, RolloutState.ROLLING_BACK):
            record = self._applied(endpoint, record, now)  # the data plane converged with the traffic of this state
        if candidate is None:
            return record
        if candidate.state is EndpointState.FAILED:
            return record.happened(Failed(candidate.message or "the candidate does not run"), now)
        if candidate.state is EndpointState.READY and record.ready_at is None and not record.given_up:
            past, end = self._access_log.recent(PAST_BYTES)
            self._position = self._position or end
            logged_from_s = self._clock.wall() - record.plan.warm_up_s  # the candidate has logged nothing before
            before = f"{int(logged_from_s * 1e9):020d}"
            past_labels = self._past_labels(endpoint, record)
            rate = counting.rate(past, endpoint)
            lengths = block_lengths(record.plan, rate)
            expected = forecast(record.plan, lengths) if rate else None
            if expected and rate and (why := refusal(record.plan, expected, rate)):
                return record.happened(Failed(why), now)
            record = replace(
                record,
                ready_at=now,
                analysis=self._analysis(endpoint, record, past, past_labels),
                classes=classes_met((), past_labels),
                blocks=OpenBlocks(lengths[0], looked_s=now),
                lengths_s=lengths,
                expected=in_words(expected, rate) if expected and rate else "",
                longest_wait_s=counting.longest_wait_s(counting.latencies(past, endpoint, record.plan.stable)),
                labels_after=self._predictions.newest_label(),
                log_position={"before": before},
                copies=self._copies(endpoint, record.plan.candidate),
            )
        if candidate.state is not EndpointState.READY:
            return record
        return _compared(record, _baseline_of(record, endpoint, arm_statuses), now)

    def _analysis(
        self, endpoint: str, record: RolloutRecord, past: Sequence[Access], past_labels: Sequence[JoinedLabel]
    ) -> Analysis:
        latency = counting.latencies(past, endpoint, record.plan.stable)
        scores: list[float] = []
        if any(metric.name in ("predictions", *OF_NUMBERS) for metric in record.plan.metrics):
            answers = self._predictions.recent(endpoint, record.plan.stable)
            scores = [score_of(each.outputs, row) for each in answers for row in range(len(each.rows))]
        errors = [
            error_of(each.outputs, row, label)
            for each in past_labels
            if release_of(each.prediction) == record.plan.stable
            for row, label in enumerate(each.label)
        ]
        return Analysis.start(analysis_plan(record.plan, latency, scores, errors))

    def _past_labels(self, endpoint: str, record: RolloutRecord) -> Sequence[JoinedLabel]:
        """What losses are scaled by; nothing where none is judged."""
        is_judged = any(metric.name in LOSSES for metric in record.plan.metrics)
        return self._predictions.all_labelled(endpoint) if is_judged else ()

    def _count(self, now: float) -> None:
        """Count what was answered since the last time."""
        if all(record.analysis is None for record in self._records.values()):
            return
        accesses, position = self._access_log.read(self._position)
        if position != self._position:
            self._position, self._dirty = position, True
        by_endpoint = counting.by_endpoint(accesses)
        for key, record in self._records.items():
            if record.analysis is None or record.rollout.ended:
                continue
            own_accesses = by_endpoint.get(key[0], [])
            if record.mirror:
                counted = self._shadowed(key[0], record, own_accesses, now)
            else:
                counted = self._scored(key[0], self._routed(key, own_accesses, now), now)
            self._records[key] = self._labelled(key[0], counted.closed(now), now)

    def _routed(self, key: Key, accesses: Sequence[Access], now: float) -> RolloutRecord:
        record = self._records[key]
        if not (record.plan.sticky and record.analysis):
            return counting.counted(record, accesses, now)
        test = f"{record.plan.id}.{'requests' if record.ramp is None else 'holdback'}"
        unit_counts: list[int] = []

        def once(batch: Sequence[Access]) -> Sequence[Access]:
            first = self._units.first(test, batch, lambda access: access.unit)
            unit_counts.extend((len(first), len(batch)))
            return first

        counted = counting.counted(record, accesses, now, once)
        return counted.counted_units(unit_counts[0], unit_counts[1] - unit_counts[0]) if unit_counts else counted

    def _scored(self, endpoint: str, record: RolloutRecord, now: float) -> RolloutRecord:
        """Count what both arms predict, where the plan compares that."""
        if not is_judged_by_scores(record) or record.plan.strategy in SHADOWED:
            return record
        answers, position = self._predictions.answers(endpoint, record.log_position)
        mine = [answer for answer in answers if is_comparable(record, answer)]
        if record.plan.sticky:
            test = f"{record.plan.id}.{'scores' if record.ramp is None else 'holdback-scores'}"
            mine = list(self._units.first(test, mine, lambda answer: answer.routing.unit))
        return with_scores(replace(record, log_position=position), mine, now)

    def _shadowed(self, endpoint: str, record: RolloutRecord, accesses: Sequence[Access], now: float) -> RolloutRecord:
        """Count copies: what both answered, what the shadow failed to answer, and what the stable release did."""
        plan = record.plan
        pairs, position = self._predictions.pairs(endpoint, (plan.stable, plan.candidate), record.log_position)
        copied, failed = self._copies(endpoint, plan.candidate)
        failed_before = record.copies[1] if copied >= record.copies[0] else 0  # fewer: of another gateway
        failed = max(failed, failed_before)
        refused = counting.failures(accesses, plan.stable, record.mirror)
        counted = with_pairs(record, pairs, failed - failed_before, refused, now)
        return replace(counted, log_position=position, copies=(copied, failed))

    def _applied(self, endpoint: str, record: RolloutRecord, now: float) -> RolloutRecord:
        """The record after its traffic moved; a rollback for answers ends when what failed is cut out."""
        is_rollback = record.rollout.state is RolloutState.ROLLING_BACK
        if not (is_rollback and set(record.rollout.culprits) & set(quality_of(record))):
            return record.happened(Applied(), now)
        captured = self._captures.of(endpoint, record)
        if not captured.done():
            return record
        self._captures.forget(record)
        return replace(record.happened(Applied(), now), captured=captured.result())

    def _stable_answer(self, endpoint: str, record: RolloutRecord) -> Answer:
        return lambda request_id: self._predictions.answer(endpoint, request_id, record.plan.stable)

    def _labelled(self, endpoint: str, record: RolloutRecord, now: float) -> RolloutRecord:
        if not quality_of(record):
            return record
        joined, after = self._predictions.labelled(endpoint, record.labels_after)
        if not joined:
            record = with_blocks_closed(record, now)
            return record if after == record.labels_after else replace(record, labels_after=after)
        counted = with_labels(record, joined, self._stable_answer(endpoint, record), now, self._once(record))
        return replace(counted, labels_after=after)

    def _once(self, record: RolloutRecord) -> Once:
        """Leaves one label of each unit of a sticky rollout, in the steps and in the holdback."""
        if not record.plan.sticky:
            return lambda _test, labels: labels
        return lambda test, labels: self._units.first(f"{record.plan.id}.{test}", labels, lambda each: each.unit)

    def _save(self) -> None:
        records = [{"endpoint": key[0], "record": record.to_json()} for key, record in self._records.items()]
        position = self._position.to_json() if self._position else None
        write_json(self._file, {"position": position, "records": records})
        self._saved_at, self._dirty = self._clock(), False


def block_lengths(plan: RolloutPlan, rate: float | None) -> tuple[float, ...]:
    """How long a block is in each step and in the holdback, in seconds.

    Args:
        plan: Of the rollout.
        rate: Requests a second to its endpoint in the past; None where that is not known.
    """
    shares = [min(step, WHOLE - step) for step in (*plan.steps, *([WHOLE - plan.holdback] if plan.holdback_s else []))]
    return tuple(block_length_s(rate, share / WHOLE) for share in shares) or (1.0,)


def _refused(obstacle: EndpointStatus, running: EndpointStatus | None) -> EndpointStatus:
    """The status of a release that is not admitted again; what runs of it for comparison goes on."""
    return obstacle if running is None else replace(obstacle, baseline=running.baseline, in_flight=running.in_flight)


def _baseline_of(
    record: RolloutRecord, endpoint: str, arm_statuses: Mapping[Arm, EndpointStatus]
) -> BaselineStatus | None:
    pair = pair_of(record.plan, record.rollout)
    status = arm_statuses.get((endpoint, pair.baseline_of)) if pair else None
    return status.baseline if status else None


def _observe(
    record: RolloutRecord, endpoint: str, arm_statuses: Mapping[Arm, EndpointStatus], now: float
) -> RolloutRecord:
    """The record after seeing which replicas run, and how many requests the candidate works on."""
    candidate, baseline = (
        arm_statuses.get((endpoint, record.plan.candidate)),
        _baseline_of(record, endpoint, arm_statuses),
    )
    vitals = record.vitals.working(candidate.in_flight if candidate else 0, now)
    if record.rollout.state in (RolloutState.PENDING, RolloutState.WARMING):
        return record  # burn-in begins with the first requests
    if candidate is None or candidate.state is not EndpointState.READY:
        record = replace(record, candidate_down_s=now)
    if pair_of(record.plan, record.rollout) and (baseline is None or baseline.state is not EndpointState.READY):
        record = replace(record, baseline_down_s=now)
    return record if vitals == record.vitals else replace(record, vitals=vitals)


def _compared(record: RolloutRecord, baseline: BaselineStatus | None, now: float) -> RolloutRecord:
    """The record of a candidate that runs: it begins when there is something to compare it with."""
    waits = record.rollout.state is RolloutState.WARMING and pair_of(record.plan, record.rollout) is not None
    if not waits or (baseline and baseline.state is EndpointState.READY):
        return record.happened(Ready(), now)
    late = now - record.rollout.since >= record.plan.warm_up_s
    if late or (baseline and baseline.state is EndpointState.FAILED):
        why = baseline.message if baseline and baseline.message else f"not ready after {record.plan.warm_up_s:.0f} s"
        return record.happened(Hindered(f"the baseline does not run, so nothing can be compared: {why}"), now)
    return record


def _changed(records: Mapping[Key, RolloutRecord], before: Mapping[Key, RolloutRecord]) -> bool:
    """Whether anything happened: records are never changed, only replaced, and evidence is dear to compare."""
    return records.keys() != before.keys() or any(record is not before[key] for key, record in records.items())


def _stored(value: Any) -> tuple[Position | None, dict[Key, RolloutRecord]]:
    """What was written last.

    Evidence that another version of the agent wrote and this one cannot read begins anew, with the candidate out of
    the traffic.
    """
    stored_records: dict[Key, RolloutRecord] = {}
    try:
        position = Position.from_json(value["position"]) if value["position"] else None
        items = list(value["records"])
    except (KeyError, TypeError, ValueError) as error:
        _log.warning("rollouts.begin-anew reason=%r", error)
        return None, stored_records
    for item in items:
        try:
            record = RolloutRecord.from_json(item["record"])
            stored_records[item["endpoint"], record.plan.id] = record
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            _log.warning("rollout.begins-anew reason=%r", error)
    return position, stored_records


def _begun(desired_rollout: DesiredRollout, now: float) -> RolloutRecord:
    """A new record; a plan that cannot be carried out is given up, and the location goes on with all others."""
    record = RolloutRecord(desired_rollout.plan)
    try:
        analysis_plan(desired_rollout.plan, (), ())
        _traffic([record])
    except (DesiredStateError, TypeError, ValueError) as error:
        return record.happened(Failed(f"the plan cannot be carried out: {error}"), now)
    return record


def _traffic(records: Sequence[RolloutRecord]) -> Traffic:
    main = next((record for record in records if record.plan.strategy is not RolloutStrategy.CHALLENGER), None)
    mirrors = {record.plan.candidate: record.mirror for record in records if record.mirror > 0}
    if main is None:
        return Traffic({records[0].plan.stable: WHOLE}, mirrors)
    plan, weight, pair = main.plan, main.weight, pair_of(main.plan, main.rollout)
    weights = {plan.stable: WHOLE - weight, plan.candidate: weight}
    if main.given_up:
        return Traffic(weights, mirrors, candidate=plan.candidate)
    matches = tuple(HeaderMatch(**{**match, "release": plan.candidate}) for match in plan.matches)  # type: ignore[arg-type]
    baseline = BaselineArm(pair.baseline_of, pair.weight) if pair else None
    return Traffic(weights, mirrors, plan.candidate, plan.sticky, matches, baseline)
