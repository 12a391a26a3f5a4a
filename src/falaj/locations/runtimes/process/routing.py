"""The routing table: which replicas answer which path, and with what weight (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TOTAL_WEIGHT = 10_000


@dataclass(frozen=True)
class Arm:
    """The replicas of one release of an endpoint.

    Args:
        name: Unique: `environment/model@release.digest`; the cluster's name in Envoy.
        release: `model@release`, as it appears in headers and logs.
        sockets: Unix sockets of the replicas.
    """

    name: str
    release: str
    sockets: tuple[str, ...]


@dataclass(frozen=True)
class Route:
    """Where the requests of one endpoint go.

    Args:
        endpoint: `environment/model`.
        weights: Share of each arm by name, adding up to 10,000; empty while nothing can answer.
    """

    endpoint: str
    weights: Mapping[str, int]


@dataclass(frozen=True)
class RoutingTable:
    """Everything that the gateway does.

    Args:
        arms: By name; may hold arms without a route, which are draining.
        routes: By endpoint.
    """

    arms: Mapping[str, Arm]
    routes: Mapping[str, Route]

    def to_json(self) -> dict[str, Any]:
        """Write the table for a file."""
        return {
            "arms": [{"name": a.name, "release": a.release, "sockets": list(a.sockets)} for a in self.arms.values()],
            "routes": {route.endpoint: dict(route.weights) for route in self.routes.values()},
        }

    @classmethod
    def from_json(cls, value: Any) -> RoutingTable:
        """Read the table back."""
        arms = [Arm(item["name"], item["release"], tuple(item["sockets"])) for item in value["arms"]]
        routes = {name: Route(name, weights) for name, weights in value["routes"].items()}
        return cls({arm.name: arm for arm in arms}, routes)

    def with_arms(self, others: RoutingTable) -> RoutingTable:
        """This table plus the arms that only another one has, which keeps old routes valid for the moment."""
        return RoutingTable({**others.arms, **self.arms}, self.routes)


EMPTY = RoutingTable({}, {})
