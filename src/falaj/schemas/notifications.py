"""What travels about notifications: who is told of what, and what did not arrive."""

from __future__ import annotations

from dataclasses import dataclass

FAMILIES = {
    "alert": "A monitor found something: opened, judged, resolved.",
    "change": "A change was requested, approved, rejected, admitted, done or rolled back.",
    "deployment": "A release is rolling, live or failed at a location.",
    "incident": "An incident with personal data was opened, notified or closed.",
    "platform": "Settings were applied, or drifted from their file.",
    "release": "A release was published, flagged, or moved in its lifecycle.",
    "rollout": "A person paused, resumed, promoted, skipped or aborted a rollout.",
    "run": "A run was queued, started, cancelled or ended.",
    "training": "A training was requested, ended or resumed.",
}
"""Kinds of events that leave the platform, by the word before their dot; what steps print never does."""


def leaves(kind: str) -> bool:
    """Whether an event of this kind may be sent to other systems."""
    return kind.partition(".")[0] in FAMILIES


@dataclass(frozen=True)
class FailedNotification:
    """An event that a subscriber did not take, however often it was sent.

    Args:
        event: Its id in the stream of events, and of the CloudEvent.
        kind: Such as `change.admitted`.
        subject: What it is about.
        attempts: How often it was sent.
        error: What went wrong the last time.
        at: When that was, unix seconds.
    """

    event: int
    kind: str
    subject: str
    attempts: int
    error: str
    at: float


@dataclass(frozen=True)
class Subscriber:
    """A system that is told of events.

    Args:
        id: Derived from its address.
        url: Its address, without a query; empty when it is not in the platform file any more.
        events: Patterns of kinds.
        delivered: How many events it took.
        waiting: How many are on their way.
        failed: How many were given up.
        last_delivery: When it last took one, unix seconds.
        last_error: What went wrong last with those that wait or failed; empty when nothing did.
        failures: The newest of those that were given up, at most 50.
    """

    id: str
    url: str
    events: list[str]
    delivered: int
    waiting: int
    failed: int
    last_delivery: float | None
    last_error: str
    failures: list[FailedNotification]


@dataclass(frozen=True)
class Resent:
    """How many events are on their way again."""

    count: int
