"""From facts to a cause and what to do about it. Total: there is an answer to any facts, with its reasons in words.

The order is the argument. A fault upstream comes first, because a model that is trained on broken data learns the
fault. A loss that labels show comes before a shift of inputs, because it is what matters. A shift alone is only worth
a note where the loss is known to hold; where it is not known, a person decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from falaj.control.monitoring.triage.facts import TRUSTED_ALONE, TriageFacts

FEWEST_OF_A_SOURCE = 2
SHOWN = 5


class Cause(StrEnum):
    """Why a monitor may have raised its voice; the more severe, the later."""

    NONE = "none"
    COVARIATE_SHIFT = "covariate-shift"
    UNKNOWN = "unknown"
    PERFORMANCE_LOSS = "performance-loss"
    CONCEPT_DRIFT = "concept-drift"
    UPSTREAM_FAULT = "upstream-fault"

    @property
    def severity(self) -> int:
        """Larger is worse."""
        return list(Cause).index(self)


class TriageAction(StrEnum):
    """What to do about a cause."""

    NONE = "none"
    WATCH = "watch"
    ASK = "ask"
    RETRAIN = "retrain"
    INCIDENT = "incident"


ACTION_OF = {
    Cause.NONE: TriageAction.NONE,
    Cause.COVARIATE_SHIFT: TriageAction.WATCH,
    Cause.UNKNOWN: TriageAction.ASK,
    Cause.PERFORMANCE_LOSS: TriageAction.RETRAIN,
    Cause.CONCEPT_DRIFT: TriageAction.RETRAIN,
    Cause.UPSTREAM_FAULT: TriageAction.INCIDENT,
}


@dataclass(frozen=True)
class Assessment:
    """What the facts of one window say.

    Attributes:
        release: Whose predictions they are.
        start: Of the window, unix seconds.
        cause: The cause.
        reasons: At least one, in words.
        certain: Whether the evidence was made to be acted on at once: a rule that fired, an alarm with a promised run
            length. Single windows of other evidence are confirmed by the next ones.
    """

    release: str
    start: float
    cause: Cause
    reasons: tuple[str, ...]
    certain: bool = False

    @property
    def action(self) -> TriageAction:
        """What to do."""
        return ACTION_OF[self.cause]


def assess(facts: TriageFacts) -> Assessment:
    """Find the cause.

    Args:
        facts: Of one release in one window.
    """
    for rule in (_upstream_fault, _nothing_to_see, _loss, _shift):
        finding = rule(facts)
        if finding is not None:
            cause, reasons, certain = finding
            return Assessment(facts.release, facts.start, cause, tuple(reasons), certain)
    return Assessment(facts.release, facts.start, Cause.NONE, ("inputs and loss are like the reference's",))


_Assessed = tuple[Cause, Sequence[str], bool] | None


def _upstream_fault(facts: TriageFacts) -> _Assessed:
    faults = [fault for fault in facts.quality if fault.upstream]
    if faults:
        reasons = [f"{fault.rule}: {fault.text}" + (f" ({fault.source})" * bool(fault.source)) for fault in faults]
        return Cause.UPSTREAM_FAULT, [*reasons, "no retraining: a model would learn the fault"], True
    source = _source_that_moved(facts)
    if source:
        moved = f"all {facts.features_of_source[source]} features of {source} moved at once, and none of other sources"
        return Cause.UPSTREAM_FAULT, [moved, "no retraining: a model would learn the fault"], False
    return None


def _source_that_moved(facts: TriageFacts) -> str:
    """The one source all of whose features drifted while none of the others did; empty when there is none."""
    sources = {fact.source for fact in facts.drift}
    source = next(iter(sources)) if len(sources) == 1 else ""
    moved = len({fact.feature for fact in facts.drift})
    others = [name for name in facts.features_of_source if name != source]
    enough = moved >= max(FEWEST_OF_A_SOURCE, facts.features_of_source.get(source, moved + 1))
    return source if source and others and enough else ""


def _nothing_to_see(facts: TriageFacts) -> _Assessed:
    if facts.rows <= 0 and not facts.loss_alarm:
        return Cause.NONE, ["the window has no rows"], False
    return None


def _loss(facts: TriageFacts) -> _Assessed:
    if facts.loss_alarm:
        also = f", and inputs shifted: {_shifted(facts)}" if _has_shift(facts) else ", while inputs are as they were"
        return Cause.CONCEPT_DRIFT, [facts.loss_alarm + also], True
    low = _excess(facts)[0]
    if facts.loss is None or not low > facts.tolerance:
        return None
    beyond = f"{facts.loss.metric} is worse than in the reference by at least {low:.3g}, tolerated {facts.tolerance:g}"
    if facts.loss.method in TRUSTED_ALONE:
        return Cause.PERFORMANCE_LOSS, [f"{beyond}, by labels"], False
    if _has_shift(facts):
        return Cause.PERFORMANCE_LOSS, [f"{beyond}, estimated without labels", f"shifted: {_shifted(facts)}"], False
    return Cause.UNKNOWN, [f"{beyond}, but this is estimated without labels, and no input has shifted"], False


def _shift(facts: TriageFacts) -> _Assessed:
    if not _has_shift(facts):
        return None
    shifted = f"shifted: {_shifted(facts)}"
    high = _excess(facts)[1]
    if high <= facts.tolerance and facts.loss is not None:
        loss_reason = f"{facts.loss.metric} is worse by at most {high:.3g}, tolerated {facts.tolerance:g}"
        return Cause.COVARIATE_SHIFT, [shifted, loss_reason], False
    return Cause.UNKNOWN, [shifted, _why_unknown(facts)], False


def _why_unknown(facts: TriageFacts) -> str:
    if facts.loss is None:
        return "whether the model suffers is not known: nothing was measured"
    if facts.loss.excess is None:
        return f"whether the model suffers is not known: {facts.loss.reason or 'there is no interval'}"
    low, high = facts.loss.excess
    return f"whether the model suffers is not known: {facts.loss.metric} is worse by {low:.3g} to {high:.3g}"


def _excess(facts: TriageFacts) -> tuple[float, float]:
    """The interval of the loss beyond the reference's; everything is possible where it is not known or not trusted."""
    everything = (float("-inf"), float("inf"))
    if facts.loss is None or facts.loss.excess is None:
        return everything
    if facts.far_from_reference and facts.loss.method not in TRUSTED_ALONE:
        return everything
    return facts.loss.excess


def _has_shift(facts: TriageFacts) -> bool:
    news = any(not fault.upstream for fault in facts.quality)
    return bool(facts.drift) or facts.joint_drift or news or facts.far_from_reference


def _shifted(facts: TriageFacts) -> str:
    """The features that shifted most, with their effects."""
    largest = sorted(facts.drift, key=lambda fact: (-fact.effect, fact.feature))
    words = [f"{fact.feature} ({fact.effect:.2g})" for fact in largest[:SHOWN]]
    words += [f"{len(largest) - SHOWN} more"] if len(largest) > SHOWN else []
    words += [f"{fault.rule}: {fault.text}" for fault in facts.quality if not fault.upstream]
    words += ["the inputs' joint distribution"] if facts.joint_drift else []
    return ", ".join(words) or "inputs are far from the reference"
