"""The clusters of a routing table, as Envoy's API v3 wants them (pure).

Sources: Envoy API v3 reference; the choices follow measurements: endpoints inline in the clusters (a file per endpoint
set costs an inotify instance each), a retry budget instead of the default breakers (which lose half of the requests
when a replica dies under load), a breaker of its own for copies (a replica that hangs on them else holds up Envoy).
"""

from __future__ import annotations

from collections.abc import Sequence

from falaj.dataplane.runtimes.process.envoy.config import TYPE, Resource
from falaj.dataplane.runtimes.process.routing import Arm, RoutingTable, mirror_of

MAX_COPIES = 16
"""Copies of requests that a mirror works on at a time; what comes meanwhile is not copied."""
_MANY = 65_536
_ANY_OF_100 = 10_000  # percent; see `_assignment`


def clusters(table: RoutingTable) -> list[Resource]:
    """One cluster an arm, and one more for each arm that gets copies."""
    arms = [table.arms[name] for name in sorted(table.arms)]
    return [_cluster(arm, table.spares(arm)) for arm in arms] + [_mirror(arm) for arm in arms if arm.mirrored]


def _cluster(arm: Arm, spares: Sequence[Arm]) -> Resource:
    return {
        **_basics(arm.name, [arm, *spares]),
        "metadata": _metadata(arm),
        "circuit_breakers": {
            "thresholds": [
                {
                    "max_connections": _MANY,
                    "max_pending_requests": _MANY,
                    "max_requests": _MANY,
                    "retry_budget": {"budget_percent": {"value": 100}, "min_retry_concurrency": 256},
                }
            ]
        },
        # With two replicas, one that was started again may still be ejected when the other dies: then ask both. A
        # request that meets the dead one is refused at once and goes to the other.
        "common_lb_config": {"healthy_panic_threshold": {"value": 51}},
        "outlier_detection": {
            "consecutive_gateway_failure": 5,
            "enforcing_consecutive_gateway_failure": 100,
            "enforcing_consecutive_5xx": 0,
            "enforcing_success_rate": 0,
            "split_external_local_origin_errors": True,
            "consecutive_local_origin_failure": 3,
            "enforcing_local_origin_success_rate": 0,
            "interval": "0.5s",
            "base_ejection_time": "1s",
            "max_ejection_time": "5s",
            "max_ejection_percent": 50,
        },
    }


def _mirror(arm: Arm) -> Resource:
    limits = dict.fromkeys(("max_connections", "max_pending_requests", "max_requests"), MAX_COPIES)
    return {
        **_basics(mirror_of(arm.name), [arm]),
        "circuit_breakers": {"thresholds": [{**limits, "max_retries": 0}]},
    }


def _basics(name: str, arms: Sequence[Arm]) -> Resource:
    return {
        "@type": f"{TYPE}.config.cluster.v3.Cluster",
        "name": name,
        "type": "STATIC",
        "lb_policy": "LEAST_REQUEST",
        "connect_timeout": "1s",
        "load_assignment": _assignment(name, arms),
    }


def _assignment(name: str, arms: Sequence[Arm]) -> Resource:
    """The replicas of each arm, with a priority an arm.

    Envoy by default moves requests to the next priority as soon as 29% of one are down; here it moves none while a
    single replica lives, so that the weights stay true.
    """
    levels = [{"priority": number, "lb_endpoints": _endpoints(arm)} for number, arm in enumerate(arms)]
    return {"cluster_name": name, "endpoints": levels, "policy": {"overprovisioning_factor": _ANY_OF_100}}


def _endpoints(arm: Arm) -> list[Resource]:
    return [
        {"endpoint": {"address": {"pipe": {"path": path}}}, "metadata": _metadata(arm)} for path in sorted(arm.sockets)
    ]


def _metadata(arm: Arm) -> Resource:
    return {"filter_metadata": {"falaj": {"release": arm.number, "name": arm.release, "baseline": arm.baseline}}}
