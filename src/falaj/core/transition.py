"""The shape of a pure transition: state and event in, next state and effects out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from falaj.core.errors import ConflictError


@dataclass(frozen=True)
class ProcessEvent:
    """Something that happened to a process.

    Args:
        name: What happened, e.g. `finished`.
        data: What the transition needs to know of it; JSON.
    """

    name: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Effect:
    """Work outside the transaction that a transition asks for; it must be idempotent by its key.

    Args:
        kind: Which handler does it.
        key: Unique for ever; asking twice for the same key is asking once.
        data: JSON for the handler.
    """

    kind: str
    key: str
    data: Mapping[str, Any]


@dataclass(frozen=True)
class TransitionStep:
    """What a transition decided.

    Args:
        state: The next state.
        data: The next data; None keeps what is.
        effects: To be put into the outbox in the same transaction.
        wake_at: When the process wants attention, unix seconds; None means never again by itself.
    """

    state: str
    data: Mapping[str, Any] | None = None
    effects: tuple[Effect, ...] = ()
    wake_at: float | None = None


Transition = Callable[[str, Mapping[str, Any], ProcessEvent, float], TransitionStep]


class IllegalTransitionError(ConflictError):
    """The event means nothing in this state; nothing was changed."""

    code = "process.illegal-transition"
