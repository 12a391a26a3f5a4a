"""One rollout at one location, with everything that its agent must remember of it (pure)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from falaj.dataplane.agent.rollouts.blocks import OpenBlocks, Row, block_of
from falaj.dataplane.agent.rollouts.liveness import LEAST_WAIT_S, Vitals
from falaj.statistics.rollout import (
    AnalysisReported,
    Event,
    PersonRequested,
    RolloutPlan,
    RolloutProgress,
    RolloutState,
    RolloutStrategy,
    allowed,
    another_share,
    mirror_of,
    pair_of,
    transition,
    weight_of,
)
from falaj.statistics.rollout.analysis import MISROUTED, Analysis, MetricVerdict, RolloutVerdict
from falaj.statistics.rollout.judging import analysis_report, of_holdback

WAITS = 5
"""So many times as long as a request may take, traffic is split otherwise than the weights say before that is said."""
SHOWN_POINTS = 60
"""So many of them are told while it goes on."""
POINTS = 240
"""A trajectory never has more points; when it would, every second one goes and the next ones are half as dense."""
_FIRST_INTERVAL_S = 0.5
FEWEST_OF_UNITS, FEWEST_NEW = 500, 0.01
"""Of so many requests of sticky units, fewer than this share from new ones: a step gets no more evidence."""


@dataclass(frozen=True)
class RolloutRecord:
    """Where a rollout is, what was seen, and how it came there.

    Args:
        plan: What it is to do.
        rollout: Where it is.
        analysis: The evidence; None before the candidate was ready.
        ready_at: When it was, unix seconds.
        ramp: The evidence of the steps, once the holdback has its own; late labels of theirs still count there.
        holdback_at: When the holdback began, unix seconds.
        classes: Classes of the model that were met.
        units: Requests of the current step that came from sticky units counted first and counted before.
        blocks: Requests of the two arms that are compared, whose block of time is not over.
        lengths_s: How long a block is in each step and in the holdback, in seconds; the last one counts on.
        expected: How long it will take at the traffic of the past, in words; empty where that is not known.
        candidate_down_s: When the candidate was last seen with a replica that did not run, unix seconds.
        baseline_down_s: The same of its baseline.
        vitals: Whether the candidate answers at all.
        misrouted_s: Since when requests seem not to be split as the weights say, unix seconds; None while they do.
        longest_wait_s: So long a request may take until it counts as not answered.
        labels_after: Up to which number of the label join labels were counted.
        log_position: Up to where copies in the prediction log were counted.
        copies: Copies that the candidate answered and failed to, as the gateway counted them.
        handled_requests: How many of the requests of people were done.
        answered: Requests that the stable release and the candidate answered.
        captured: The slice on which the candidate failed, as it is told; None before, and where there is none.
        trajectory: Points in time: when, state, weight, evidence by metric.
        interval_s: Least time between two points.
    """

    plan: RolloutPlan
    rollout: RolloutProgress = field(default_factory=RolloutProgress)
    analysis: Analysis | None = None
    ready_at: float | None = None
    ramp: Analysis | None = None
    holdback_at: float | None = None
    classes: tuple[Any, ...] = ()
    units: tuple[int, int] = (0, 0)
    blocks: OpenBlocks = field(default_factory=OpenBlocks)
    lengths_s: tuple[float, ...] = (1.0,)
    expected: str = ""
    candidate_down_s: float = 0.0
    baseline_down_s: float = 0.0
    vitals: Vitals = field(default_factory=Vitals)
    longest_wait_s: float = LEAST_WAIT_S
    misrouted_s: float | None = None
    labels_after: int = 0
    log_position: Mapping[str, Any] = field(default_factory=dict)
    copies: tuple[int, int] = (0, 0)
    handled_requests: int = 0
    answered: tuple[int, int] = (0, 0)
    captured: Mapping[str, Any] | None = None
    trajectory: tuple[Mapping[str, Any], ...] = ()
    interval_s: float = _FIRST_INTERVAL_S

    def happened(self, event: Event, now: float) -> RolloutRecord:
        """The record after an event; evidence starts anew where another share of the traffic is risked."""
        after = transition(self.plan, self.rollout, event, now)
        if after is self.rollout:
            return self
        if self.analysis is not None and another_share(self.rollout, after):
            return self._entering(after, now).noted(now, always=True)
        return replace(self, rollout=after).noted(now, always=True)

    def closed(self, now: float) -> RolloutRecord:
        """The record after judging the blocks that are over."""
        if self.analysis is None or not self.analysis.blocks:
            return self
        over, open_blocks = self.blocks.close(now)
        return replace(self, blocks=open_blocks)._observed(over, now)

    def _held_back(self, after: RolloutProgress, ramp: Analysis, now: float) -> RolloutRecord:
        """The record in its holdback, which is a test of its own: sticky units count once more there."""
        fresh = Analysis.start(of_holdback(ramp.plan, self.plan))
        blocks = OpenBlocks(self.lengths_s[-1], looked_s=now)
        return replace(self, rollout=after, analysis=fresh, ramp=ramp, holdback_at=now, units=(0, 0), blocks=blocks)

    def counted_units(self, first: int, repeated: int) -> RolloutRecord:
        """The record after requests of sticky units, of which so many were counted before."""
        units = (self.units[0] + first, self.units[1] + repeated)
        if (total := sum(units)) > 2 * FEWEST_OF_UNITS:  # what came lately decides
            new = units[0] * FEWEST_OF_UNITS // total
            units = (new, FEWEST_OF_UNITS - new)
        return self if units == self.units else replace(self, units=units)

    @property
    def exhausted(self) -> str:
        """Why the current step gets no more evidence, in words; empty while it does."""
        first, repeated = self.units
        if first + repeated < FEWEST_OF_UNITS or first >= FEWEST_NEW * (first + repeated):
            return ""
        return f"of the last {first + repeated} requests {repeated} came from users who were counted before"

    def heard(self, wishes: Sequence[PersonRequested], now: float) -> RolloutRecord:
        """The record after doing what people asked for since the last time."""
        fresh, record = wishes[self.handled_requests :], self
        for command in fresh:
            record = record.happened(command, now)
        return replace(record, handled_requests=len(wishes)) if fresh else self

    def verdict(self) -> RolloutVerdict | None:
        """What the evidence says now."""
        return None if self.analysis is None else self.analysis.verdict()

    def evaluate(self, now: float) -> RolloutRecord:
        """The record after looking at the evidence and at the clock."""
        current_verdict = self.verdict()
        event = AnalysisReported() if current_verdict is None else analysis_report(current_verdict, self.plan)
        if self.ramp is not None and not event.harm:
            late = analysis_report(
                self.ramp.verdict(), self.plan
            )  # by union: each of the two has its share of the bound
            event = replace(event, harm=late.harm, culprits=late.culprits)
        event = replace(event, exhausted=self.exhausted)
        misrouted_s = self._misrouted_since(event.doubt, now)
        if event.doubt == MISROUTED and (misrouted_s is None or now - misrouted_s < WAITS * self.longest_wait_s):
            event = replace(event, doubt="")
        record = self if misrouted_s == self.misrouted_s else replace(self, misrouted_s=misrouted_s)
        if dead := self.vitals.dead(self.longest_wait_s, now) if self.weight > 0 else "":
            event = replace(event, harm=f"the candidate {dead}", culprits=("errors",))
        return record.happened(event, now).noted(now)

    def _misrouted_since(self, doubt: str, now: float) -> float | None:
        """Since when requests are not split as the weights say, though none waits for the candidate's answer.

        What still waits is in no log: a candidate that hangs, or takes a second, looks as if it got too few.
        """
        if doubt != MISROUTED or self.vitals.bad or self.vitals.silent(self.longest_wait_s, now):
            return None
        return now if self.misrouted_s is None else self.misrouted_s

    @property
    def weight(self) -> int:
        """The candidate's share of the requests in 1/10,000."""
        return weight_of(self.plan, self.rollout)

    @property
    def judged_from_s(self) -> float:
        """From when on the candidate's answers count, unix seconds: its caches are warm."""
        return (self.ready_at or 0.0) + self.plan.burn_in_s

    @property
    def given_up(self) -> bool:
        """Whether no request goes to the candidate any more, not even one that asks for it by a match."""
        return self.rollout.state in (RolloutState.ROLLING_BACK, RolloutState.ROLLED_BACK, RolloutState.ABORTED)

    @property
    def mirror(self) -> float:
        """The share of the requests that the candidate gets a copy of."""
        return mirror_of(self.plan, self.rollout)

    def _entering(self, after: RolloutProgress, now: float) -> RolloutRecord:
        """The record in another step; what came before it is judged as it was."""
        assert self.analysis is not None
        record = self._observed(self.blocks.all(), now)
        assert record.analysis is not None
        if after.state is RolloutState.HOLDBACK:
            return record._held_back(after, record.analysis, now)
        pairs = [pair_of(self.plan, rollout) for rollout in (self.rollout, after)]
        another_pair = (pairs[0] and pairs[0].baseline_of) != (pairs[1] and pairs[1].baseline_of)
        analysis = record.analysis.enter_step(another_pair=another_pair)
        length_s = self.lengths_s[min(analysis.step, len(self.lengths_s) - 1)]
        blocks = OpenBlocks(length_s, looked_s=now)
        return replace(record, rollout=after, analysis=analysis, blocks=blocks, units=(0, 0))

    def _observed(self, blocks: Sequence[tuple[float, Sequence[Row]]], now: float) -> RolloutRecord:
        """The record after judging some blocks; those in which the baseline did not run whole say nothing."""
        analysis = self.analysis
        for end_s, rows in blocks if analysis is not None else ():
            began_s = end_s - self.blocks.length_s
            if self.baseline_down_s >= began_s:
                continue
            warm = max(self.candidate_down_s, self.baseline_down_s) < began_s - self.plan.burn_in_s
            assert analysis is not None
            analysis = analysis.observe_block(block_of(rows, whole=warm), end_s, now)
        return replace(self, analysis=analysis)

    def noted(self, now: float, *, always: bool = False) -> RolloutRecord:
        """The record with a point of its trajectory, if the last one is old enough."""
        last = self.trajectory[-1]["at"] if self.trajectory else -math.inf
        if not always and (now - last < self.interval_s or self.rollout.ended):
            return self
        points = (*self.trajectory, self._point(now))
        if len(points) <= POINTS:
            return replace(self, trajectory=points)
        return replace(self, trajectory=(*points[:-1:2], points[-1]), interval_s=2 * self.interval_s)

    def _point(self, now: float) -> Mapping[str, Any]:
        current_verdict = self.verdict()
        metrics = {m.name: [_short(m.harm), _short(m.safe)] for m in current_verdict.metrics} if current_verdict else {}
        harm = _short(current_verdict.harm) if current_verdict else 0.0
        return {
            "at": round(now, 3), "state": str(self.rollout.state), "weight": self.weight, "harm": harm,
            "metrics": metrics, "answered": list(self.answered),
        }  # fmt: skip

    def report(self) -> dict[str, Any]:
        """What the control plane is told, and what is signed in the end."""
        current_verdict, rollout, plan = self.verdict(), self.rollout, self.plan
        return {
            "id": plan.id, "strategy": str(plan.strategy), "candidate": plan.candidate, "stable": plan.stable,
            "state": str(rollout.state), "step": rollout.step, "weight": self.weight, "mirror": self.mirror,
            "since": rollout.since, "reason": rollout.reason, "culprits": list(rollout.culprits), "by": rollout.by,
            "requests": {"stable": self.answered[0], "candidate": self.answered[1]},
            "harm": _short(current_verdict.harm) if current_verdict else 0.0,
            "harm_line": _short(current_verdict.harm_line) if current_verdict else None,
            "metrics": [_metric(metric) for metric in self._shown(current_verdict)] if current_verdict else [],
            "notes": [*([self.expected] if self.expected else []), *self._promise(),
            *(current_verdict.notes if current_verdict else ())],
            "allowed": sorted(allowed(rollout.state, plan.strategy)), "asked": self.handled_requests,
            "plan": plan.to_json(), "captured": self.captured,
            "trajectory": list(self.trajectory if rollout.ended else thinned(self.trajectory)),
        }  # fmt: skip

    def _shown(self, current_verdict: RolloutVerdict) -> Sequence[MetricVerdict]:
        """The metrics as the test in force has them; that a candidate is good enough was shown by the steps."""
        if self.ramp is None:
            return current_verdict.metrics
        steps = {metric.name: metric for metric in self.ramp.verdict().metrics}
        return [
            replace(each, safe=steps[each.name].safe, at_most=steps[each.name].at_most)
            for each in current_verdict.metrics
        ]

    def _promise(self) -> list[str]:
        """What is not promised of this rollout, in words."""
        judged_by = {metric.name for metric in self.plan.metrics}
        if self.plan.strategy is not RolloutStrategy.CANARY or self.plan.baseline or "latency" not in judged_by:
            return []
        return ["without a baseline no bound on false alarms is promised for latency: arms of unequal size differ"]

    def to_json(self) -> dict[str, Any]:
        """The record for a file."""
        return {
            "plan": self.plan.to_json(), "rollout": self.rollout.to_json(),
            "analysis": self.analysis.to_json() if self.analysis else None, "ready_at": self.ready_at,
            "ramp": self.ramp.to_json() if self.ramp else None, "holdback_at": self.holdback_at,
            "classes": list(self.classes), "units": list(self.units),
            "blocks": self.blocks.to_json(), "lengths_s": list(self.lengths_s), "expected": self.expected,
            "candidate_down_s": self.candidate_down_s, "baseline_down_s": self.baseline_down_s,
            "vitals": self.vitals.to_json(), "longest_wait_s": self.longest_wait_s,
            "misrouted_s": self.misrouted_s,
            "labels_after": self.labels_after, "log_position": dict(self.log_position), "copies": list(self.copies),
            "captured": self.captured, "asked": self.handled_requests, "answered": list(self.answered),
            "trajectory": list(self.trajectory), "interval_s": self.interval_s,
        }  # fmt: skip

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> RolloutRecord:
        """Read it back."""
        stable, candidate = value["answered"]
        copied, failed = value["copies"]
        first, repeated = value["units"]
        return cls(
            plan=RolloutPlan.from_json(value["plan"]), rollout=RolloutProgress.from_json(value["rollout"]),
            analysis=Analysis.from_json(value["analysis"]) if value["analysis"] else None,
            ramp=Analysis.from_json(value["ramp"]) if value["ramp"] else None, holdback_at=value["holdback_at"],
            classes=tuple(value["classes"]), units=(first, repeated),
            blocks=OpenBlocks.from_json(value["blocks"]), lengths_s=tuple(value["lengths_s"]),
            expected=value["expected"],
            candidate_down_s=value["candidate_down_s"], baseline_down_s=value["baseline_down_s"],
            vitals=Vitals.from_json(value["vitals"]), longest_wait_s=value["longest_wait_s"],
            misrouted_s=value["misrouted_s"],
            ready_at=value["ready_at"], labels_after=value["labels_after"], log_position=value["log_position"],
            copies=(copied, failed), handled_requests=value["asked"], answered=(stable, candidate),
            captured=value["captured"], trajectory=tuple(value["trajectory"]), interval_s=value["interval_s"],
        )  # fmt: skip


def thinned(points: Sequence[Mapping[str, Any]], most: int = SHOWN_POINTS) -> Sequence[Mapping[str, Any]]:
    """At most so many of the points, evenly spread, the last one among them."""
    if len(points) <= most:
        return points
    return [points[round(place * (len(points) - 1) / (most - 1))] for place in range(most)]


def _metric(metric_verdict: Any) -> dict[str, Any]:
    numbers = ("harm", "harm_line", "safe", "safe_line", "ratio", "at_least", "at_most")
    rounded = {name: _short(getattr(metric_verdict, name)) for name in numbers}
    counts = {"events": list(metric_verdict.events), "requests": list(metric_verdict.requests)}
    return {"name": metric_verdict.name, "kind": metric_verdict.kind, **counts, **rounded}


def _short(value: float | None) -> float | None:
    """A number that JSON can hold, with as many digits as a person reads."""
    return None if value is None or not math.isfinite(value) else round(value, 4)
