"""The routes of a routing table, as Envoy's API v3 wants them (pure).

Source: Envoy API v3 reference. `validate_clusters` keeps a route from naming a missing cluster.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from falaj.dataplane.callers import CLOSED, CallerTrust
from falaj.dataplane.runtimes.process.envoy.callers import (
    CallerRules,
    Entrance,
    anybody,
    caller_rules,
    rate_limits,
    route_part,
)
from falaj.dataplane.runtimes.process.envoy.config import (
    ARM_HEADER,
    HTTP_FILTERS,
    MAX_REQUEST_BYTES,
    NAME,
    ROUTE_TIMEOUT_S,
    TYPE,
    UNIT_HEADER,
    Resource,
)
from falaj.dataplane.runtimes.process.routing import Route, RoutingRule, RoutingTable, mirror_of

HOST = "falaj"
"""Host of every request to a replica; of a copy it is `falaj-shadow`, which no client can pretend."""
FEEDBACK = "/feedback"
"""Where labels are brought, behind the name of an endpoint."""
_MILLION = 1_000_000


def routes(table: RoutingTable, entry: CallerTrust = CLOSED, entrance: Entrance = Entrance.LOOPBACK) -> list[Resource]:
    """The one route configuration of an entrance: a prefix an endpoint, and problem details for everything else.

    Args:
        table: Where requests go.
        entry: How callers are told apart.
        entrance: Where the requests come in.
    """
    endpoints = (table.routes[name] for name in sorted(table.routes))
    endpoint_routes = [item for route in endpoints for item in _endpoint_routes(table, route, entry, entrance)]
    unknown = {"match": {"prefix": "/"}, "direct_response": {"status": 404}}
    host = {
        "name": NAME,
        "domains": ["*"],
        "routes": [_two_hosts(entrance), _too_large(entrance), *endpoint_routes, unknown],
        "include_request_attempt_count": True,
        "request_body_buffer_limit": MAX_REQUEST_BYTES,
        "request_headers_to_remove": ["authorization"],  # credentials end here: no model sees one
    }
    return [
        {
            "@type": f"{TYPE}.config.route.v3.RouteConfiguration",
            "name": str(entrance),
            "virtual_hosts": [host],
            "validate_clusters": True,
        }
    ]


def _too_large(entrance: Entrance) -> Resource:
    """Refuse by the announced length, before the body is read."""
    announced = {"name": "content-length", "range_match": {"start": MAX_REQUEST_BYTES + 1, "end": 2**62}}
    return _refusal(announced, 413, entrance)


def _two_hosts(entrance: Entrance) -> Resource:
    """Refuse a second `Host` header (RFC 9112, 3.2), which Envoy joins to the first by a comma."""
    return _refusal({"name": ":authority", "string_match": {"contains": ","}}, 400, entrance)


def _refusal(header: Resource, status: int, entrance: Entrance) -> Resource:
    unread = {"@type": f"{HTTP_FILTERS}.buffer.v3.BufferPerRoute", "disabled": True}
    return {
        "match": {"prefix": "/", "headers": [header]},
        "direct_response": {"status": status},
        "typed_per_filter_config": {"buffer": unread, **(anybody() if entrance is Entrance.DOOR else {})},
    }


def _endpoint_routes(table: RoutingTable, route: Route, entry: CallerTrust, entrance: Entrance) -> list[Resource]:
    prefix = f"/{route.endpoint}"
    rules = caller_rules(route.callers, entrance)
    of_labels = caller_rules(route.callers, entrance, feedback=True)
    labels = [] if of_labels is rules else [({"path": f"{prefix}{FEEDBACK}"}, of_labels)]
    matches = [*labels, ({"prefix": f"{prefix}/"}, rules), ({"path": prefix}, rules)]
    return [each for match, what in matches for each in _routes(table, route, entry, match, what)]


def _routes(
    table: RoutingTable, route: Route, entry: CallerTrust, match: Resource, rules: CallerRules
) -> list[Resource]:
    """The routes of what matches: those that requests are forced on by a rule, then the one by weights."""
    if rules is CallerRules.IMPOSSIBLE:
        return [{"match": match, "direct_response": {"status": 403}}]
    part = route_part(route.callers, rules, entry)
    if not route.weights:
        return [{"match": match, "direct_response": {"status": 503}, **part}]
    forced = [{"match": match | _condition(rule), **_forced(table, route, rule), **part} for rule in route.rules]
    return [_led(route, each, rules) for each in (*forced, {"match": match, **_shared(table, route), **part})]


def _led(route: Route, resource: Resource, rules: CallerRules) -> Resource:
    """A route whose requests are counted by caller; what is matched as a whole keeps its last part."""
    more: Resource = {} if rules is CallerRules.NOTHING else {"rate_limits": rate_limits()}
    if resource["match"].get("path") == f"/{route.endpoint}{FEEDBACK}":
        more["prefix_rewrite"] = FEEDBACK
    return {**resource, "route": {**resource["route"], **more}}


def _condition(rule: RoutingRule) -> Resource:
    exact = {"name": rule.name, "string_match": {"exact": rule.value}}
    return {"headers": [exact]} if rule.kind == "header" else {"query_parameters": [exact]}


def _forced(table: RoutingTable, route: Route, rule: RoutingRule) -> Resource:
    action = {"weighted_clusters": {"clusters": [_share(rule.arm, 1, "forced")]}}
    return _forward(table, route, action, forced=True)


def _shared(table: RoutingTable, route: Route) -> Resource:
    by_release = _by_release(table, route)
    weight = (
        by_release.get(table.arms[route.candidate].number, 0)
        if route.candidate in table.arms and route.candidate
        else 0
    )
    shares = [_share(name, share, f"{_arm(table, route, name)};w={weight}") for name, share in route.weights.items()]
    weighted: Resource = {"clusters": shares}
    action: Resource = {"weighted_clusters": weighted}
    if route.sticky:
        weighted["use_hash_policy"] = True
        action["hash_policy"] = [_unit_hash(route, route.sticky)]
    if route.mirrors:
        action["request_mirror_policies"] = [_mirror(name, share) for name, share in sorted(route.mirrors.items())]
    return _forward(table, route, action)


def _by_release(table: RoutingTable, route: Route) -> dict[int, int]:
    """The weights of the releases; a baseline counts for its own."""
    release_weights: dict[int, int] = {}
    for name, weight in sorted(route.weights.items()):
        number = table.arms[name].number
        release_weights[number] = release_weights.get(number, 0) + weight
    return release_weights


def _arm(table: RoutingTable, route: Route, name: str) -> str:
    """What a replica is told of its arm."""
    arm, candidate = table.arms[name], table.arms.get(route.candidate or "")
    side = "candidate" if candidate and arm.number == candidate.number else "stable"
    return f"{side};baseline" if arm.baseline else side


def _unit_hash(route: Route, header: str) -> Resource:
    """Hash of the unit, salted by endpoint and candidate: else one customer would be the first of every rollout."""
    salt = {"pattern": {"regex": "^"}, "substitution": f"{route.endpoint} {route.candidate} "}
    return {"header": {"header_name": header, "regex_rewrite": salt}}


def _mirror(arm: str, share: float) -> Resource:
    fraction = {"numerator": max(1, round(share * _MILLION)), "denominator": "MILLION"}
    return {"cluster": mirror_of(arm), "runtime_fraction": {"default_value": fraction}}


def _forward(table: RoutingTable, route: Route, action: Mapping[str, Any], *, forced: bool = False) -> Resource:
    weights = {str(number): weight for number, weight in _by_release(table, route).items()}
    candidate = (
        {"candidate": table.arms[route.candidate].number} if route.candidate in table.arms and route.candidate else {}
    )
    baseline = {"baseline_weight": sum(w for name, w in route.weights.items() if table.arms[name].baseline)}
    facts = {"endpoint": route.endpoint, "weights": weights, "forced": forced, **baseline, **candidate}
    route_action: Resource = {
        "metadata": {"filter_metadata": {"falaj": facts}},
        "route": {
            "prefix_rewrite": "/",
            "host_rewrite_literal": HOST,
            "timeout": f"{ROUTE_TIMEOUT_S}s",
            "retry_policy": _retries(table, route),
            **action,
        },
    }
    if route.sticky:
        route_action["request_headers_to_add"] = [_header(UNIT_HEADER, f"%REQ({route.sticky})%")]
    return route_action


def _share(arm: str, weight: int, facts: str) -> Resource:
    return {
        "name": arm,
        "weight": weight,
        "request_headers_to_add": [_header(ARM_HEADER, facts)],
        # Of the replica that answered, which is one of another arm when this arm cannot.
        "response_headers_to_add": [_header("falaj-release", "%METADATA(UPSTREAM_HOST:falaj:name)%")],
    }


def _header(name: str, value: str) -> Resource:
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def _retries(table: RoutingTable, route: Route) -> Resource:
    """Two attempts at the arm that the weights chose; where an arm has spares, the next ones go to these."""
    if not any(table.arms[name].spares for name in route.weights):
        return _RETRIES
    plugin = f"{TYPE}.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig"
    priority = {
        "name": "envoy.retry_priorities.previous_priorities",
        "typed_config": {"@type": plugin, "update_frequency": 2},
    }
    return {**_RETRIES, "retry_priority": priority}


_RETRIES: Resource = {
    "retry_on": "connect-failure,refused-stream,reset,retriable-status-codes",
    "retriable_status_codes": [503],
    "num_retries": 4,
    "retry_host_predicate": [
        {
            "name": "envoy.retry_host_predicates.previous_hosts",
            "typed_config": {
                "@type": f"{TYPE}.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
            },
        }
    ],
    # A dead replica has the fewest requests, so of two it is drawn 3 times in 4. Eight draws miss the living one in 10%
    # of the retries, which under load lost a request; 64 miss it in 1 of 10^8.
    "host_selection_retry_max_attempts": 64,
    "retry_back_off": {"base_interval": "0.005s", "max_interval": "0.25s"},
}
