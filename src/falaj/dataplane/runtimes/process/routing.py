"""The routing table: which replicas answer which path, and with what weight (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from falaj.dataplane.callers import ANYONE_HERE, EndpointCallers
from falaj.dataplane.traffic_split import TOTAL_WEIGHT

__all__ = ["EMPTY", "TOTAL_WEIGHT", "Arm", "Route", "RoutingRule", "RoutingTable", "mirror_of"]


@dataclass(frozen=True)
class Arm:
    """The replicas of one release of an endpoint.

    Args:
        name: Unique: `environment/model@release.digest`; the cluster's name in Envoy.
        release: `model@release`, as it appears in headers and logs.
        sockets: Unix sockets of the replicas.
        spares: Names of arms that answer what this one fails to answer, best first.
        mirrored: Whether it also gets copies of requests.
        baseline: Whether it is there for another arm to be judged against.
    """

    name: str
    release: str
    sockets: tuple[str, ...]
    spares: tuple[str, ...] = ()
    mirrored: bool = False
    baseline: bool = False

    @property
    def number(self) -> int:
        """Number of the release."""
        return int(self.release.rpartition("@")[2])


@dataclass(frozen=True)
class RoutingRule:
    """Requests that go to one arm whatever the weights are.

    Args:
        kind: Where the value is looked for.
        name: Of the header or of the query parameter.
        value: The exact value.
        arm: Where such requests go.
    """

    kind: Literal["header", "query"]
    name: str
    value: str
    arm: str


@dataclass(frozen=True)
class Route:
    """Where the requests of one endpoint go.

    Args:
        endpoint: `environment/model`.
        weights: Share of each arm by name, adding up to 10,000; empty while nothing can answer. Their order is the
            order of the shares on the line that sticky units are points of.
        mirrors: Share, 0 to 1, of the requests that an arm gets a copy of.
        candidate: The arm whose weight is the canary weight.
        sticky: Request header that keeps a unit on one arm.
        rules: Exceptions; the first that fits counts.
        callers: Who may ask.
    """

    endpoint: str
    weights: Mapping[str, int]
    mirrors: Mapping[str, float] = field(default_factory=dict)
    candidate: str | None = None
    sticky: str | None = None
    rules: tuple[RoutingRule, ...] = ()
    callers: EndpointCallers = ANYONE_HERE

    @property
    def main(self) -> str | None:
        """The arm with the largest weight; None while nothing can answer."""
        return max(self.weights, key=lambda name: self.weights[name], default=None)


@dataclass(frozen=True)
class RoutingTable:
    """Everything that the gateway does.

    Args:
        arms: By name; may hold arms without a route, which are warm or draining.
        routes: By endpoint.
    """

    arms: Mapping[str, Arm]
    routes: Mapping[str, Route]

    def to_json(self) -> dict[str, Any]:
        """Write the table for a file."""
        return {
            "arms": [_arm_to_json(arm) for arm in self.arms.values()],
            "routes": {route.endpoint: _route_to_json(route) for route in self.routes.values()},
        }

    @classmethod
    def from_json(cls, value: Any) -> RoutingTable:
        """Read the table back."""
        arms = [_arm(item) for item in value["arms"]]
        routes = {name: _route(name, item) for name, item in value["routes"].items()}
        return cls({arm.name: arm for arm in arms}, routes)

    def with_arms(self, others: RoutingTable) -> RoutingTable:
        """This table plus the arms and mirrors that only another one has, which keeps old routes valid meanwhile."""
        all_arms = {**others.arms, **self.arms}
        mirrored = {arm.name for arm in (*others.arms.values(), *self.arms.values()) if arm.mirrored}
        return RoutingTable({n: replace(arm, mirrored=n in mirrored) for n, arm in all_arms.items()}, self.routes)

    def spares(self, arm: Arm) -> list[Arm]:
        """The arms that answer in the place of another, best first."""
        return [self.arms[name] for name in arm.spares if name in self.arms]

    def clusters(self) -> dict[str, frozenset[str]]:
        """Every cluster that Envoy needs, and the sockets in it."""
        cluster_sockets = {}
        for arm in self.arms.values():
            cluster_sockets[arm.name] = frozenset(arm.sockets).union(*(spare.sockets for spare in self.spares(arm)))
            if arm.mirrored:
                cluster_sockets[mirror_of(arm.name)] = frozenset(arm.sockets)
        return cluster_sockets


EMPTY = RoutingTable({}, {})


def mirror_of(arm: str) -> str:
    """Name of the cluster that copies of requests go to: one of its own, so that they cannot crowd out real ones."""
    return f"{arm}!mirror"


def _arm_to_json(arm: Arm) -> dict[str, Any]:
    return {
        "name": arm.name, "release": arm.release, "sockets": list(arm.sockets), "spares": list(arm.spares),
        "mirrored": arm.mirrored, "baseline": arm.baseline,
    }  # fmt: skip


def _arm(value: Any) -> Arm:
    spares = tuple(value.get("spares", ()))
    mirrored, baseline = value.get("mirrored", False), value.get("baseline", False)
    return Arm(value["name"], value["release"], tuple(value["sockets"]), spares, mirrored, baseline)


def _route_to_json(route: Route) -> dict[str, Any]:
    return {
        "weights": [[arm, weight] for arm, weight in route.weights.items()], "mirrors": dict(route.mirrors),
        "candidate": route.candidate, "sticky": route.sticky,
        "rules": [[rule.kind, rule.name, rule.value, rule.arm] for rule in route.rules],
        "callers": route.callers.to_json(),
    }  # fmt: skip


def _route(endpoint: str, value: Any) -> Route:
    rules = tuple(RoutingRule(*rule) for rule in value["rules"])
    callers = EndpointCallers.from_json(value["callers"])
    return Route(
        endpoint, dict(value["weights"]), value["mirrors"], value["candidate"], value["sticky"], rules, callers
    )
