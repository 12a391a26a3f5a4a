"""How Envoy finds out who asks, and lets in whom an endpoint has added (pure).

Source: Envoy API v3 reference (jwt_authn, rbac, header_mutation, local_ratelimit). A route says what it asks for; on
the loopback interface a route that says nothing is open, at the door it is closed. What decides is in the routes, since
those are in force at once for connections that are open: a caller that is left out there is out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

from falaj.dataplane.callers import CallerPolicy, CallerTrust, EndpointCallers
from falaj.dataplane.runtimes.process.envoy.config import CALLER_HEADER, HTTP_FILTERS, TYPE, Resource
from falaj.supply_chain.certificates.names import caller_uri

ISSUER = "falaj"
"""Who issues tokens of callers, as they say."""

_REQUIREMENT, _PROVIDER, _OIDC = "token", "falaj", "oidc"
_CLOCK_SKEW_S = 5
_VERIFIED = "envoy.filters.http.jwt_authn"
"""Where Envoy keeps what a verified token says."""
_PLAIN_SUBJECT = r"[A-Za-z0-9@._|:/=+-]+"
_MAX_CALLERS = 100_000
_MATCHING = "type.googleapis.com/envoy.extensions.matching.common_inputs.ssl.v3"


class Entrance(StrEnum):
    """Where a request comes in; also the name of its route configuration."""

    LOOPBACK = "edge"
    DOOR = "door"


class CallerRules(StrEnum):
    """What a route asks for."""

    NOTHING = "nothing"
    TOKEN = "token"  # noqa: S105 - the name of a credential
    CERTIFICATE = "certificate"
    PROVIDER = "provider"
    IMPOSSIBLE = "impossible"
    """Nobody comes in here."""


def caller_rules(callers: EndpointCallers, entrance: Entrance, *, feedback: bool = False) -> CallerRules:
    """What is asked of who wants a prediction, or brings labels.

    Args:
        callers: Of the endpoint.
        entrance: Where the request comes in.
        feedback: Whether it brings labels, which are taken from nobody unknown.
    """
    match callers.policy, entrance:
        case ((None | CallerPolicy.ANYONE), Entrance.LOOPBACK):
            return CallerRules.TOKEN if feedback else CallerRules.NOTHING
        case CallerPolicy.OIDC, _:
            return CallerRules.PROVIDER
        case CallerPolicy.MTLS, Entrance.LOOPBACK:
            return CallerRules.TOKEN if feedback else CallerRules.IMPOSSIBLE
        case CallerPolicy.ANYONE, Entrance.DOOR:
            return CallerRules.IMPOSSIBLE
        case CallerPolicy.MTLS, Entrance.DOOR:
            return CallerRules.CERTIFICATE
        case _:
            return CallerRules.TOKEN


def filters(entry: CallerTrust, entrance: Entrance) -> list[Resource]:
    """The filters that routes switch on; those of the door let nobody in who was not."""
    token_filters = [_token_filter(entry)] if entry.jwks or _has_provider(entry) else []
    nobody: Resource = {"rules": {"action": "ALLOW", "policies": {}}} if entrance is Entrance.DOOR else {}
    return [
        *token_filters,
        _filter("rbac", "rbac.v3.RBAC", nobody, disabled=entrance is not Entrance.DOOR),
        _filter("header_mutation", "header_mutation.v3.HeaderMutation", {}),
        _filter("local_ratelimit", "local_ratelimit.v3.LocalRateLimit", {"stat_prefix": "callers"}),
    ]


def route_part(callers: EndpointCallers, rules: CallerRules, entry: CallerTrust) -> Resource:
    """What a route says of its callers: which filters it switches on, and how."""
    if rules is CallerRules.NOTHING:
        return {}
    without_keys = {CallerRules.TOKEN: not entry.jwks, CallerRules.PROVIDER: not _has_provider(entry)}
    if without_keys.get(rules, False):
        return {"typed_per_filter_config": {"rbac": _on("rbac.v3.RBACPerRoute", _only(_by_header(()), "nobody"))}}
    return {"typed_per_filter_config": {**_proof(callers, rules, entry), "local_ratelimit": _limit(callers)}}


def rate_limits() -> list[Resource]:
    """What a route's requests are counted by."""
    return [{"actions": [{"request_headers": {"header_name": CALLER_HEADER, "descriptor_key": "caller"}}]}]


def anybody() -> Resource:
    """What a route at the door says that is for everybody."""
    return {"rbac": {"@type": f"{HTTP_FILTERS}.rbac.v3.RBACPerRoute"}}


def _has_provider(entry: CallerTrust) -> bool:
    return entry.provider is not None and bool(entry.provider.jwks.get("keys"))


def _proof(callers: EndpointCallers, rules: CallerRules, entry: CallerTrust) -> Resource:
    if rules is CallerRules.PROVIDER:
        return {
            "jwt_authn": _on("jwt_authn.v3.PerRouteConfig", {"requirement_name": _OIDC}),
            "rbac": _on("rbac.v3.RBACPerRoute", _by_audience(callers.audience)),
            "header_mutation": _named_by(f"{_OIDC}:%DYNAMIC_METADATA({_VERIFIED}:{_OIDC}:sub)%"),
        }
    if rules is CallerRules.TOKEN:
        return {
            "jwt_authn": _on("jwt_authn.v3.PerRouteConfig", {"requirement_name": _REQUIREMENT}),
            "rbac": _on("rbac.v3.RBACPerRoute", _only(_by_header(callers.ids), "callers")),
        }
    uris = [caller_uri(entry.trust_domain, each) for each in callers.ids]
    return {
        "rbac": _on("rbac.v3.RBACPerRoute", _only(_by_certificate(uris), "callers")),
        "header_mutation": _named_by("%DOWNSTREAM_PEER_URI_SAN%"),
    }


def _named_by(value: str) -> Resource:
    """Set the header that says who asks."""
    header = {"key": CALLER_HEADER, "value": value}
    shown = {"append": {"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}}
    return _on("header_mutation.v3.HeaderMutationPerRoute", {"mutations": {"request_mutations": [shown]}})


def _token_filter(entry: CallerTrust) -> Resource:
    own = {"claim_to_headers": [{"header_name": CALLER_HEADER, "claim_name": "sub"}]}
    providers = {_PROVIDER: _verification(ISSUER, entry.jwks, own)} if entry.jwks else {}
    requirements = {_REQUIREMENT: {"provider_name": _PROVIDER}} if entry.jwks else {}
    if entry.provider is not None and _has_provider(entry):
        life = {"max_lifetime": f"{entry.provider.max_life_s + _CLOCK_SKEW_S}s", "payload_in_metadata": _OIDC}
        providers[_OIDC] = _verification(entry.provider.issuer, entry.provider.jwks, life)
        requirements[_OIDC] = {"provider_name": _OIDC}
    content = {"providers": providers, "requirement_map": requirements}
    return _filter("jwt_authn", "jwt_authn.v3.JwtAuthentication", content)


def _verification(issuer: str, jwks: Mapping[str, Any], more: Resource) -> Resource:
    return {
        "issuer": issuer,
        "local_jwks": {"inline_string": json.dumps(jwks, sort_keys=True)},
        "from_headers": [{"name": "authorization", "value_prefix": "Bearer "}],
        "forward": False,
        "require_expiration": True,
        "clock_skew_seconds": _CLOCK_SKEW_S,
        **more,
    }


def _by_audience(audience: str) -> Resource:
    """Whoever shows a token that is for an endpoint, and whose subject can stand in a header and a log."""
    exact = {"string_match": {"exact": audience}}
    for_endpoint = [_claims("aud", exact), _claims("aud", {"list_match": {"one_of": exact}})]
    named = _claims("sub", {"string_match": {"safe_regex": {"regex": _PLAIN_SUBJECT}}})
    principal = {"and_ids": {"ids": [{"or_ids": {"ids": for_endpoint}}, named]}}
    policy = {"permissions": [{"any": True}], "principals": [principal]}
    return {"rbac": {"rules": {"action": "ALLOW", "policies": {"callers": policy}}}}


def _claims(name: str, value: Resource) -> Resource:
    matcher = {"filter": _VERIFIED, "path": [{"key": _OIDC}, {"key": name}], "value": value}
    return {"sourced_metadata": {"metadata_matcher": matcher}}


def _only(predicate: Resource, stat: str) -> Resource:
    """Whoever the predicate knows, and nobody else; a look-up, however many there are."""
    return {"rbac": {"matcher": {"matcher_tree": predicate, "on_no_match": _action("DENY", stat)}}}


def _by_header(ids: Iterable[str]) -> Resource:
    at = {"@type": "type.googleapis.com/envoy.type.matcher.v3.HttpRequestHeaderMatchInput"}
    return _among({**at, "header_name": CALLER_HEADER}, ids)


def _by_certificate(uris: Iterable[str]) -> Resource:
    return _among({"@type": f"{_MATCHING}.UriSanInput"}, uris)


def _among(at: Resource, values: Iterable[str]) -> Resource:
    actions = {each: _action("ALLOW", "caller") for each in sorted(values)}
    return {
        "input": {"name": "caller", "typed_config": at},
        "exact_match_map": {"map": actions or {"-": _action("DENY", "nobody")}},  # Envoy asks for one at least
    }


def _action(action: str, name: str) -> Resource:
    typed = {"@type": f"{TYPE}.config.rbac.v3.Action", "name": name, "action": action}
    return {"action": {"name": name, "typed_config": typed}}


def _limit(callers: EndpointCallers) -> Resource:
    always = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
    each = {"max_tokens": callers.per_second, "tokens_per_fill": callers.per_second, "fill_interval": "1s"}
    content = {
        "stat_prefix": "callers",
        "filter_enabled": always,
        "filter_enforced": always,
        "token_bucket": {"max_tokens": 2**31, "tokens_per_fill": 2**31, "fill_interval": "1s"},
        "descriptors": [{"entries": [{"key": "caller"}], "token_bucket": each}],
        "max_dynamic_descriptors": _MAX_CALLERS,
        "response_headers_to_add": [{"header": {"key": "retry-after", "value": "1"}}],
    }
    return _on("local_ratelimit.v3.LocalRateLimit", content)


def _filter(name: str, kind: str, content: Resource, *, disabled: bool = True) -> Resource:
    """A filter that routes switch on; one that is off costs a request nothing."""
    return {"name": name, "typed_config": {"@type": f"{HTTP_FILTERS}.{kind}", **content}, "disabled": disabled}


def _on(kind: str, content: Resource) -> Resource:
    config = {"@type": f"{HTTP_FILTERS}.{kind}", **content}
    return {"@type": f"{TYPE}.config.route.v3.FilterConfig", "config": config}
