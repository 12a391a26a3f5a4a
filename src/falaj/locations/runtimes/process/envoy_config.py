"""What Envoy is told, as its API v3 wants it (pure).

Sources: Envoy API v3 reference; the choices follow measurements: endpoints inline in the clusters (a file per endpoint
set costs an inotify instance each), a retry budget instead of the default breakers (which lose half of the requests
when a replica dies under load), `validate_clusters` so that no route can name a missing cluster.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from falaj.locations.runtimes.process.routing import Arm, Route, RoutingTable

MAX_REQUEST_BYTES = 32 * 1024 * 1024
"""Larger predictions are refused with 413: they are a batch job, and retries must be able to hold the body."""
ROUTE_TIMEOUT_S = 60
NAME = "edge"
_TYPE = "type.googleapis.com/envoy"
_HTTP_FILTERS = f"{_TYPE}.extensions.filters.http"
_PROBLEM_CONTENT_TYPE = "application/problem+json"

Resource = dict[str, Any]


@dataclass(frozen=True)
class Layout:
    """Where the files and sockets of one gateway are.

    Args:
        root: Folder of its configuration; each resource type has a folder of its own, because Envoy reads a file again
            whenever anything in the watched folder moves.
        admin_socket: Unix socket of the admin interface.
        access_log: One JSON object a request.
    """

    root: Path
    admin_socket: Path
    access_log: Path

    @property
    def bootstrap(self) -> Path:
        """The static part."""
        return self.root / "bootstrap.json"

    def file(self, kind: str) -> Path:
        """The file of `listeners`, `routes` or `clusters`."""
        return self.root / kind / f"{kind}.json"

    def source(self, kind: str) -> Resource:
        """How Envoy finds that file."""
        path = self.file(kind)
        watched = {"path": str(path), "watched_directory": {"path": str(path.parent)}}
        return {"resource_api_version": "V3", "path_config_source": watched}


def bootstrap(layout: Layout, *, node_id: str) -> Resource:
    """The static configuration: who this Envoy is, its admin socket, and where the rest comes from."""
    return {
        "node": {"id": node_id, "cluster": "falaj"},
        "admin": {"address": {"pipe": {"path": str(layout.admin_socket), "mode": 0o600}}},
        "dynamic_resources": {
            "lds_config": layout.source("listeners"),
            "cds_config": layout.source("clusters"),
        },
        "overload_manager": {
            "resource_monitors": [
                {
                    "name": "envoy.resource_monitors.global_downstream_max_connections",
                    "typed_config": {
                        "@type": f"{_TYPE}.extensions.resource_monitors.downstream_connections.v3"
                        ".DownstreamConnectionsConfig",
                        "max_active_downstream_connections": 10_000,
                    },
                }
            ]
        },
    }


def discovery(resources: Sequence[Resource]) -> tuple[str, bytes]:
    """A discovery response as Envoy reads it from a file.

    Returns:
        Its version, which is the digest of the resources, and the bytes.
    """
    body = json.dumps(resources, sort_keys=True)
    version = hashlib.sha256(body.encode()).hexdigest()[:16]
    return version, f'{{"version_info": "{version}", "resources": {body}}}\n'.encode()


def clusters(table: RoutingTable) -> list[Resource]:
    """One cluster an arm."""
    return [_cluster(table.arms[name]) for name in sorted(table.arms)]


def _cluster(arm: Arm) -> Resource:
    endpoints = [{"endpoint": {"address": {"pipe": {"path": path}}}} for path in sorted(arm.sockets)]
    many = 65_536
    return {
        "@type": f"{_TYPE}.config.cluster.v3.Cluster",
        "name": arm.name,
        "type": "STATIC",
        "lb_policy": "LEAST_REQUEST",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": arm.name, "endpoints": [{"lb_endpoints": endpoints}]},
        "metadata": {"filter_metadata": {"falaj": {"release": arm.release}}},
        "circuit_breakers": {
            "thresholds": [
                {
                    "max_connections": many,
                    "max_pending_requests": many,
                    "max_requests": many,
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


def routes(table: RoutingTable) -> list[Resource]:
    """The one route configuration: a prefix an endpoint, and problem details for everything else."""
    found = [item for name in sorted(table.routes) for item in _endpoint_routes(table, table.routes[name])]
    unknown = {"match": {"prefix": "/"}, "direct_response": {"status": 404}}
    host = {
        "name": NAME,
        "domains": ["*"],
        "routes": [_too_large(), *found, unknown],
        "include_request_attempt_count": True,
        "request_body_buffer_limit": MAX_REQUEST_BYTES,
    }
    return [
        {
            "@type": f"{_TYPE}.config.route.v3.RouteConfiguration",
            "name": NAME,
            "virtual_hosts": [host],
            "validate_clusters": True,
        }
    ]


def _too_large() -> Resource:
    """Refuse by the announced length, before the body is read."""
    announced = {"name": "content-length", "range_match": {"start": MAX_REQUEST_BYTES + 1, "end": 2**62}}
    unread = {"@type": f"{_HTTP_FILTERS}.buffer.v3.BufferPerRoute", "disabled": True}
    return {
        "match": {"prefix": "/", "headers": [announced]},
        "direct_response": {"status": 413},
        "typed_per_filter_config": {"buffer": unread},
    }


def _endpoint_routes(table: RoutingTable, route: Route) -> list[Resource]:
    prefix = f"/{route.endpoint}"
    matches = ({"prefix": f"{prefix}/"}, {"path": prefix})
    if not route.weights:
        return [{"match": match, "direct_response": {"status": 503}} for match in matches]
    return [{"match": match, **_forward(table, route)} for match in matches]


def _forward(table: RoutingTable, route: Route) -> Resource:
    arms = {name: table.arms[name] for name in sorted(route.weights)}
    weights = {arms[name].release: weight for name, weight in sorted(route.weights.items())}
    return {
        "metadata": {"filter_metadata": {"falaj": {"endpoint": route.endpoint, "weights": weights}}},
        "route": {
            "prefix_rewrite": "/",
            "timeout": f"{ROUTE_TIMEOUT_S}s",
            "weighted_clusters": {
                "clusters": [_share(arm, route.weights[name]) for name, arm in arms.items()],
            },
            "retry_policy": _RETRIES,
        },
    }


_RETRIES: Resource = {
    "retry_on": "connect-failure,refused-stream,reset,retriable-status-codes",
    "retriable_status_codes": [503],
    "num_retries": 4,
    "retry_host_predicate": [
        {
            "name": "envoy.retry_host_predicates.previous_hosts",
            "typed_config": {
                "@type": f"{_TYPE}.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
            },
        }
    ],
    # A dead replica has the fewest requests, so of two it is drawn 3 times in 4. Eight draws miss the living one in 10%
    # of the retries, which under load lost a request; 64 miss it in 1 of 10^8.
    "host_selection_retry_max_attempts": 64,
    "retry_back_off": {"base_interval": "0.005s", "max_interval": "0.25s"},
}


def _share(arm: Arm, weight: int) -> Resource:
    header = {"header": {"key": "falaj-release", "value": arm.release}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
    return {"name": arm.name, "weight": weight, "response_headers_to_add": [header]}


def listeners(layout: Layout, *, port: int) -> list[Resource]:
    """The one listener, on the loopback interface; named by its port so that a new port is a new listener."""
    manager = _connection_manager(layout)
    return [
        {
            "@type": f"{_TYPE}.config.listener.v3.Listener",
            "name": f"{NAME}-{port}",
            "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
            "per_connection_buffer_limit_bytes": 1024 * 1024,
            "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
        }
    ]


def _connection_manager(layout: Layout) -> Resource:
    return {
        "@type": f"{_TYPE}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": NAME,
        "server_name": "falaj",
        "use_remote_address": True,
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        "always_set_request_id_in_response": True,
        "request_id_extension": {
            "typed_config": {
                "@type": f"{_TYPE}.extensions.request_id.uuid.v3.UuidRequestIdConfig",
                "pack_trace_reason": False,
            }
        },
        "request_headers_timeout": "10s",
        "stream_idle_timeout": "75s",
        "common_http_protocol_options": {"idle_timeout": "300s"},
        "rds": {"route_config_name": NAME, "config_source": layout.source("routes")},
        "http_filters": [
            {
                "name": "buffer",
                "typed_config": {"@type": f"{_HTTP_FILTERS}.buffer.v3.Buffer", "max_request_bytes": MAX_REQUEST_BYTES},
            },
            {"name": "router", "typed_config": {"@type": f"{_HTTP_FILTERS}.router.v3.Router"}},
        ],
        "access_log": [_access_log(layout.access_log)],
        "local_reply_config": _local_replies(),
    }


def _access_log(path: Path) -> Resource:
    fields = {
        "at": "%START_TIME(%s.%6f)%",
        "request_id": "%REQ(X-REQUEST-ID)%",
        "endpoint": "%METADATA(ROUTE:falaj:endpoint)%",
        "release": "%METADATA(CLUSTER:falaj:release)%",
        "weights": "%METADATA(ROUTE:falaj:weights)%",
        "method": "%REQ(:METHOD)%",
        "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
        "status": "%RESPONSE_CODE%",
        "flags": "%RESPONSE_FLAGS%",
        "details": "%RESPONSE_CODE_DETAILS%",
        "latency_ms": "%DURATION%",
        "upstream_ms": "%RESPONSE_DURATION%",
        "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
        "bytes_in": "%BYTES_RECEIVED%",
        "bytes_out": "%BYTES_SENT%",
        "replica": "%UPSTREAM_HOST%",
    }
    return {
        "name": "file",
        "typed_config": {
            "@type": f"{_TYPE}.extensions.access_loggers.file.v3.FileAccessLog",
            "path": str(path),
            "log_format": {"json_format": fields},
        },
    }


_PROBLEMS: Mapping[int, tuple[str, str, str]] = {
    404: ("endpoint.unknown", "Nothing is served here", "the path is /<environment>/<model>/..., such as /dev/NAME/v2"),
    413: ("prediction.too-large", "The request is too large", f"send at most {MAX_REQUEST_BYTES} bytes at a time"),
    503: ("endpoint.unavailable", "No replica can answer now", "try again; `falaj status` shows the replicas"),
    504: ("prediction.timeout", "The replica did not answer in time", f"the limit is {ROUTE_TIMEOUT_S} s"),
}


def _local_replies() -> Resource:
    """RFC 9457 problem details for what Envoy answers itself."""
    return {
        "mappers": [_mapper(status, *texts) for status, texts in _PROBLEMS.items()],
        "body_format": _problem("gateway", "The gateway refused the request", "%LOCAL_REPLY_BODY%"),
    }


def _mapper(status: int, code: str, title: str, detail: str) -> Resource:
    comparison = {"op": "EQ", "value": {"default_value": status, "runtime_key": f"falaj.never.{status}"}}
    return {
        "filter": {"status_code_filter": {"comparison": comparison}},
        "body_format_override": _problem(code, title, detail),
    }


def _problem(code: str, title: str, detail: str) -> Resource:
    return {
        "json_format": {
            "type": f"https://falaj.dev/problems/{code}",
            "code": code,
            "title": title,
            "status": "%RESPONSE_CODE%",
            "detail": detail,
            "instance": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
            "request_id": "%REQ(X-REQUEST-ID)%",
        },
        "content_type": _PROBLEM_CONTENT_TYPE,
    }
