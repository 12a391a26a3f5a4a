"""The life of a release as a pure state machine.

    candidate ──verify──> verified ──serve──> live ──leave──> superseded ──serve──> live
        │                    │                  │                  │
        └─reject─> rejected  └───────── archive ┼──────────────────┘
                                                └─ only after it left every endpoint

    archive: from candidate, verified, superseded; restore brings it back to verified
    retire:  from candidate, verified, superseded, archived; final
    revoke:  from everything but retired and rejected, live included; final

`live` means that at least one endpoint serves it; which ones is told by the endpoints themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from falaj.core.transition import IllegalTransitionError


class ReleaseState(StrEnum):
    """Where a release is."""

    CANDIDATE = "candidate"
    VERIFIED = "verified"
    LIVE = "live"
    SUPERSEDED = "superseded"
    ARCHIVED = "archived"
    RETIRED = "retired"
    REJECTED = "rejected"
    REVOKED = "revoked"


_S = ReleaseState
WITHDRAWN = frozenset({_S.REJECTED, _S.ARCHIVED, _S.RETIRED, _S.REVOKED})
"""States in which a release may be served nowhere."""

MOVES: Mapping[str, Mapping[ReleaseState, ReleaseState]] = {
    "verify": {_S.CANDIDATE: _S.VERIFIED},
    "reject": {_S.CANDIDATE: _S.REJECTED, _S.VERIFIED: _S.REJECTED},
    "serve": {_S.VERIFIED: _S.LIVE, _S.SUPERSEDED: _S.LIVE, _S.LIVE: _S.LIVE},
    "leave": {_S.LIVE: _S.SUPERSEDED, _S.REVOKED: _S.REVOKED},
    "archive": dict.fromkeys((_S.CANDIDATE, _S.VERIFIED, _S.SUPERSEDED), _S.ARCHIVED),
    "restore": {_S.ARCHIVED: _S.VERIFIED},
    "retire": dict.fromkeys((_S.CANDIDATE, _S.VERIFIED, _S.SUPERSEDED, _S.ARCHIVED), _S.RETIRED),
    "revoke": dict.fromkeys((_S.CANDIDATE, _S.VERIFIED, _S.LIVE, _S.SUPERSEDED, _S.ARCHIVED), _S.REVOKED),
}
"""What may happen to a release, and what it becomes by it."""


def move(state: str, event: str) -> ReleaseState:
    """Return what a release becomes.

    Args:
        state: A `ReleaseState`.
        event: A key of `MOVES`.

    Raises:
        IllegalTransitionError: It cannot happen to a release in this state (`release.state`).
    """
    reached = MOVES[event].get(ReleaseState(state))
    if reached is None:
        raise IllegalTransitionError(
            f"a {state} release cannot {event}", hint=_HINTS.get(ReleaseState(state), ""), code="release.state"
        )
    return reached


_HINTS = {
    _S.LIVE: "falaj change rollback takes its endpoints back first; falaj release revoke pulls it at once",
    _S.ARCHIVED: "falaj release restore brings it back",
}
