"""The life of a rollout at one location, as a pure and total function: state and event in, next state out.

    pending -> warming -> shadowing ------------------------------.
                  |-----> stepping <-> holding (each step) --------+-> promoting -> holdback -> succeeded
                  '-----> holding (the preview of blue/green) -----'
    shadowing, stepping, holding, holdback <-> paused; shadowing, stepping -> inconclusive: a person decides
    everything before the end -> rolling_back -> rolled_back, or aborted when a person asked for it

What the data plane must do follows from the state alone (`weight_of`, `mirror_of`), so whoever was killed between two
effects does the same effect again. An event that means nothing in a state changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from falaj.core.json_record import JsonRecord
from falaj.statistics.rollout.plan import WHOLE, RolloutPlan, RolloutStrategy


class RolloutState(StrEnum):
    """Where a rollout is."""

    PENDING = "pending"
    WARMING = "warming"
    SHADOWING = "shadowing"
    STEPPING = "stepping"
    HOLDING = "holding"
    PROMOTING = "promoting"
    HOLDBACK = "holdback"
    SUCCEEDED = "succeeded"
    PAUSED = "paused"
    INCONCLUSIVE = "inconclusive"
    ROLLING_BACK = "rolling_back"
    ROLLED_BACK = "rolled_back"
    ABORTED = "aborted"


NO_NEW_UNITS = "this step gets no more evidence: its users were counted before, in this step or in an earlier one"
_S = RolloutState
ENDED = frozenset({_S.SUCCEEDED, _S.ROLLED_BACK, _S.ABORTED})
"""Nothing happens after these."""

JUDGED_STATES = frozenset({_S.SHADOWING, _S.STEPPING, _S.HOLDING, _S.HOLDBACK, _S.PAUSED, _S.INCONCLUSIVE})
"""Evidence of a regression counts in these."""


class Command(StrEnum):
    """What a person may ask for."""

    PAUSE = "pause"
    RESUME = "resume"
    PROMOTE = "promote"
    ABORT = "abort"
    SKIP = "skip"


_MOVING = frozenset({_S.SHADOWING, _S.STEPPING, _S.HOLDING})
_ALLOWED: Mapping[Command, frozenset[RolloutState]] = {
    Command.PAUSE: _MOVING | {_S.HOLDBACK},
    Command.RESUME: frozenset({_S.PAUSED, _S.INCONCLUSIVE}),
    Command.PROMOTE: _MOVING | {_S.PAUSED, _S.INCONCLUSIVE},
    Command.SKIP: _MOVING,
    Command.ABORT: frozenset(_S) - ENDED - {_S.ROLLING_BACK},
}


@dataclass(frozen=True)
class Started:
    """The agent has taken the rollout up."""


@dataclass(frozen=True)
class Ready:
    """All replicas of the candidate answer."""


@dataclass(frozen=True)
class Failed:
    """The candidate does not run: it was refused, does not start, or falls again and again."""

    reason: str


@dataclass(frozen=True)
class Applied:
    """The data plane does what the state asks for."""


@dataclass(frozen=True)
class PersonRequested:
    """A person asks for something."""

    command: Command
    by: str
    reason: str = ""


@dataclass(frozen=True)
class AnalysisReported:
    """What the analysis says now.

    Args:
        harm: Why the candidate must go, in words; empty when nothing speaks against it.
        culprits: Metrics that the harm is shown for.
        doubt: Why a person should look, in words; empty for no doubt.
        ruled_out: Every metric is shown to be less than this many times worse; infinite before anything is known.
        acceptable: Every metric is shown to be within its margin.
        exhausted: Why this step gets no more evidence, in words; empty while it does.
    """

    harm: str = ""
    culprits: tuple[str, ...] = ()
    doubt: str = ""
    ruled_out: float = float("inf")
    acceptable: bool = False
    exhausted: str = ""


@dataclass(frozen=True)
class Hindered:
    """The candidate runs, and cannot be compared with anything, so a person decides."""

    reason: str


Event = Started | Ready | Failed | Hindered | Applied | PersonRequested | AnalysisReported


@dataclass(frozen=True)
class RolloutProgress(JsonRecord):
    """Where a rollout is, and how it came there.

    Args:
        state: Where.
        step: Index of the canary's step.
        since: When the state was entered, unix seconds; for a resumed one, as if it had not been paused.
        resumes: The state that a pause or an inconclusive one goes back to.
        paused_at: When it was paused or became inconclusive.
        reason: Why it is here, in words.
        culprits: Metrics that the harm was shown for.
        by: Who asked for it last; empty when nobody did.
        doubted: It was paused for a doubt before; who resumed it has looked at that.
    """

    state: RolloutState = RolloutState.PENDING
    step: int = 0
    since: float = 0.0
    resumes: RolloutState | None = None
    paused_at: float = 0.0
    reason: str = ""
    culprits: tuple[str, ...] = ()
    by: str = ""
    doubted: bool = False

    @property
    def ended(self) -> bool:
        """Whether nothing will happen any more."""
        return self.state in ENDED


def allowed(state: RolloutState, strategy: RolloutStrategy) -> frozenset[Command]:
    """What a person may ask for in a state; a challenger is never promoted from the shadow."""
    commands = frozenset(command for command, states in _ALLOWED.items() if state in states)
    return commands - {Command.PROMOTE, Command.SKIP} if strategy is RolloutStrategy.CHALLENGER else commands


def weight_of(plan: RolloutPlan, rollout: RolloutProgress) -> int:
    """The candidate's share of the requests in 1/10,000."""
    match rollout.resumes or rollout.state:
        case _S.STEPPING | _S.HOLDING if plan.steps:
            return plan.steps[rollout.step]
        case _S.PROMOTING | _S.HOLDBACK:
            return WHOLE - plan.holdback
        case _S.SUCCEEDED:
            return WHOLE
    return 0


def mirror_of(plan: RolloutPlan, rollout: RolloutProgress) -> float:
    """The share 0..1 of the requests that the candidate gets a copy of."""
    return plan.mirror if (rollout.resumes or rollout.state) is _S.SHADOWING else 0.0


@dataclass(frozen=True)
class Pair:
    """The two arms of equal size that are compared.

    Args:
        baseline_of: Number of the release that has the larger share, and the baseline beside it.
        weight: Share of either arm in 1/10,000; 0 while both only warm up.
    """

    baseline_of: int
    weight: int


def pair_of(plan: RolloutPlan, rollout: RolloutProgress) -> Pair | None:
    """What is compared with what: the release with the smaller share, with as much of the other one.

    Up to half of the traffic that is the whole candidate, against a baseline of the stable release; above, as in the
    holdback, it is all that stays with the stable release, against a baseline of the candidate.
    """
    state = rollout.resumes or rollout.state
    if not plan.baseline or plan.strategy is not RolloutStrategy.CANARY or state in ENDED | {_S.ROLLING_BACK}:
        return None
    weight = weight_of(plan, rollout)
    if weight <= WHOLE // 2:
        return Pair(plan.stable, weight)
    return Pair(plan.candidate, WHOLE - weight) if weight < WHOLE else None


def ratio_to_leave(weight: int) -> float | None:
    """How many times worse must be ruled out before a larger share is risked; None asks for the margin itself."""
    return next((ratio for upto, ratio in ((100, 5.0), (500, 3.0), (2_500, 2.0)) if weight <= upto), None)


def another_share(before: RolloutProgress, after: RolloutProgress) -> bool:
    """Whether another share of the traffic is risked from now on: evidence starts anew for faults that begin there."""
    entered = after.state is _S.HOLDBACK and before.state is _S.PROMOTING
    return after.step != before.step or entered


def transition(plan: RolloutPlan, rollout: RolloutProgress, event: Event, now: float) -> RolloutProgress:
    """Decide what an event does to a rollout.

    Args:
        plan: What it is to do.
        rollout: Where it is.
        event: What happened.
        now: Unix seconds.

    Returns:
        Where it is then; the same object when the event means nothing here.
    """
    match event:
        case PersonRequested():
            return (
                _on_person(plan, rollout, event, now)
                if event.command in allowed(rollout.state, plan.strategy)
                else rollout
            )
        case AnalysisReported():
            return _on_analysis(plan, rollout, event, now)
        case Failed() if rollout.state not in ENDED | {_S.ROLLING_BACK}:
            return _enter(rollout, _S.ROLLING_BACK, now, event.reason)
        case Hindered() if rollout.state is _S.WARMING:
            return _pause(rollout, _S.PAUSED, now, event.reason, "")
        case Started() if rollout.state is _S.PENDING:
            return _enter(rollout, _S.WARMING, now)
        case Ready() if rollout.state is _S.WARMING:
            return _warm(plan, rollout, now)
        case Applied():
            return _applied(plan, rollout, now)
    return rollout


def _warm(plan: RolloutPlan, rollout: RolloutProgress, now: float) -> RolloutProgress:
    match plan.strategy:
        case RolloutStrategy.SHADOW | RolloutStrategy.CHALLENGER:
            return _enter(rollout, _S.SHADOWING, now)
        case RolloutStrategy.CANARY if plan.steps:
            return _enter(rollout, _S.STEPPING, now)
        case RolloutStrategy.BLUE_GREEN if plan.hold_s > 0:
            return _enter(rollout, _S.HOLDING, now)
    return _enter(rollout, _S.PROMOTING, now)


def _applied(plan: RolloutPlan, rollout: RolloutProgress, now: float) -> RolloutProgress:
    match rollout.state:
        case _S.PROMOTING if plan.holdback_s > 0:
            return _enter(rollout, _S.HOLDBACK, now, rollout.reason)
        case _S.PROMOTING:
            return _enter(rollout, _S.SUCCEEDED, now, rollout.reason)
        case _S.ROLLING_BACK:
            return _enter(rollout, _S.ABORTED if rollout.by else _S.ROLLED_BACK, now, rollout.reason)
    return rollout


def _on_analysis(plan: RolloutPlan, rollout: RolloutProgress, report: AnalysisReported, now: float) -> RolloutProgress:
    if rollout.state is _S.WARMING and now - rollout.since >= plan.warm_up_s:
        return _enter(rollout, _S.ROLLING_BACK, now, f"the candidate was not ready after {plan.warm_up_s:.0f} s")
    if rollout.state not in JUDGED_STATES:
        return rollout
    if report.harm:
        return replace(_enter(rollout, _S.ROLLING_BACK, now, report.harm), culprits=report.culprits, by="")
    if report.doubt and not rollout.doubted and rollout.state in _MOVING:
        return replace(_pause(rollout, _S.PAUSED, now, report.doubt, ""), doubted=True)
    return _in_time(plan, rollout, report, now)


def _in_time(plan: RolloutPlan, rollout: RolloutProgress, report: AnalysisReported, now: float) -> RolloutProgress:
    """What follows from evidence and the clock where nothing speaks against the candidate."""
    lasted = now - rollout.since
    match rollout.state:
        case _S.HOLDBACK if lasted >= plan.holdback_s:
            return _enter(rollout, _S.SUCCEEDED, now, "no regression until the rollback window ended")
        case _S.HOLDING if lasted >= plan.hold_s:
            return _next(plan, rollout, now)
        case _S.STEPPING | _S.SHADOWING if _enough(plan, rollout, report):
            return _on_evidence(plan, rollout, lasted, now)
        case _S.STEPPING if report.exhausted and lasted >= plan.hold_s and _may_leave(plan, rollout):
            return replace(_next(plan, rollout, now), reason=f"the step before was left by time: {report.exhausted}")
        case _S.STEPPING | _S.SHADOWING if lasted >= plan.max_s and plan.strategy is not RolloutStrategy.CHALLENGER:
            return _pause(rollout, _S.INCONCLUSIVE, now, "the evidence was not enough in the time that was given", "")
        case _S.STEPPING if bool(report.exhausted) != (rollout.reason == NO_NEW_UNITS):
            return replace(rollout, reason=NO_NEW_UNITS if report.exhausted else "")
    return rollout


def _may_leave(plan: RolloutPlan, rollout: RolloutProgress) -> bool:
    """Whether time alone may end a step without new units: never the last one, which promotes."""
    return plan.no_new_units == "leave" and rollout.step + 1 < len(plan.steps)


def _on_evidence(plan: RolloutPlan, rollout: RolloutProgress, lasted: float, now: float) -> RolloutProgress:
    """The evidence is in: go on, or wait until the least time is over."""
    if lasted >= plan.hold_s:
        return _next(plan, rollout, now)
    return replace(rollout, state=_S.HOLDING) if rollout.state is _S.STEPPING else rollout


def _enough(plan: RolloutPlan, rollout: RolloutProgress, report: AnalysisReported) -> bool:
    """Whether the evidence lets more requests be risked; without metrics, time alone decides."""
    if plan.strategy is RolloutStrategy.CHALLENGER:
        return False
    if not plan.metrics or report.acceptable:
        return True
    last = rollout.state is _S.SHADOWING or rollout.step + 1 >= len(plan.steps)
    ratio = None if last else ratio_to_leave(plan.steps[rollout.step])
    return ratio is not None and report.ruled_out <= ratio


def _next(plan: RolloutPlan, rollout: RolloutProgress, now: float) -> RolloutProgress:
    if rollout.state is not _S.SHADOWING and rollout.step + 1 < len(plan.steps):
        return replace(_enter(rollout, _S.STEPPING, now), step=rollout.step + 1)
    return _enter(rollout, _S.PROMOTING, now, rollout.reason)


def _on_person(plan: RolloutPlan, rollout: RolloutProgress, request: PersonRequested, now: float) -> RolloutProgress:
    why = request.reason or f"requested by {request.by}"
    match request.command:
        case Command.PAUSE:
            return _pause(rollout, _S.PAUSED, now, why, request.by)
        case Command.RESUME:
            assert rollout.resumes is not None
            since = now if rollout.state is _S.INCONCLUSIVE else rollout.since + (now - rollout.paused_at)
            return replace(rollout, state=rollout.resumes, since=since, resumes=None, reason="", by="")
        case Command.SKIP:
            return replace(_next(plan, rollout, now), reason=why)
        case Command.PROMOTE:
            return _enter(rollout, _S.PROMOTING, now, why)
        case Command.ABORT:
            return replace(_enter(rollout, _S.ROLLING_BACK, now, why), by=request.by)


def _pause(rollout: RolloutProgress, state: RolloutState, now: float, reason: str, by: str) -> RolloutProgress:
    return replace(rollout, state=state, resumes=rollout.state, paused_at=now, reason=reason, by=by)


def _enter(rollout: RolloutProgress, state: RolloutState, now: float, reason: str = "") -> RolloutProgress:
    return replace(
        rollout, state=state, since=now, resumes=None, reason=reason, by=rollout.by if state in ENDED else ""
    )
