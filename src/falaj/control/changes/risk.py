"""How risky a change is: the worst of the model's own tier, its data, what differs, and how far it reaches (pure)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

LEVELS = ("low", "medium", "high")
_BY_CLASSIFICATION = {
    "public": 0, "internal": 0, "confidential": 1, "personal": 1, "health": 2, "banking": 2, "government": 2,
}  # fmt: skip
_UNKNOWN = 2


@dataclass(frozen=True)
class ReleaseSources:
    """What a release came from, by what was signed about it.

    Args:
        data: Names of the data that reached it.
        packages: What its environment holds, with versions.
    """

    data: frozenset[str]
    packages: frozenset[str]


@dataclass(frozen=True)
class RiskFactors:
    """What decides about the risk of a change.

    Args:
        tier: `low`, `medium` or `high`, as the project's team says of the model.
        classifications: Of all data that reached the model.
        rank: Of the environment.
        locations: How many places it reaches at once.
        served: Of the release that serves there now; None where none does.
        candidate: Of the release that is to serve.
    """

    tier: str
    classifications: Collection[str]
    rank: int
    locations: int
    served: ReleaseSources | None
    candidate: ReleaseSources


def risk_of(factors: RiskFactors) -> str:
    """Return `low`, `medium` or `high`.

    The lowest environment has no reach: nothing of the difference counts there, what the model and its data are does.
    """
    levels = [LEVELS.index(factors.tier), *(_BY_CLASSIFICATION.get(name, _UNKNOWN) for name in factors.classifications)]
    if factors.rank > 0:
        levels += [_of_difference(factors.served, factors.candidate), int(factors.locations > 3)]
    return LEVELS[max(levels)]


def _of_difference(served: ReleaseSources | None, candidate: ReleaseSources) -> int:
    """A first release, other sources, or other packages are more than a retraining."""
    return int(served != candidate)
