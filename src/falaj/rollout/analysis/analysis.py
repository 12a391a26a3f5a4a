"""The state of one rollout's judgement: requests and labels in, a verdict out; never larger for more of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from falaj.rollout.analysis import evidence
from falaj.rollout.analysis.batch import Batch, Flags, Numbers
from falaj.rollout.analysis.betting import PairedBets
from falaj.rollout.analysis.combine import culprits, log_combined
from falaj.rollout.analysis.evidence import Evidence
from falaj.rollout.analysis.peaks import Peaks
from falaj.rollout.analysis.plan import AnalysisPlan, MetricKind, MetricSpec
from falaj.rollout.analysis.tally import Counts, Tally, by_weight, count_above, count_arms, count_bins
from falaj.rollout.analysis.verdict import MetricVerdict, Verdict

PAIRS_WEIGHT = 0.5  # of two answers to one request, either is as likely to be the worse one when the models are equal
SHIFTED, MISROUTED = "predictions shifted", "traffic is not split as the weights say"


@dataclass(frozen=True)
class Analysis:
    """What is known of a candidate so far.

    Every change returns a new one. All of it goes through JSON, so an agent can keep it on disk and go on after a
    crash as if nothing had happened.

    Attributes:
        plan: What is judged.
        requests: Counts of what was seen at once: rows, errors, latency cuts, score bins.
        labels: Counts of what labels said, by metric.
        bets: Wealth of bets on pairs of losses, by metric.
        step: The current one, from 0.
        exposed: Requests that the canary answered.
        updated_s: Unix seconds.
        peaks: What was reached at a look, and stays.
    """

    plan: AnalysisPlan
    requests: Tally
    labels: Mapping[str, Tally] = field(default_factory=dict)
    bets: Mapping[str, PairedBets] = field(default_factory=dict)
    step: int = 0
    exposed: int = 0
    updated_s: float = 0.0
    peaks: Peaks = field(default_factory=Peaks)

    @staticmethod
    def start(plan: AnalysisPlan) -> Analysis:
        """The state before the first request."""
        labelled = plan.of_kind(MetricKind.QUALITY, MetricKind.QUALITY_PAIRED, MetricKind.DISAGREEMENT)
        paired = plan.of_kind(MetricKind.QUALITY_PAIRED)
        return Analysis(
            plan,
            Tally(1 + sum(_width(metric) for metric in plan.metrics)),
            {metric.name: Tally(2) for metric in labelled},
            {metric.name: PairedBets().start(plan.start_weight(0)) for metric in paired},
        )

    def enter_step(self) -> Analysis:
        """Begin another step or the holdback: evidence starts anew for faults that begin now, and the old goes on."""
        step = self.step + 1
        share = self.plan.start_weight(step)
        return replace(self, step=step, bets={name: bets.start(share) for name, bets in self.bets.items()})

    def update(self, batch: Batch, now_s: float) -> Analysis:
        """Take requests in, in the order in which they were answered."""
        judged, requests = batch.judged(), self.requests
        for weight, rows in by_weight(judged.weight).items():
            requests = requests.add(self.step, weight, self._count(judged.rows(rows)))
        exposed = self.exposed + int(np.count_nonzero(batch.canary))
        return replace(self, requests=requests, exposed=exposed)._looked_at(now_s)

    def observe_losses(self, metric: str, canary: Flags, weight: Numbers, loss: Numbers, now_s: float) -> Analysis:
        """Take in labels of requests that one arm answered.

        Args:
            metric: Name of a `quality` metric.
            canary: Whether the candidate had answered.
            weight: In force when the request was routed.
            loss: In [0, 1].
            now_s: Unix seconds.
        """
        spec = self._of_kind(metric, MetricKind.QUALITY)
        tally, event = self.labels[spec.name], _events(loss, spec.name)
        for value, rows in by_weight(weight).items():
            if 0 < value < 1:
                arm = canary[rows]
                counts = np.array([count_arms(arm, np.ones_like(arm)), count_arms(arm, event[rows])])
                tally = tally.add(self.step, value, counts)
        return replace(self, labels={**self.labels, spec.name: tally})._looked_at(now_s)

    def observe_paired(self, metric: str, loss_stable: Numbers, loss_candidate: Numbers, now_s: float) -> Analysis:
        """Take in labels of requests that both models scored, in the order in which the labels arrived.

        Args:
            metric: Name of a `quality_paired` metric.
            loss_stable: In [0, 1].
            loss_candidate: In [0, 1].
            now_s: Unix seconds.
        """
        spec = self._of_kind(metric, MetricKind.QUALITY_PAIRED)
        _check_losses(loss_stable, spec.name)
        _check_losses(loss_candidate, spec.name)
        difference = loss_candidate - loss_stable
        if spec.binary and not np.isin(difference, (-1, 0, 1)).all():
            raise ValueError(f"metric {spec.name}: losses are to be 0 or 1")
        worse, discordant = difference > 0, difference != 0
        both = np.array([[len(difference)] * 2, count_arms(worse, discordant)])
        return replace(
            self,
            labels={**self.labels, spec.name: self.labels[spec.name].add(self.step, PAIRS_WEIGHT, both)},
            bets={**self.bets, spec.name: self.bets[spec.name].observe(difference, spec.tolerated, spec.margin)},
        )._looked_at(now_s)

    def observe_disagreements(self, metric: str, differs: Flags, now_s: float) -> Analysis:
        """Take in mirrored requests: whether the candidate answered differently from stable."""
        spec = self._of_kind(metric, MetricKind.DISAGREEMENT)
        counts = np.array([[0, len(differs)], [0, np.count_nonzero(differs)]])
        tally = self.labels[spec.name].add(self.step, PAIRS_WEIGHT, counts)
        return replace(self, labels={**self.labels, spec.name: tally})._looked_at(now_s)

    def evidence(self) -> dict[str, Evidence]:
        """What each metric says now, natural logs."""
        found, first = {}, 1
        for spec in self.plan.metrics:
            found[spec.name] = self._evidence_of(spec, first)
            first += _width(spec)
        return found

    def verdict(self) -> Verdict:
        """What follows from the evidence, at this look and at those before."""
        now, plan, peaks = self.evidence(), self.plan, self.peaks
        harm = {name: now[name].harm for name in _judged(plan)}
        pause = self._pause()
        roll_back = peaks.harm >= -math.log(plan.alpha)
        safe = bool(harm) and all(peaks.safe.get(name, 0.0) >= -math.log(plan.alpha_promote) for name in harm)
        gates = [peaks.at_most.get(metric.name, math.inf) for metric in plan.of_kind(*_AT_ONCE)]
        return Verdict(
            roll_back=roll_back,
            promote=safe and not roll_back and pause is None,
            pause=pause,
            leave_step=max(gates, default=1.0),
            culprits=peaks.culprits,
            foremost=max(harm, key=lambda name: harm[name] + math.log(plan.named(name).weight), default=None),
            harm=log_combined(harm, _weights(plan)) / _LN10,
            harm_line=plan.line,
            routing=evidence.of_routing(self.requests, plan, self.step) / _LN10,
            exposed=self.exposed,
            metrics=tuple(self._metric_verdict(spec, now[spec.name]) for spec in plan.metrics),
            at_s=self.updated_s,
        )

    def to_json(self) -> dict[str, Any]:
        """A document of plain values from which `from_json` makes an equal state."""
        return {
            "plan": self.plan.to_json(),
            "requests": self.requests.to_json(),
            "labels": {name: tally.to_json() for name, tally in self.labels.items()},
            "bets": {name: bets.to_json() for name, bets in self.bets.items()},
            "step": self.step,
            "exposed": self.exposed,
            "updated_s": self.updated_s,
            "peaks": self.peaks.to_json(),
        }

    @staticmethod
    def from_json(document: Mapping[str, Any]) -> Analysis:
        """The state of a document made by `to_json`."""
        empty = Analysis.start(AnalysisPlan.from_json(document["plan"]))
        return replace(
            empty,
            requests=Tally.from_json(empty.requests.series, document["requests"]),
            labels={name: Tally.from_json(2, tally) for name, tally in document["labels"].items()},
            bets={name: PairedBets.from_json(bets) for name, bets in document["bets"].items()},
            step=document["step"],
            exposed=document["exposed"],
            updated_s=document["updated_s"],
            peaks=Peaks.from_json(document["peaks"]),
        )

    def _looked_at(self, now_s: float) -> Analysis:
        now, plan = self.evidence(), self.plan
        harm = {name: now[name].harm for name in _judged(plan)}
        peaks = self.peaks.raised(
            harm=log_combined(harm, _weights(plan)),
            shift=log_combined({metric.name: now[metric.name].harm for metric in _watched(plan)}, _weights(plan)),
            routing=evidence.of_routing(self.requests, plan, self.step),
            safe={name: now[name].safe for name in harm},
            at_most={name: now[name].at_most for name in harm},
            culprits=culprits(harm, _weights(plan), -math.log(plan.alpha)),
        )
        return replace(self, updated_s=now_s, peaks=peaks)

    def _count(self, batch: Batch) -> Counts:
        counts = [count_arms(batch.canary, np.ones(len(batch), dtype=bool))[None]]
        for spec in self.plan.metrics:
            if spec.kind is MetricKind.ERRORS:
                counts.append(count_arms(batch.canary, batch.error)[None])
            elif spec.kind is MetricKind.LATENCY:
                counts.append(count_above(batch.canary, batch.latency_ms, spec.cuts))
            elif spec.kind is MetricKind.DISTRIBUTION:
                score = np.full(len(batch), np.nan) if batch.score is None else batch.score
                counts.append(count_bins(batch.canary, score, spec.cuts))
        return np.concatenate(counts)

    def _evidence_of(self, spec: MetricSpec, first: int) -> Evidence:
        match spec.kind:
            case MetricKind.ERRORS:
                return evidence.of_rate(self.requests, first, spec, self.plan, self.step, spec.expected_rate)
            case MetricKind.LATENCY:
                return evidence.of_latency(self.requests, first, spec, self.plan, self.step)
            case MetricKind.DISTRIBUTION:
                return evidence.of_distribution(self.requests, first, spec, self.plan, self.step)
            case MetricKind.QUALITY:
                return evidence.of_rate(self.labels[spec.name], 1, spec, self.plan, self.step, spec.expected_rate)
            case MetricKind.QUALITY_PAIRED:
                return evidence.of_pairs(self.bets[spec.name], self.labels[spec.name], spec, self.plan, self.step)
            case MetricKind.DISAGREEMENT:
                return evidence.of_disagreement(self.labels[spec.name], spec, self.plan, self.step)

    def _metric_verdict(self, spec: MetricSpec, now: Evidence) -> MetricVerdict:
        plan, watched = self.plan, spec.kind is MetricKind.DISTRIBUTION
        peers = _watched(plan) if watched else [metric for metric in plan.metrics if metric.name in _judged(plan)]
        share = spec.weight / sum(metric.weight for metric in peers)
        alpha = plan.alpha_pause if watched else plan.alpha
        return MetricVerdict(
            name=spec.name,
            kind=spec.kind.value,
            harm=now.harm / _LN10,
            harm_line=-math.log10(alpha * share),
            safe=self.peaks.safe.get(spec.name, 0.0) / _LN10,
            safe_line=plan.promotion_line,
            events=now.events,
            requests=now.requests,
            ratio=now.ratio,
            at_least=now.at_least,
            at_most=self.peaks.at_most.get(spec.name, math.inf),
        )

    def _pause(self) -> str | None:
        if self.peaks.routing >= -math.log(self.plan.alpha_routing):
            return MISROUTED
        return SHIFTED if self.peaks.shift >= -math.log(self.plan.alpha_pause) else None

    def _of_kind(self, name: str, kind: MetricKind) -> MetricSpec:
        spec = self.plan.named(name)
        if spec.kind is not kind:
            raise ValueError(f"metric {name} is judged as {spec.kind}, not as {kind}")
        return spec


_LN10 = math.log(10)
_AT_ONCE = (MetricKind.ERRORS, MetricKind.LATENCY)


def _width(spec: MetricSpec) -> int:
    """Series of requests that a metric needs."""
    return {
        MetricKind.ERRORS: 1,
        MetricKind.LATENCY: len(spec.cuts),
        MetricKind.DISTRIBUTION: len(spec.cuts) + 1,
    }.get(spec.kind, 0)


def _judged(plan: AnalysisPlan) -> list[str]:
    return [metric.name for metric in plan.metrics if metric.kind is not MetricKind.DISTRIBUTION]


def _watched(plan: AnalysisPlan) -> tuple[MetricSpec, ...]:
    return plan.of_kind(MetricKind.DISTRIBUTION)


def _weights(plan: AnalysisPlan) -> dict[str, float]:
    return {metric.name: metric.weight for metric in plan.metrics}


def _check_losses(loss: Numbers, name: str) -> None:
    if not ((loss >= 0) & (loss <= 1)).all():
        raise ValueError(f"metric {name}: losses are to be in [0, 1]")


def _events(loss: Numbers, name: str) -> Flags:
    if not np.isin(loss, (0, 1)).all():
        raise ValueError(f"metric {name}: losses are to be 0 or 1")
    lost: Flags = loss == 1
    return lost
