"""Requests, answers and labels as a location's logs hold them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from falaj.dataplane.access_log import Access
from falaj.dataplane.agent.rollouts.rollout_record import RolloutRecord
from falaj.dataplane.label_join import JoinedLabel
from falaj.dataplane.prediction_log import LabelRecord, PredictionRecord, Routing, SegmentHeader
from falaj.statistics.rollout import RolloutPlan, RolloutProgress, RolloutState, plan_of
from falaj.statistics.rollout.analysis import Analysis
from falaj.statistics.rollout.judging import analysis_plan

ENDPOINT = "prod/flight-delay"
FEATURES = ("carrier", "distance")


def plan(kind: str = "canary", **options: Any) -> RolloutPlan:
    """Release 2 comes, release 1 is there."""
    return plan_of("r1", kind, {"steps": [0.1, 0.5], **options} if kind == "canary" else options, 2, 1)


def judged_record(
    of: RolloutPlan, state: RolloutState = RolloutState.STEPPING, past: Sequence[float] = (), **more: Any
) -> RolloutRecord:
    """A rollout whose candidate got ready at second 100."""
    analysis = Analysis.start(analysis_plan(of, past, past))
    return replace(RolloutRecord(of, RolloutProgress(state, since=100.0), analysis, ready_at=100.0), **more)


def access(release: int = 1, **more: Any) -> Access:
    """A request that was answered well, under a canary weight of a tenth."""
    defaults = {"at": 200.0, "request_id": "q", "status": 200, "latency_us": 9_000, "attempts": 1, "endpoint": ENDPOINT,
             "release": release, "answered": release, "weights": {1: 9_000, 2: 1_000}, "candidate": 2,
             "forced": False}  # fmt: skip
    return Access(**{**defaults, **more})


def prediction(
    request_id: str, release: int, outputs: Mapping[str, Sequence[Any]], arm: str = "", rows: Any = (("AA", 500.0),),
    at: float = 200.0, **routing: Any,
) -> PredictionRecord:  # fmt: skip
    """What a release answered."""
    arm = arm or ("candidate" if release == 2 else "stable")
    header = SegmentHeader(f"flight-delay@{release}", ENDPOINT, FEATURES, 0)
    facts = Routing(**{"arm": arm, "weight": None if arm == "shadow" else 1_000, "latency_s": 0.01, **routing})
    return PredictionRecord(request_id, at, header, tuple(rows), outputs, facts)


def joined(predicted: PredictionRecord, label: Any, *, correction: bool = False, number: int = 1) -> JoinedLabel:
    """An answer and what really happened."""
    return JoinedLabel(
        number, predicted, LabelRecord(predicted.request_id, label, 300.0, 300.0, ENDPOINT), correction=correction
    )
