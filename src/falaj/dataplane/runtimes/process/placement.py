"""Deciding what a location should run and route, from what is wanted and what is there (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from falaj.dataplane.callers import ANYONE_HERE, EndpointCallers
from falaj.dataplane.desired_state import BaselineStatus, EndpointState, EndpointStatus, ReleaseRole, Servable
from falaj.dataplane.runtimes.process import backoff, traffic_routes
from falaj.dataplane.runtimes.process.replica import Replica, arm_name, arm_of
from falaj.dataplane.runtimes.process.routing import TOTAL_WEIGHT, Arm, Route, RoutingTable
from falaj.dataplane.traffic_split import Traffic


@dataclass(frozen=True)
class ReplicaGroup:
    """The replicas of one arm that are not retired."""

    arm: str
    replicas: tuple[Replica, ...]

    @property
    def ready(self) -> int:
        """How many answer."""
        return sum(replica.ready for replica in self.replicas)

    @property
    def starting(self) -> bool:
        """Whether none answers yet, and none has fallen."""
        return not self.ready and not any(replica.deaths for replica in self.replicas)


def baselines(servables: Sequence[Servable], traffic: Mapping[str, Traffic]) -> list[Servable]:
    """The servables of the baselines that the traffic of the endpoints asks for.

    A baseline has as many replicas as the release that is compared with it: the canary, or the other one where the
    baseline is of the canary itself.
    """
    baseline_servables = []
    for name, members in _by_endpoint(servables).items():
        baseline = traffic[name].baseline if name in traffic else None
        own = next((s for s in members if baseline and s.endpoint.release == baseline.release), None)
        if baseline is None or own is None:
            continue
        compared = traffic[name].stable if baseline.release == traffic[name].candidate else traffic[name].candidate
        replicas = next((s.endpoint.replicas for s in members if s.endpoint.release == compared), own.endpoint.replicas)
        baseline_servables.append(
            replace(own, endpoint=replace(own.endpoint, role=ReleaseRole.BASELINE, replicas=replicas))
        )
    return baseline_servables


def with_baselines(
    servables: Sequence[Servable], statuses: Sequence[EndpointStatus], short: Mapping[tuple[str, int], str]
) -> list[EndpointStatus]:
    """The statuses of the releases, each with that of its baseline.

    Args:
        servables: What was wanted, baselines among them.
        statuses: One each, in the same order.
        short: By endpoint and release, why its baseline was not even started.
    """
    states = {key: BaselineStatus(EndpointState.FAILED, why) for key, why in short.items()}
    states |= {
        (status.endpoint, status.release): BaselineStatus(status.state, status.message)
        for servable, status in zip(servables, statuses, strict=True)
        if servable.endpoint.role is ReleaseRole.BASELINE
    }
    return [
        replace(status, baseline=states.get((status.endpoint, status.release)))
        for servable, status in zip(servables, statuses, strict=True)
        if servable.endpoint.role is not ReleaseRole.BASELINE
    ]


def group(replicas: Iterable[Replica], arm: str) -> ReplicaGroup:
    """The replicas of an arm in order of their index."""
    live_replicas = [replica for replica in replicas if replica.slot.arm == arm and replica.retired_at is None]
    return ReplicaGroup(arm, tuple(sorted(live_replicas, key=lambda replica: replica.slot.index)))


def live_arm(servable: Servable, replicas: Sequence[Replica], before: RoutingTable) -> str | None:
    """The arm that an endpoint's requests go to now: the wanted one once all its replicas are ready, else the old one.

    Args:
        servable: What is wanted.
        replicas: All that run.
        before: The table in force.
    """
    arm_group = group(replicas, arm_name(servable))
    live = _main(servable.endpoint.name, before)
    if live == arm_group.arm or (arm_group.ready and arm_group.ready >= servable.endpoint.replicas):
        return arm_group.arm
    return live if live and group(replicas, live).replicas else None


def routing_table(
    servables: Sequence[Servable],
    replicas: Sequence[Replica],
    before: RoutingTable,
    traffic: Mapping[str, Traffic] | None = None,
    callers: Mapping[str, EndpointCallers] | None = None,
) -> RoutingTable:
    """The table that should be in force.

    A fallen replica stays in its arm while it is restarted: Envoy tries another one, and needs no new configuration.
    A replica that has not been ready yet is not in it. An arm without a route stays until its replicas have drained.

    Args:
        servables: What is wanted; several of one endpoint where it has a traffic.
        replicas: All that run.
        before: The table in force.
        traffic: By endpoint; an endpoint without one moves to its servable as a whole.
        callers: By endpoint: who may ask.
    """
    arms: dict[str, Arm] = {}
    routes: dict[str, Route] = {}
    for name, members in _by_endpoint(servables).items():
        if traffic and name in traffic:
            endpoint_arms, routes[name] = _steered(name, members, replicas, before, traffic[name])
        else:
            endpoint_arms, routes[name] = _whole(name, members, replicas, before)
        routes[name] = replace(routes[name], callers=(callers or {}).get(name, ANYONE_HERE))
        arms |= endpoint_arms
    draining = {r.slot.arm for r in replicas} & before.arms.keys() - arms.keys()
    arms |= {name: replace(before.arms[name], spares=(), mirrored=False) for name in draining}
    return RoutingTable(arms, routes)


def _by_endpoint(servables: Sequence[Servable]) -> dict[str, list[Servable]]:
    grouped: dict[str, list[Servable]] = {}
    for servable in servables:
        grouped.setdefault(servable.endpoint.name, []).append(servable)
    return grouped


def _whole(
    name: str, members: Sequence[Servable], replicas: Sequence[Replica], before: RoutingTable
) -> tuple[dict[str, Arm], Route]:
    """One arm has all requests; of several servables, which nobody shared them between, the one that has them now."""
    main = _main(name, before)
    chosen = live_arm(next((s for s in members if arm_name(s) == main), members[0]), replicas, before)
    return _alone(name, _routable(replicas, chosen, before) if chosen else None)


def _alone(name: str, arm: Arm | None) -> tuple[dict[str, Arm], Route]:
    """All requests for one arm; nobody answers where there is none."""
    return ({arm.name: arm}, Route(name, {arm.name: TOTAL_WEIGHT})) if arm else ({}, Route(name, {}))


def _steered(
    name: str, members: Sequence[Servable], replicas: Sequence[Replica], before: RoutingTable, traffic: Traffic
) -> tuple[dict[str, Arm], Route]:
    """The arms of a traffic share the requests; until the stable one was ready, what answered before goes on.

    A candidate that is ready first, as after a restart in mid-rollout, waits: it would have all requests otherwise. It
    takes them over from a stable release that fell.
    """
    names = {s.endpoint.release: arm_name(s) for s in members if s.endpoint.role is not ReleaseRole.BASELINE}
    routable = {release: arm for release, n in names.items() if (arm := _routable(replicas, n, before))}
    stable = names.get(traffic.stable) if traffic.stable and traffic.weights[traffic.stable] else None
    if not routable or (stable and group(replicas, stable).starting):
        main = _main(name, before)
        candidates = {*names.values()} - {stable}
        return _alone(name, _routable(replicas, main, before) if main and main not in candidates else None)
    ready = frozenset(release for release, arm in routable.items() if group(replicas, arm.name).ready)
    baseline = _baseline(name, members, replicas, before)
    return traffic_routes.arms(traffic, routable, baseline), traffic_routes.route(
        name, traffic, routable, ready, baseline
    )


def _baseline(name: str, members: Sequence[Servable], replicas: Sequence[Replica], before: RoutingTable) -> Arm | None:
    """The baseline's arm, from the moment at which all of its replicas are ready until none is."""
    servable = next((s for s in members if s.endpoint.role is ReleaseRole.BASELINE), None)
    if servable is None:
        return None
    arm = _routable(replicas, arm_name(servable), before)
    ready = group(replicas, arm_name(servable)).ready
    routed = name in before.routes and arm_name(servable) in before.routes[name].weights
    return arm if ready >= (1 if routed else servable.endpoint.replicas) else None


def _main(endpoint: str, before: RoutingTable) -> str | None:
    current_route = before.routes.get(endpoint)
    return current_route.main if current_route else None


def _routable(replicas: Sequence[Replica], arm: str, before: RoutingTable) -> Arm | None:
    sockets = before.arms[arm].sockets if arm in before.arms else ()
    members = [r for r in group(replicas, arm).replicas if r.ready or r.slot.socket in sockets]
    return arm_of(members) if members else None


def surplus(servables: Sequence[Servable], replicas: Sequence[Replica], table: RoutingTable) -> list[Replica]:
    """Replicas that nobody needs: of arms neither wanted nor routed to, and beyond the wanted number.

    Those beyond the number stay while none of the others answers, because the requests are theirs.
    """
    routed = {name for route in table.routes.values() for name in route.weights}
    limits = dict.fromkeys(routed, 1 << 30) | {arm_name(s): s.endpoint.replicas for s in servables}
    active = [r for r in replicas if r.retired_at is None]
    within = {r.slot.arm for r in active if r.ready and r.slot.index < limits.get(r.slot.arm, 0)}
    beyond = [r for r in active if r.slot.index >= limits.get(r.slot.arm, 0)]
    return [r for r in beyond if r.slot.arm in within or r.slot.arm not in routed]


def status(
    servable: Servable, replicas: Sequence[Replica], table: RoutingTable, url: str, *, steered: bool = False
) -> EndpointStatus:
    """What to report of a servable.

    Args:
        servable: What is wanted.
        replicas: All that run.
        table: The table in force.
        url: Where predictions are made.
        steered: Whether its endpoint has a traffic: then it is ready without having all requests, or any.
    """
    endpoint = servable.endpoint
    arm_group = group(replicas, arm_name(servable))
    main = _main(endpoint.name, table)
    looping = [r for r in arm_group.replicas if backoff.is_crash_loop(r.deaths)]
    state, message = EndpointState.STARTING, ""
    if (steered or main == arm_group.arm) and arm_group.ready >= endpoint.replicas:
        state = EndpointState.READY
    elif looping and not arm_group.ready:
        state, message = EndpointState.FAILED, f"the replica falls again and again: {looping[0].message}"
    elif fallen := [r for r in arm_group.replicas if r.message]:
        message = f"a replica fell and is started again: {fallen[-1].message}"
    serving = table.arms[main].number if main in table.arms and main else None
    return EndpointStatus(endpoint.name, endpoint.release, state, arm_group.ready, message, url, serving)
