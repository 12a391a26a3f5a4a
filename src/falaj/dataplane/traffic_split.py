"""How the requests of one endpoint are shared between the releases that run there (pure).

A rollout decides it; a runtime makes it so. Shares are whole parts of 10,000, so that a weight in a log, in a header
and in the gateway is the same number.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from falaj.core.json_record import JsonRecord
from falaj.dataplane.errors import DesiredStateError
from falaj.statistics.rollout.headers import header_fault, query_fault, unit_fault, value_fault

TOTAL_WEIGHT = 10_000
"""All requests."""
USE_RELEASE = "falaj-use-release"
"""Request header by which a tester asks for a release by its number."""


@dataclass(frozen=True)
class HeaderMatch(JsonRecord):
    """Requests that go to a release whatever the weights are; they say nothing about a random sample.

    Args:
        kind: Where the value is looked for.
        name: Of the header (lower case) or of the query parameter.
        value: The exact value, printable ASCII.
        release: Where these requests go.

    Raises:
        DesiredStateError: It cannot be matched.
    """

    kind: Literal["header", "query"]
    name: str
    value: str
    release: int

    def __post_init__(self) -> None:
        if self.kind not in ("header", "query"):
            raise DesiredStateError(f"a match looks at a header or a query parameter, not at {self.kind!r}")
        if self.kind == "header":
            object.__setattr__(self, "name", _lower(self.name, header_fault(self.name)))
        elif fault := query_fault(self.name):
            raise DesiredStateError(fault)
        if fault := value_fault(self.value):
            raise DesiredStateError(fault)
        _release(self.release)


@dataclass(frozen=True)
class BaselineArm(JsonRecord):
    """An arm that another one is judged against: more replicas of a release, with a part of its requests.

    A replica that is asked less is slower for that alone. So an arm with few requests is compared with one of as many
    replicas, started at the same time, that gets as many.

    Args:
        release: Whose replicas; there are as many as of the arm that is judged.
        weight: What it gets of 10,000, out of the weight of its release; with 0 it stays warm.
    """

    release: int
    weight: int


@dataclass(frozen=True)
class Traffic(JsonRecord):
    """Who gets the requests of an endpoint.

    Args:
        weights: By release, its share of 10,000; they add up to 10,000. A release with 0 stays warm.
        mirrors: By release, the share (0 to 1] of the requests that it gets a copy of; its answers go nowhere.
        candidate: The release whose weight is the canary weight of the statistics.
        sticky: Request header, in lower case, whose value keeps a unit (such as a customer) on one release.
        matches: Requests that go to a release whatever the weights; the first that fits counts.
        baseline: The arm beside those of the releases; None for none.

    Raises:
        DesiredStateError: Naming what is wrong.
    """

    weights: Mapping[int, int]
    mirrors: Mapping[int, float] = field(default_factory=dict)
    candidate: int | None = None
    sticky: str | None = None
    matches: tuple[HeaderMatch, ...] = ()
    baseline: BaselineArm | None = None

    def __post_init__(self) -> None:
        for release in (*self.weights, *self.mirrors, *([] if self.candidate is None else [self.candidate])):
            _release(release)
        if any(not _whole(weight) or weight < 0 for weight in self.weights.values()):
            raise DesiredStateError(f"weights are whole numbers from 0 to {TOTAL_WEIGHT}, not {dict(self.weights)}")
        if sum(self.weights.values()) != TOTAL_WEIGHT:
            raise DesiredStateError(f"weights must add up to {TOTAL_WEIGHT}, not {sum(self.weights.values())}")
        if any(not _number(share) or not 0 < share <= 1 for share in self.mirrors.values()):
            raise DesiredStateError(f"a mirror gets a share above 0 and up to 1, not {dict(self.mirrors)}")
        if self.sticky is not None:
            object.__setattr__(self, "sticky", _lower(self.sticky, unit_fault(self.sticky)))
        if self.baseline and not 0 <= self.baseline.weight <= self.weights.get(self.baseline.release, -1):
            raise DesiredStateError(f"the baseline's weight is not a part of its release's: {self.baseline}")

    @property
    def stable(self) -> int | None:
        """The release to fall back to: not the canary, and with the largest weight.

        Where none has a weight, the newest that is no mirror.
        """
        others = [release for release in self.weights if release != self.candidate]
        return max(others, key=lambda r: (self.weights[r], r not in self.mirrors, r), default=None)

    @property
    def line(self) -> tuple[int, ...]:
        """Releases with a weight in the order of their shares on the line from 0 to 10,000.

        Canary and stable lie side by side and the canary begins at 0: a unit, which is a point of the line, changes
        only from stable to canary while the canary grows, and only back while it shrinks.
        """
        return _ordered(self.weights, self.candidate, self.stable)

    @property
    def heirs(self) -> tuple[int, ...]:
        """Releases in the order in which they take over for one that cannot answer."""
        with_weight = {release for release, weight in self.weights.items() if weight}
        order = _ordered({*self.weights, *self.mirrors}, self.stable, self.candidate)
        return (*(r for r in order if r in with_weight), *(r for r in order if r not in with_weight))

    def among(self, alive: Collection[int]) -> dict[int, int]:
        """The weights when only some releases can answer.

        The share of the others goes to one heir, the stable release where possible: what a canary is exposed to does
        not grow because a third release fell. A release without a weight inherits only when nothing else is left.

        Args:
            alive: Releases that can answer, also ones without a weight.

        Returns:
            Weights of living releases that add up to 10,000, in the order of `line`; empty when none lives.
        """
        alive_weights = {release: weight for release, weight in self.weights.items() if weight and release in alive}
        heir = next((r for r in (*self.heirs, *sorted(alive, reverse=True)) if r in alive), None)
        if heir is None:
            return {}
        alive_weights[heir] = alive_weights.get(heir, 0) + TOTAL_WEIGHT - sum(alive_weights.values())
        return {release: alive_weights[release] for release in _ordered(alive_weights, self.candidate, self.stable)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read it back.

        Raises:
            DesiredStateError: It is not a traffic.
        """
        try:
            return super().from_json(document)
        except ValueError as error:
            raise DesiredStateError(f"the traffic of an endpoint is wrong: {error}") from error


def _ordered(releases: Collection[int], first: int | None, second: int | None) -> tuple[int, ...]:
    return tuple(sorted(releases, key=lambda release: (release != first, release != second, release)))


def _lower(name: str, fault: str) -> str:
    if fault:
        raise DesiredStateError(fault)
    return name.lower()


def _release(value: Any) -> None:
    if not _whole(value) or value < 1:
        raise DesiredStateError(f"{value!r} is not the number of a release")


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: Any) -> bool:
    return _whole(value) or isinstance(value, float)
