"""How risky a change is: the worst of the model's own tier, its data, what differs, and how far it reaches (pure)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

LEVELS = ("low", "medium", "high")
_BY_CLASSIFICATION = {
    "public": 0, "internal": 0, "confidential": 1, "personal": 1, "health": 2, "banking": 2, "government": 2,
}  # fmt: skip
_UNKNOWN = 2


@dataclass(frozen=True)
class RiskFactors:
    """What decides about the risk of a change.

    Args:
        tier: `low`, `medium` or `high`, as the project's team says of the model.
        classifications: Of all data that reached the model.
        rank: Of the environment.
        locations: How many places it reaches at once.
        served: What the release that serves there now remembers; None where none does.
        wanted: What the release that is to serve remembers.
    """

    tier: str
    classifications: Collection[str]
    rank: int
    locations: int
    served: Mapping[str, Any] | None
    strategy: Mapping[str, Any]


def risk_of(factors: RiskFactors) -> str:
    """Return `low`, `medium` or `high`.

    The lowest rung has no reach: nothing of the difference counts there, what the model and its data are does.
    """
    levels = [LEVELS.index(factors.tier), *(_BY_CLASSIFICATION.get(name, _UNKNOWN) for name in factors.classifications)]
    if factors.rank > 0:
        levels += [_of_difference(factors.served, factors.strategy), int(factors.locations > 3)]
    return LEVELS[max(levels)]


def _of_difference(served: Mapping[str, Any] | None, candidate: Mapping[str, Any]) -> int:
    """A first release, other sources, another environment or another sort of server are more than a retraining."""
    if served is None:
        return 1
    sources_changed = set(served.get("snapshots", {})) != set(candidate.get("snapshots", {}))
    lock_changed = _serving(served, "environment_lock") != _serving(candidate, "environment_lock")
    return int(sources_changed or lock_changed)


def _serving(remembered: Mapping[str, Any], name: str) -> Any:
    return remembered.get("serving", {}).get(name)
