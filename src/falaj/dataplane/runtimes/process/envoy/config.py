"""What Envoy is told once, as its API v3 wants it: who it is, where it listens, what it logs (pure).

Source: Envoy API v3 reference. What changes with the releases is in `envoy_clusters` and `envoy_routes`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from falaj.dataplane.callers import Door

MAX_REQUEST_BYTES = 32 * 1024 * 1024
"""Larger predictions are refused with 413: they are a batch job, and retries must be able to hold the body."""
ROUTE_TIMEOUT_S = 60
REQUEST_TIMEOUT_S = 30
"""Within which a whole request arrives, its body too: the largest one in that takes 9 Mbit/s."""
HANDSHAKE_TIMEOUT_S = 10
"""Within which who comes from another machine speaks TLS."""
MAX_CONNECTIONS = 10_000
"""At the door; the listener on the loopback interface has its own."""
NAME, DOOR = "edge", "door"
"""The listener on the loopback interface, and the one for other machines."""
SECRETS = "secrets"
ROUTES = {NAME: "routes", DOOR: "door-routes"}
"""Which file holds the routes of a listener."""
ARM_HEADER = "falaj-arm"
"""Tells a replica how its request came to it: `canary;w=500`, `stable;w=500`, `stable;baseline;w=500` or `forced`; w is
the candidate's share of 10,000."""
UNIT_HEADER = "falaj-unit"
"""Carries the value of the header that keeps a unit on one arm."""
CALLER_HEADER = "falaj-caller"
"""Tells a replica who asks, by a pseudonym; only the gateway sets it."""
TYPE = "type.googleapis.com/envoy"
HTTP_FILTERS = f"{TYPE}.extensions.filters.http"
_PROBLEM_CONTENTTYPE = "application/problem+json"

MAX_UNIT = 128
"""Characters of a unit's value that are logged."""

Resource = dict[str, Any]


@dataclass(frozen=True)
class EnvoyLayout:
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


def bootstrap(layout: EnvoyLayout, *, node_id: str) -> Resource:
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
                        "@type": f"{TYPE}.extensions.resource_monitors.downstream_connections.v3"
                        ".DownstreamConnectionsConfig",
                        "max_active_downstream_connections": MAX_CONNECTIONS,
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


def listeners(layout: EnvoyLayout, *, port: int, inner: Sequence[Resource] = ()) -> list[Resource]:
    """The listener on the loopback interface; named by its port so that a new port is a new listener.

    Args:
        layout: Files of the gateway.
        port: Its port.
        inner: Filters that find out who asks.
    """
    return [_listener(layout, NAME, "127.0.0.1", port, inner)]


def door_listener(layout: EnvoyLayout, door: Door, inner: Sequence[Resource], authority: str) -> Resource:
    """The listener for other machines.

    Args:
        layout: Files of the gateway.
        door: Where it listens.
        inner: Filters that find out who asks.
        authority: Whose certificates callers may show; empty for nobody's.
    """
    return _listener(layout, DOOR, door.address, door.port, inner, _tls(layout, door, authority))


def _listener(
    layout: EnvoyLayout, name: str, address: str, port: int, inner: Sequence[Resource], tls: Resource | None = None
) -> Resource:
    manager = _connection_manager(layout, name, inner)
    chain: Resource = {"filters": [{"name": "http", "typed_config": manager}]}
    if tls is not None:
        chain |= {"transport_socket": tls, "transport_socket_connect_timeout": f"{HANDSHAKE_TIMEOUT_S}s"}
    return {
        "@type": f"{TYPE}.config.listener.v3.Listener",
        "name": f"{name}-{port}",
        "address": {"socket_address": {"address": address, "port_value": port}},
        "per_connection_buffer_limit_bytes": 1024 * 1024,
        "filter_chains": [chain],
        "ignore_global_conn_limit": name == NAME,  # whoever fills the door leaves this machine its own
    }


def _tls(layout: EnvoyLayout, door: Door, authority: str) -> Resource | None:
    """TLS with a certificate that is read again when its file is another one; callers may show one of theirs."""
    if door.tls == "off":
        return None
    common: Resource = {
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
        "alpn_protocols": ["http/1.1"],
        "tls_certificate_sds_secret_configs": [{"name": DOOR, "sds_config": layout.source(SECRETS)}],
    }
    if authority:
        common["validation_context"] = {"trusted_ca": {"inline_string": authority}}
    kind = f"{TYPE}.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
    return {"name": "tls", "typed_config": {"@type": kind, "common_tls_context": common}}


def server_certificate(chain: str, key: str) -> Resource:
    """The certificate and key of the door, in PEM."""
    pair = {"certificate_chain": {"inline_string": chain}, "private_key": {"inline_string": key}}
    return {"@type": f"{TYPE}.extensions.transport_sockets.tls.v3.Secret", "name": DOOR, "tls_certificate": pair}


def _connection_manager(layout: EnvoyLayout, name: str, inner: Sequence[Resource]) -> Resource:
    return {
        "@type": f"{TYPE}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "server_name": "falaj",
        "codec_type": "HTTP1",  # what replicas speak: nothing is translated, so nothing is read in two ways
        "use_remote_address": True,
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        "always_set_request_id_in_response": True,
        "request_id_extension": {
            "typed_config": {
                "@type": f"{TYPE}.extensions.request_id.uuid.v3.UuidRequestIdConfig",
                "pack_trace_reason": False,
            }
        },
        # Before anything else, so that no filter, route or log ever sees a client's own.
        "early_header_mutation_extensions": [
            {
                "name": "envoy.http.early_header_mutation.header_mutation",
                "typed_config": {
                    "@type": f"{TYPE}.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
                    "mutations": [{"remove": each} for each in (ARM_HEADER, UNIT_HEADER, CALLER_HEADER)],
                },
            }
        ],
        "request_headers_timeout": "10s",
        "request_timeout": f"{REQUEST_TIMEOUT_S}s",
        "stream_idle_timeout": "75s",
        "common_http_protocol_options": _connections(name),
        "rds": {"route_config_name": name, "config_source": layout.source(ROUTES[name])},
        "http_filters": [
            *inner,  # who asks is known before a body is read
            {
                "name": "buffer",
                "typed_config": {"@type": f"{HTTP_FILTERS}.buffer.v3.Buffer", "max_request_bytes": MAX_REQUEST_BYTES},
            },
            {"name": "router", "typed_config": {"@type": f"{HTTP_FILTERS}.router.v3.Router"}},
        ],
        "access_log": [_access_log(layout.access_log)],
        "local_reply_config": _local_replies(),
    }


def _connections(name: str) -> Resource:
    """A certificate is looked at when a connection begins, so none lasts for ever at the door."""
    return {"idle_timeout": "300s", **({"max_connection_duration": "3600s"} if name == DOOR else {})}


def _access_log(path: Path) -> Resource:
    fields = {
        "at": "%START_TIME(%s.%6f)%",
        "request_id": "%REQ(X-REQUEST-ID)%",
        "endpoint": "%METADATA(ROUTE:falaj:endpoint)%",
        # All of one route, which is the one that was in force for this request, whatever came since.
        "weights": "%METADATA(ROUTE:falaj:weights)%",
        "candidate": "%METADATA(ROUTE:falaj:candidate)%",
        "baseline_weight": "%METADATA(ROUTE:falaj:baseline_weight)%",
        "forced": "%METADATA(ROUTE:falaj:forced)%",
        "release": "%METADATA(CLUSTER:falaj:release)%",
        "answered": "%METADATA(UPSTREAM_HOST:falaj:release)%",
        "baseline": "%METADATA(CLUSTER:falaj:baseline)%",
        "answered_baseline": "%METADATA(UPSTREAM_HOST:falaj:baseline)%",
        "unit": f"%REQ({UNIT_HEADER}):{MAX_UNIT}%",
        "method": "%REQ(:METHOD)%",
        "caller": f"%REQ({CALLER_HEADER}):{MAX_UNIT}%",
        "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
        "status": "%RESPONSE_CODE%",
        "flags": "%RESPONSE_FLAGS%",
        "details": "%RESPONSE_CODE_DETAILS%",
        "latency_us": "%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%",
        "upstream_ms": "%RESPONSE_DURATION%",
        "asked_us": "%COMMON_DURATION(DS_RX_BEG:US_TX_BEG:us)%",
        "replied_us": "%COMMON_DURATION(DS_RX_BEG:US_RX_END:us)%",
        "traceparent": "%REQ(TRACEPARENT):55%",
        "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
        "bytes_in": "%BYTES_RECEIVED%",
        "bytes_out": "%BYTES_SENT%",
        "replica": "%UPSTREAM_HOST%",
    }
    return {
        "name": "file",
        "typed_config": {
            "@type": f"{TYPE}.extensions.access_loggers.file.v3.FileAccessLog",
            "path": str(path),
            "log_format": {"json_format": fields},
        },
    }


_PROBLEMS: Mapping[int, tuple[str, str, str]] = {
    400: (
        "gateway.malformed",
        "The request is not well formed",
        "one Host header, no escaped slash in the path, and HTTP/1.1 as RFC 9112 has it",
    ),
    401: (
        "endpoint.token",
        "A token of this endpoint is needed",
        "send 'Authorization: Bearer TOKEN'; falaj endpoint caller add makes one",
    ),
    403: (
        "endpoint.caller",
        "This caller may not ask here",
        "the token or certificate was revoked or is another endpoint's, or the endpoint is not served at this address",
    ),
    429: ("endpoint.caller-limit", "This caller asks too often", "wait a second; `serving.per_caller` is the limit"),
    404: ("endpoint.unknown", "Nothing is served here", "the path is /<environment>/<model>/..., such as /dev/NAME/v2"),
    408: ("gateway.slow", "The request did not arrive in time", f"a whole request within {REQUEST_TIMEOUT_S} s"),
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
        "content_type": _PROBLEM_CONTENTTYPE,
    }
