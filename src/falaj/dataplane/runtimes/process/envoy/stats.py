"""Envoy's statistics of requests, named as one expects them (pure).

Envoy takes the name of a cluster to end at its first point, and ours go on: `dev/m@1.88d2ee4b`, with `!mirror` where
copies go. The rest ends up in the names of its metrics, so that each release would bring new ones. Here it is put back
into the label, and only families that are known by name are told.
"""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import quote

from falaj.integrations.prometheus import Family, merged, parse

_OF_CLUSTER = (
    "upstream_rq_xx", "upstream_rq_completed", "upstream_rq_timeout", "upstream_rq_retry",
    "upstream_rq_pending_overflow", "upstream_rq_time", "upstream_cx_connect_fail", "membership_healthy",
    "membership_total", "outlier_detection_ejections_active",
)  # fmt: skip
_OF_GATEWAY = ("downstream_rq_total", "downstream_rq_xx", "downstream_rq_time", "downstream_rq_active", "no_route")
_OF_SERVER = ("live", "uptime", "memory_allocated")
NAMES = frozenset(
    [f"envoy_cluster_{name}" for name in _OF_CLUSTER]
    + [f"envoy_http_{name}" for name in _OF_GATEWAY]
    + [f"envoy_server_{name}" for name in _OF_SERVER]
)
"""All families that are told."""

_FILTER = r"^(cluster\..*(upstream_|membership_|ejections_active)|http\.edge\.(downstream_rq_|no_route)|server\.)"
TARGET = f"/stats/prometheus?usedonly&filter={quote(_FILTER)}"
"""What to ask the admin interface for."""

_CLUSTER = re.compile(r"envoy_cluster_([0-9a-f]{8})(_mirror)?_(\w+)")


def families(text: str) -> list[Family]:
    """The families of `NAMES` in what Envoy answers to `TARGET`.

    Raises:
        ExpositionError: It is no page of metrics.
    """
    return [family for family in merged([map(_named, parse(text))]) if family.name in NAMES]


def _named(family: Family) -> Family:
    cluster_match = _CLUSTER.fullmatch(family.name)
    if cluster_match is None:
        return family
    rest = f".{cluster_match[1]}" + ("!mirror" if cluster_match[2] else "")
    samples = tuple(
        replace(each, labels={**each.labels, "envoy_cluster_name": each.labels.get("envoy_cluster_name", "") + rest})
        for each in family.samples
    )
    return replace(family, name=f"envoy_cluster_{cluster_match[3]}", samples=samples)
