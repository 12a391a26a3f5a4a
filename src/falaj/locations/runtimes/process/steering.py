"""From a traffic, which speaks of releases, to a route, which speaks of the arms that can answer (pure)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from falaj.locations.runtimes.process.routing import Arm, Route, Rule
from falaj.locations.traffic import USE_RELEASE, Traffic


def route(endpoint: str, traffic: Traffic, arms: Mapping[int, Arm], ready: Collection[int]) -> Route:
    """The route of an endpoint.

    Args:
        endpoint: `environment/model`.
        traffic: What is wanted.
        arms: By release: arms that were ready at some time.
        ready: Releases with a replica that answers now. When none does, the arms keep their weights, because a retry
            may outlast a restart.
    """
    weights = traffic.among(ready or arms.keys())
    mirrors = {arms[r].name: float(share) for r, share in sorted(traffic.mirrors.items()) if r in ready}
    asked = [Rule("header", USE_RELEASE, str(release), arms[release].name) for release in sorted(ready)]
    matched = [Rule(m.kind, m.name, m.value, arms[m.release].name) for m in traffic.matches if m.release in ready]
    return Route(
        endpoint,
        {arms[release].name: weight for release, weight in weights.items()},
        mirrors,
        arms[traffic.canary].name if traffic.canary in arms and traffic.canary else None,
        traffic.sticky,
        (*asked, *matched),
    )


def arms(traffic: Traffic, found: Mapping[int, Arm]) -> dict[str, Arm]:
    """The arms of an endpoint with their spares and mirrors.

    Envoy itself hands what an arm cannot answer to its spares, in the moment before anyone notices that the arm fell.
    Spares are the releases that get requests anyway, and the stable one, which has proven itself. They do not depend
    on who is ready, so that a fall changes the route and leaves the connections to all other arms alone.
    """
    trusted = {release for release, weight in traffic.weights.items() if weight} | {traffic.stable}
    heirs = [release for release in traffic.heirs if release in found and release in trusted]
    return {
        arm.name: replace(
            arm,
            spares=tuple(found[r].name for r in heirs if r != release) if traffic.weights.get(release) else (),
            mirrored=release in traffic.mirrors,
        )
        for release, arm in found.items()
    }
