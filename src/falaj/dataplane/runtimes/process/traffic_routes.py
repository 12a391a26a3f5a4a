"""From a traffic, which speaks of releases, to a route, which speaks of the arms that can answer (pure)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from falaj.dataplane.runtimes.process.routing import Arm, Route, RoutingRule
from falaj.dataplane.traffic_split import USE_RELEASE, Traffic


def route(
    endpoint: str, traffic: Traffic, arms: Mapping[int, Arm], ready: Collection[int], baseline: Arm | None = None
) -> Route:
    """The route of an endpoint.

    Args:
        endpoint: `environment/model`.
        traffic: What is wanted.
        arms: By release: arms that were ready at some time.
        ready: Releases with a replica that answers now. When none does, the arms keep their weights, because a retry
            may outlast a restart.
        baseline: The baseline's arm, when it can answer.
    """
    weights = traffic.among(ready or arms.keys())
    mirrors = {arms[r].name: float(share) for r, share in sorted(traffic.mirrors.items()) if r in ready}
    release_rules = [RoutingRule("header", USE_RELEASE, str(release), arms[release].name) for release in sorted(ready)]
    matched = [
        RoutingRule(m.kind, m.name, m.value, arms[m.release].name) for m in traffic.matches if m.release in ready
    ]
    return Route(
        endpoint,
        _shares(traffic, {arms[release].name: weight for release, weight in weights.items()}, arms, baseline),
        mirrors,
        arms[traffic.candidate].name if traffic.candidate in arms and traffic.candidate else None,
        traffic.sticky,
        (*release_rules, *matched),
    )


def _shares(
    traffic: Traffic, weights: Mapping[str, int], arms: Mapping[int, Arm], baseline: Arm | None
) -> dict[str, int]:
    """The weights of the arms: the baseline's is taken out of its release's.

    It lies at an end of the line that sticky units are points of: the candidate grows from below and the baseline of
    the stable release from above, so nobody changes arm while both grow.
    """
    if baseline is None or traffic.baseline is None or not traffic.baseline.weight:
        return dict(weights)
    own = arms[baseline.number].name if baseline.number in arms else ""
    part = min(traffic.baseline.weight, weights.get(own, 0))
    rest = {name: weight - part if name == own else weight for name, weight in weights.items()}
    rest = {name: weight for name, weight in rest.items() if weight}
    share = {baseline.name: part} if part else {}
    return {**share, **rest} if baseline.number == traffic.candidate else {**rest, **share}


def arms(traffic: Traffic, release_arms: Mapping[int, Arm], baseline: Arm | None = None) -> dict[str, Arm]:
    """The arms of an endpoint with their spares and mirrors.

    Envoy itself hands what an arm cannot answer to its spares, in the moment before anyone notices that the arm fell.
    Spares are the releases that get requests anyway, and the stable one, which has proven itself. They do not depend
    on who is ready, so that a fall changes the route and leaves the connections to all other arms alone.
    """
    trusted = {release for release, weight in traffic.weights.items() if weight} | {traffic.stable}
    heirs = [release_arms[release] for release in traffic.heirs if release in release_arms and release in trusted]
    mirrored = {release for release in release_arms if release in traffic.mirrors}
    everything = [*release_arms.values(), *([baseline] if baseline else [])]
    return {
        arm.name: replace(
            arm,
            spares=_spares(arm, heirs, baseline) if traffic.weights.get(arm.number) else (),
            mirrored=arm.number in mirrored and not arm.baseline,
        )
        for arm in everything
    }


def _spares(arm: Arm, heirs: Sequence[Arm], baseline: Arm | None) -> tuple[str, ...]:
    """Who answers for an arm: other replicas of its release first."""
    others = [other for other in (*heirs, *([baseline] if baseline else [])) if other.name != arm.name]
    return tuple(other.name for other in sorted(others, key=lambda other: other.number != arm.number))
