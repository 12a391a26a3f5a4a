"""From assessments, one window after another, to what is done when: confirmed, not repeated, overruled, begun anew.

quiet ──cause seen often enough──> acting ──other cause seen often enough──> acting on that one
  ^                                  │
  └────── quiet for long enough ─────┘

A cause that is more severe than the one acted on needs `confirm` windows (one, if its evidence is certain), a milder
one needs `clear`. So a monitor at its limit does not raise and close an alert by turns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from falaj.control.monitoring.triage.assessment import ACTION_OF, Assessment, Cause, TriageAction
from falaj.core.errors import ConflictError
from falaj.core.json_record import JsonRecord

MOST_REMEMBERED = 50


class OverrulingError(ConflictError):
    """There is nothing to overrule, or no reason was given."""

    code = "monitoring.overruling"


@dataclass(frozen=True)
class TriagePolicy:
    """How patient triage is.

    Args:
        confirm: Windows in a row in which a cause must be seen before something is done.
        clear: Windows in a row that must be quiet, or milder, before it is over.
        cooldown_s: For so long no action is repeated.
    """

    confirm: int = 2
    clear: int = 3
    cooldown_s: float = 86_400.0


@dataclass(frozen=True)
class TriageOverride:
    """A person's word against a verdict.

    Attributes:
        by: Who.
        reason: Why, in the person's words.
        at: Unix seconds.
        was: The cause that triage saw.
        now: What it is instead.
    """

    by: str
    reason: str
    at: float
    was: Cause
    now: Cause


@dataclass(frozen=True)
class Episode(JsonRecord):
    """What triage remembers of a release; JSON.

    Attributes:
        release: Whose predictions are judged.
        baseline_at: Windows that begin earlier are of another release or another reference.
        cause: What is being acted on; none when it is quiet.
        opened_at: Since when, unix seconds.
        candidate: The cause that was seen last.
        windows: In how many windows in a row.
        milder: How many windows in a row were milder than the cause that is acted on.
        absent: How many windows in a row did not show the cause that was overruled.
        last_done: Action to when it was done last.
        overruled: Valid until the episode is over.
        overrulings: All of them, the latest last.
    """

    release: str
    baseline_at: float = 0.0
    cause: Cause = Cause.NONE
    opened_at: float | None = None
    candidate: Cause = Cause.NONE
    windows: int = 0
    milder: int = 0
    absent: int = 0
    last_done: Mapping[str, float] = field(default_factory=dict)
    overruled: TriageOverride | None = None
    overrulings: tuple[TriageOverride, ...] = ()


@dataclass(frozen=True)
class TriageVerdict:
    """What triage says after a window.

    Attributes:
        cause: What is being acted on.
        action: What belongs to it.
        act: Whether the action is to be carried out now. It is asked for once.
        reasons: In words, with those of the assessment.
    """

    cause: Cause
    action: TriageAction
    act: bool
    reasons: tuple[str, ...]


def look(episode: Episode, assessment: Assessment, policy: TriagePolicy, now: float) -> tuple[Episode, TriageVerdict]:
    """Take in the next window.

    Args:
        episode: What is remembered.
        assessment: Of the window.
        policy: How patient to be.
        now: Unix seconds.

    Returns:
        What to remember, and the verdict.
    """
    if assessment.release != episode.release or assessment.start < episode.baseline_at:
        return episode, _verdict(episode, "the window is of before the release that is judged")
    episode = _with_overruling_kept(episode, assessment, policy)
    cause, reasons = _as_overruled(episode, assessment)
    streak = episode.windows + 1 if cause is episode.candidate else 1
    milder = episode.milder + 1 if cause.severity < episode.cause.severity else 0
    episode = replace(episode, candidate=cause, windows=streak, milder=milder)
    if cause is episode.cause:
        return _once_more(episode, reasons, policy, now)
    counted, needed = (milder, policy.clear) if milder else (streak, 1 if assessment.certain else policy.confirm)
    if counted < needed:
        return episode, _verdict(episode, *reasons, f"{cause.value} in {counted} of the {needed} windows that it takes")
    if cause is Cause.NONE:
        over = replace(episode, cause=Cause.NONE, opened_at=None, milder=0)
        return over, _verdict(over, *reasons, f"{episode.cause.value} is over")
    return _carry_out(replace(episode, cause=cause, opened_at=now, milder=0), reasons, policy, now)


def _with_overruling_kept(episode: Episode, assessment: Assessment, policy: TriagePolicy) -> Episode:
    """A person's word holds until what it was about has not been seen for a while."""
    if episode.overruled is None:
        return episode
    absent = 0 if assessment.cause is episode.overruled.was else episode.absent + 1
    return replace(episode, absent=absent, overruled=episode.overruled if absent < policy.clear else None)


def _as_overruled(episode: Episode, assessment: Assessment) -> tuple[Cause, tuple[str, ...]]:
    word = episode.overruled
    if word is None or word.was != assessment.cause:
        return assessment.cause, assessment.reasons
    return word.now, (*assessment.reasons, f"overruled by {word.by}: {word.reason}")


def _once_more(
    episode: Episode, reasons: tuple[str, ...], policy: TriagePolicy, now: float
) -> tuple[Episode, TriageVerdict]:
    """The cause is what is being acted on: an open alert stays as it is, a retraining may be worth another one."""
    action = ACTION_OF[episode.cause]
    last_at = episode.last_done.get(action)
    waiting = episode.opened_at is not None and (last_at is None or last_at < episode.opened_at)
    if action is TriageAction.RETRAIN or waiting:
        return _carry_out(episode, reasons, policy, now)
    return episode, _verdict(episode, *reasons)


def _carry_out(
    episode: Episode, reasons: tuple[str, ...], policy: TriagePolicy, now: float
) -> tuple[Episode, TriageVerdict]:
    action = ACTION_OF[episode.cause]
    last_at = episode.last_done.get(action)
    if last_at is not None and now < last_at + policy.cooldown_s:
        rest = last_at + policy.cooldown_s - now
        return episode, _verdict(episode, *reasons, f"{action.value} was done, and is not repeated for {rest:.0f} s")
    acted = replace(episode, last_done={**episode.last_done, action.value: now})
    return acted, replace(_verdict(acted, *reasons), act=True)


def _verdict(episode: Episode, *reasons: str) -> TriageVerdict:
    return TriageVerdict(episode.cause, ACTION_OF[episode.cause], act=False, reasons=reasons)


def overrule(episode: Episode, cause: Cause, *, by: str, reason: str, now: float) -> tuple[Episode, TriageVerdict]:
    """Put a person's word in the place of the verdict, until the episode is over.

    Args:
        episode: With a cause that is being acted on.
        cause: What it is instead; none to dismiss it.
        by: The person; whether they may is for the caller to ask.
        reason: In the person's words.
        now: Unix seconds.

    Returns:
        What to remember, and the verdict: its action is to be carried out, whatever was done lately.

    Raises:
        OverrulingError: Nothing is being acted on, it is that already, or the reason is empty.
    """
    if episode.cause is Cause.NONE:
        raise OverrulingError("there is no verdict to overrule")
    if cause is episode.cause:
        raise OverrulingError(f"the verdict is {cause.value} already")
    if not reason.strip():
        raise OverrulingError("a verdict is not overruled without a reason")
    was = episode.overruled.was if episode.overruled and episode.overruled.now is episode.cause else episode.cause
    word = TriageOverride(by, reason, now, was, cause)
    action = ACTION_OF[cause]
    next_episode = replace(
        episode,
        cause=cause,
        opened_at=None if cause is Cause.NONE else episode.opened_at,
        candidate=cause,
        windows=0,
        milder=0,
        absent=0,
        overruled=word,
        overrulings=(*episode.overrulings, word)[-MOST_REMEMBERED:],
        last_done={**episode.last_done, action.value: now},
    )
    return next_episode, replace(
        _verdict(next_episode, f"overruled by {by}: {reason}"), act=action is not TriageAction.NONE
    )


def rebaseline(episode: Episode, release: str, now: float) -> Episode:
    """Begin anew with a promoted release.

    What persons said of the earlier one stays on record, and a retraining that was just done counts for the cooldown.

    Args:
        episode: Of the release before.
        release: The promoted one.
        now: Unix seconds; windows that begin earlier are not looked at any more.
    """
    retrain_times = {action: at for action, at in episode.last_done.items() if action == TriageAction.RETRAIN}
    return Episode(release, baseline_at=now, last_done=retrain_times, overrulings=episode.overrulings)
