"""The state of one rollout's judgement: requests and labels in, a verdict out; it does not grow with them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from falaj.statistics.rollout.analysis import evidence, rates
from falaj.statistics.rollout.analysis.arrivals import Arrivals
from falaj.statistics.rollout.analysis.batch import Batch, Flags, Numbers
from falaj.statistics.rollout.analysis.betting import Bets
from falaj.statistics.rollout.analysis.block import Block
from falaj.statistics.rollout.analysis.error_blocks import ErrorBlocks
from falaj.statistics.rollout.analysis.evidence import MetricEvidence
from falaj.statistics.rollout.analysis.label_blocks import LabelBlocks, LabelSums, by_block
from falaj.statistics.rollout.analysis.latency_blocks import LatencyBlocks
from falaj.statistics.rollout.analysis.look import Look
from falaj.statistics.rollout.analysis.plan import AnalysisPlan, MetricKind, MetricSpec
from falaj.statistics.rollout.analysis.running_maxima import Peaks
from falaj.statistics.rollout.analysis.shadow_carryover import carry
from falaj.statistics.rollout.analysis.tally import Counts, Tally, by_weight, count_above, count_arms, count_bins
from falaj.statistics.rollout.analysis.verdict import RolloutVerdict, verdict_of

_BY_BLOCKS = (MetricKind.ERROR_BLOCKS, MetricKind.LATENCY_BLOCKS)
PAIRS_WEIGHT = 0.5  # of two answers to one request, either is as likely to be the worse one when the models are equal


@dataclass(frozen=True)
class Analysis:
    """What is known of a candidate so far.

    Every change returns a new one. All of it goes through JSON, so an agent can keep it on disk and go on after a
    crash as if nothing had happened.

    Attributes:
        plan: What is judged.
        requests: Counts of what was seen at once: rows, errors, latency cuts, score bins.
        labels: Counts of what labels and comparisons said, by metric.
        bets: Wealth of bets on mean losses, by metric.
        label_blocks: Labels that were not bet on yet, by metric.
        arrivals: Which arm labels came from, by age and outcome.
        blocks: What blocks of time said of errors and latency of two arms of equal size, by metric.
        step: The current one, from 0.
        exposed: Requests that the canary answered.
        updated_s: When something was last taken in, unix seconds.
        peaks: What was reached at a look, and stays.
    """

    plan: AnalysisPlan
    requests: Tally
    labels: Mapping[str, Tally] = field(default_factory=dict)
    bets: Mapping[str, Bets] = field(default_factory=dict)
    label_blocks: Mapping[str, LabelBlocks] = field(default_factory=dict)
    arrivals: Arrivals = field(default_factory=lambda: Arrivals({}))
    blocks: Mapping[str, ErrorBlocks | LatencyBlocks] = field(default_factory=dict)
    step: int = 0
    exposed: int = 0
    updated_s: float = 0.0
    peaks: Peaks = field(default_factory=Peaks)

    @staticmethod
    def start(plan: AnalysisPlan, carried: Analysis | None = None) -> Analysis:
        """The state before the first request.

        Args:
            plan: What is to be judged.
            carried: The state at the end of a phase before, such as a shadow; for metrics of the same specification
                its evidence goes on.
        """
        later = plan.of_kind(MetricKind.QUALITY, MetricKind.QUALITY_PAIRED, MetricKind.DISAGREEMENT)
        losses = plan.of_kind(MetricKind.QUALITY, MetricKind.QUALITY_PAIRED)
        first = Bets().start(plan.start_weight(0))
        fresh = Analysis(
            plan,
            Tally(1 + sum(rates.width(metric) for metric in plan.metrics)),
            {metric.name: Tally(2) for metric in later},
            {metric.name: first for metric in losses},
            {metric.name: LabelBlocks() for metric in losses},
            blocks={metric.name: _empty(metric, plan) for metric in plan.of_kind(*_BY_BLOCKS)},
        )
        return fresh if carried is None else carry(carried, fresh)

    def enter_step(self, *, another_pair: bool = False) -> Analysis:
        """Begin another step or the holdback: evidence starts anew for faults that begin now, and the old goes on.

        Steps beyond `plan.starts` change nothing but the step's number.

        Args:
            another_pair: Other arms are compared from now on, so that they have to settle.
        """
        step = self.step + 1
        share = self.plan.start_weight(step)
        bets = {name: each.start(share) for name, each in self.bets.items()}
        blocks = {name: _started(each, share, another_pair) for name, each in self.blocks.items()}
        return replace(self, step=step, bets=bets, blocks=blocks)

    def observe_block(self, block: Block, at_s: float, now_s: float) -> Analysis:
        """Take in what two arms of equal size did in one block of time; each block once, in order.

        Args:
            block: Its requests.
            at_s: When it ended, unix seconds.
            now_s: Unix seconds.
        """
        blocks: dict[str, ErrorBlocks | LatencyBlocks] = {}
        for name, state in self.blocks.items():
            spec = self.plan.named(name)
            if isinstance(state, ErrorBlocks):
                blocks[name] = state.observe(block, spec, self.step)
            else:
                blocks[name] = state.observe(block, at_s, spec, self.plan)
        return replace(self, blocks=blocks)._looked_at(now_s)

    def update(self, batch: Batch, now_s: float) -> Analysis:
        """Take requests in, in the order in which they were answered."""
        eligible_batch, requests = batch.evidential(), self.requests
        for weight, rows in by_weight(eligible_batch.weight).items():
            requests = requests.add(self.step, weight, _count(eligible_batch.rows(rows), self.plan))
        exposed = self.exposed + int(np.count_nonzero(batch.candidate))
        return replace(self, requests=requests, exposed=exposed)._looked_at(now_s)

    def observe_scores(self, candidate: Flags, weight: Numbers, score: Numbers, now_s: float) -> Analysis:
        """Take in what was predicted; each request once, apart from its outcome.

        Args:
            candidate: Whether the candidate predicted it.
            weight: In force when the request was routed; rows with 0 or 1 say nothing.
            score: The predicted score or class number; NaN is in no bin.
            now_s: Unix seconds.
        """
        chance, requests = (weight > 0) & (weight < 1), self.requests
        candidate, weight, score = candidate[chance], weight[chance], score[chance]
        for value, rows in by_weight(weight).items():
            requests = requests.add(self.step, value, _count_scores(candidate[rows], score[rows], self.plan))
        return self if requests is self.requests else replace(self, requests=requests)._looked_at(now_s)

    def observe_losses(
        self, metric: str, candidate: Flags, weight: Numbers, loss: Numbers, now_s: float, at_s: Numbers | None = None
    ) -> Analysis:
        """Take in labels of requests that one arm answered.

        Args:
            metric: Name of a `quality` metric.
            candidate: Whether the candidate had answered.
            weight: In force when the request was routed; rows with 0 or 1 say nothing.
            loss: In [0, 1].
            now_s: Unix seconds.
            at_s: When each was predicted; None for now.
        """
        spec = self._of_kind(metric, MetricKind.QUALITY)
        _check_losses(loss, spec)
        chance = (weight > 0) & (weight < 1)
        at_s = None if at_s is None else at_s[chance]
        candidate, weight, loss = candidate[chance], weight[chance], loss[chance]
        tally = self.labels[metric]
        for value, rows in by_weight(weight).items():
            arm, lost = candidate[rows], loss[rows] > 0
            tally = tally.add(self.step, value, np.array([count_arms(arm, np.ones_like(arm)), count_arms(arm, lost)]))
        blocks = self.label_blocks[metric]
        for number, of_block in by_block(_times(at_s, now_s, weight), now_s, self.plan.label_block_s):
            of_weight = {value: of_block & (weight == value) for value in np.unique(weight[of_block]).tolist()}
            sums = {value: LabelSums.of_arms(candidate[rows], loss[rows]) for value, rows in of_weight.items()}
            blocks = blocks.add(number, sums, now_s)
        return self._with_labels(metric, tally, blocks).close_label_blocks(now_s)

    def observe_paired(
        self, metric: str, loss_stable: Numbers, loss_candidate: Numbers, now_s: float, at_s: Numbers | None = None
    ) -> Analysis:
        """Take in labels of requests that both models scored.

        Args:
            metric: Name of a `quality_paired` metric.
            loss_stable: In [0, 1].
            loss_candidate: In [0, 1].
            now_s: Unix seconds.
            at_s: When each was predicted; None for now.
        """
        spec = self._of_kind(metric, MetricKind.QUALITY_PAIRED)
        _check_losses(loss_stable, spec)
        _check_losses(loss_candidate, spec)
        difference = loss_candidate - loss_stable
        discordant = count_arms(difference > 0, difference != 0)
        tally = self.labels[metric].add(self.step, PAIRS_WEIGHT, np.array([[len(difference)] * 2, discordant]))
        blocks = self.label_blocks[metric]
        for number, rows in by_block(_times(at_s, now_s, loss_stable), now_s, self.plan.label_block_s):
            sums = {PAIRS_WEIGHT: LabelSums.of_pairs(loss_stable[rows], loss_candidate[rows])}
            blocks = blocks.add(number, sums, now_s)
        return self._with_labels(metric, tally, blocks).close_label_blocks(now_s)

    def observe_arrivals(
        self, candidate: Flags, weight: Numbers, age_s: Numbers, outcome: Sequence[Any], now_s: float
    ) -> Analysis:
        """Take in which arm labels come from, before what they say is taken in: see `Arrivals.observe`."""
        chance = (weight > 0) & (weight < 1)
        chosen = [each for each, is_chance in zip(outcome, chance, strict=True) if is_chance]
        arrivals = self.arrivals.observe(candidate[chance], weight[chance], age_s[chance], chosen)
        return replace(self, arrivals=arrivals)._looked_at(now_s)

    @property
    def labels_arrive_alike(self) -> bool:
        """Whether nothing shows that the arms get their labels differently."""
        return self.arrivals.highest < -math.log(self.plan.alpha_routing)

    def close_label_blocks(self, now_s: float) -> Analysis:
        """Bet on the blocks of labels that are complete now; on none any more where labels do not arrive alike.

        Args:
            now_s: Unix seconds.
        """
        if not self.labels_arrive_alike:
            return self
        bets, blocks = dict(self.bets), dict(self.label_blocks)
        for name, of_metric in self.label_blocks.items():
            spec = self.plan.named(name)
            paired = spec.kind is MetricKind.QUALITY_PAIRED
            blocks[name], closed = of_metric.close(now_s, self.plan.label_block_s, paired=paired)
            for difference in closed:
                bets[name] = bets[name].on(difference, spec.tolerated, spec.margin)
        return self if blocks == self.label_blocks else replace(self, bets=bets, label_blocks=blocks)._looked_at(now_s)

    def observe_disagreements(self, metric: str, differs: Flags, now_s: float) -> Analysis:
        """Take in mirrored requests: whether the candidate answered differently from stable."""
        self._of_kind(metric, MetricKind.DISAGREEMENT)
        counts = np.array([[0, len(differs)], [0, np.count_nonzero(differs)]])
        tally = self.labels[metric].add(self.step, PAIRS_WEIGHT, counts)
        return replace(self, labels={**self.labels, metric: tally})._looked_at(now_s)

    def evidence(self) -> Look:
        """What all metrics say now."""
        harm = rates.request_table(self.plan).log_harm(self.requests, self.plan, self.step)
        metric_evidence, first, row = {}, 1, 0
        for spec in self.plan.metrics:
            rows = rates.rows_of(spec)
            metric_evidence[spec.name] = self._evidence_of(spec, harm[row : row + rows], first)
            first, row = first + rates.width(spec), row + rows
        return Look(self.plan, metric_evidence, float(np.logaddexp(harm[-2], harm[-1]) - math.log(2)))

    def verdict(self) -> RolloutVerdict:
        """What follows from the evidence, at this look and at those before."""
        return verdict_of(self)

    def to_json(self) -> dict[str, Any]:
        """A document of plain values from which `from_json` makes an equal state."""
        return {
            "plan": self.plan.to_json(),
            "requests": self.requests.to_json(),
            "labels": {name: tally.to_json() for name, tally in self.labels.items()},
            "bets": {name: bets.to_json() for name, bets in self.bets.items()},
            "label_blocks": {name: blocks.to_json() for name, blocks in self.label_blocks.items()},
            "arrivals": self.arrivals.to_json(),
            "blocks": {name: state.to_json() for name, state in self.blocks.items()},
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
            bets={name: Bets.from_json(bets) for name, bets in document["bets"].items()},
            label_blocks={name: LabelBlocks.from_json(blocks) for name, blocks in document["label_blocks"].items()},
            arrivals=Arrivals.from_json(document["arrivals"]),
            blocks={name: type(empty.blocks[name]).from_json(state) for name, state in document["blocks"].items()},
            step=document["step"],
            exposed=document["exposed"],
            updated_s=document["updated_s"],
            peaks=Peaks.from_json(document["peaks"]),
        )

    def _looked_at(self, now_s: float) -> Analysis:
        return replace(self, updated_s=now_s, peaks=self.peaks.raised(self.evidence()))

    def _with_labels(self, metric: str, tally: Tally, blocks: LabelBlocks) -> Analysis:
        labels, waiting = {**self.labels, metric: tally}, {**self.label_blocks, metric: blocks}
        return replace(self, labels=labels, label_blocks=waiting)

    def _evidence_of(self, spec: MetricSpec, harm: Numbers, first: int) -> MetricEvidence:
        plan, step = self.plan, self.step
        if spec.name in self.blocks:
            return self.blocks[spec.name].evidence(spec, plan, step)
        match spec.kind:
            case MetricKind.ERRORS:
                return evidence.of_errors(harm, self.requests, first, spec, plan)
            case MetricKind.LATENCY:
                return evidence.of_latency(harm, self.requests, first, spec, plan, step)
            case MetricKind.DISTRIBUTION:
                return evidence.of_distribution(harm, first)
            case MetricKind.DISAGREEMENT:
                return evidence.of_disagreement(self.labels[spec.name], spec, plan, step)
        return evidence.of_bets(self.bets[spec.name], spec, plan, step)

    def _of_kind(self, name: str, kind: MetricKind) -> MetricSpec:
        spec = self.plan.named(name)
        if spec.kind is not kind:
            raise ValueError(f"metric {name} is judged as {spec.kind}, not as {kind}")
        return spec


def _empty(spec: MetricSpec, plan: AnalysisPlan) -> ErrorBlocks | LatencyBlocks:
    return ErrorBlocks.of(spec) if spec.kind is MetricKind.ERROR_BLOCKS else LatencyBlocks.of(plan, spec)


def _started(state: ErrorBlocks | LatencyBlocks, share: float, another_pair: bool) -> ErrorBlocks | LatencyBlocks:
    return state if isinstance(state, ErrorBlocks) else state.start(share, another_pair=another_pair)


def _count(batch: Batch, plan: AnalysisPlan) -> Counts:
    """Counts of a batch under one weight: all rows, then the series of each metric."""
    counts = [count_arms(batch.candidate, np.ones(len(batch), dtype=bool))[None]]
    for spec in plan.metrics:
        match spec.kind:
            case MetricKind.ERRORS:
                counts.append(count_arms(batch.candidate, batch.error)[None])
            case MetricKind.LATENCY:
                counts.append(count_above(batch.candidate, batch.latency_ms, spec.cuts))
            case MetricKind.DISTRIBUTION:
                score = np.full(len(batch), np.nan) if batch.score is None else batch.score
                counts.append(count_bins(batch.candidate, score, spec.cuts))
    return np.concatenate(counts)


def _count_scores(candidate: Flags, score: Numbers, plan: AnalysisPlan) -> Counts:
    """Counts of the bins of scores alone: the requests themselves are counted with their outcome."""
    counts = np.zeros((1 + sum(rates.width(spec) for spec in plan.metrics), 2), dtype=np.int64)
    for spec in plan.of_kind(MetricKind.DISTRIBUTION):
        first = rates.first_series(plan, spec)
        counts[first : first + rates.width(spec)] = count_bins(candidate, score, spec.cuts)
    return counts


def _times(at_s: Numbers | None, now_s: float, like: Numbers) -> Numbers:
    return np.full(len(like), now_s) if at_s is None else at_s


def _check_losses(loss: Numbers, spec: MetricSpec) -> None:
    if not ((loss >= 0) & (loss <= 1)).all():
        raise ValueError(f"metric {spec.name}: losses are to be in [0, 1]")
