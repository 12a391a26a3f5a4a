"""How many replicas an endpoint should have now, from what it works on (pure).

The signal is (in flight + queued) / what a replica takes at a time, and never processor time: a model that waits for
its batch is busy, one that spins is not. More are started at once; fewer only after five minutes in which fewer would
have done. Nothing sleeps and nothing goes down in a rollout: it would be judged on replicas that start.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from falaj.dataplane.desired_state import ReplicaRange

CAPACITY = 256
"""Requests of one row that one call of the model takes."""
TARGET = 0.6
"""How full a replica should be."""
DOWN_AFTER_S = 300.0


@dataclass(frozen=True)
class EndpointLoad:
    """What an endpoint works on.

    Attributes:
        in_flight: Requests at replicas, waiting there or not.
        waiting: Requests that wait for a replica to start.
        answered: A number that changes with every request that was answered.
    """

    in_flight: int = 0
    waiting: int = 0
    answered: int = 0


@dataclass(frozen=True)
class ScaleState:
    """What is remembered of an endpoint.

    Attributes:
        arm: What its replicas serve; another one starts anew.
        replicas: How many it should have; 0 while it sleeps.
        answered: Of the last look.
        busy_at: When it last had a request.
        peaks: When how many were needed, each later one smaller: the largest of the last minutes is the first.
    """

    arm: str
    replicas: int
    answered: int
    busy_at: float
    peaks: tuple[tuple[float, int], ...] = ()


def begun(arm: str, limits: ReplicaRange, replicas: int, load: EndpointLoad, now: float) -> ScaleState:
    """The first state of an endpoint, or of a new release of it: awake.

    Args:
        arm: What its replicas serve.
        limits: Of the endpoint.
        replicas: How many it has.
        load: What it works on.
        now: Any clock's seconds.
    """
    return ScaleState(arm, min(max(limits.least, replicas, 1), limits.most), load.answered, now)


def scaled(state: ScaleState, limits: ReplicaRange, load: EndpointLoad, now: float, *, in_rollout: bool) -> ScaleState:
    """The next state.

    Args:
        state: The last one.
        limits: Of the endpoint.
        load: What it works on.
        now: Seconds of the same clock.
        in_rollout: Whether a rollout is under way.
    """
    busy = bool(load.in_flight or load.waiting) or load.answered != state.answered
    busy_at = now if busy or in_rollout else state.busy_at
    peaks = _peaks(state.peaks, _needed(load), now)
    replicas = min(max(limits.least, 1, peaks[0][1]), limits.most)
    if in_rollout:
        replicas = max(replicas, state.replicas)
    elif limits.least == 0 and not busy and (state.replicas == 0 or now - busy_at >= limits.idle_s):
        replicas = 0
    return ScaleState(state.arm, replicas, load.answered, busy_at, peaks)


def _needed(load: EndpointLoad) -> int:
    return math.ceil((load.in_flight + load.waiting) / (TARGET * CAPACITY))


def _peaks(peaks: tuple[tuple[float, int], ...], needed: int, now: float) -> tuple[tuple[float, int], ...]:
    """The largest numbers of the last minutes: what is older, or smaller than a later one, is dropped."""
    recent = [(at, number) for at, number in peaks if now - at < DOWN_AFTER_S and number > needed]
    return (*recent, (now, needed))
