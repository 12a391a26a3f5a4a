"""Deciding what a location should run and route, from what is wanted and what is there (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from falaj.locations.desired import EndpointState, EndpointStatus, Servable
from falaj.locations.runtimes.process import backoff
from falaj.locations.runtimes.process.replica import Replica, arm_name, arm_of
from falaj.locations.runtimes.process.routing import TOTAL_WEIGHT, Arm, Route, RoutingTable


@dataclass(frozen=True)
class Group:
    """The replicas of one arm that are not retired."""

    arm: str
    replicas: tuple[Replica, ...]

    @property
    def ready(self) -> int:
        """How many answer."""
        return sum(replica.ready for replica in self.replicas)


def group(replicas: Iterable[Replica], arm: str) -> Group:
    """The replicas of an arm in order of their index."""
    found = [replica for replica in replicas if replica.slot.arm == arm and replica.retired_at is None]
    return Group(arm, tuple(sorted(found, key=lambda replica: replica.slot.index)))


def live_arm(servable: Servable, replicas: Sequence[Replica], before: RoutingTable) -> str | None:
    """The arm that an endpoint's requests go to now: the wanted one once all its replicas are ready, else the old one.

    Args:
        servable: What is wanted.
        replicas: All that run.
        before: The table in force.
    """
    wanted = group(replicas, arm_name(servable))
    known = before.routes.get(servable.endpoint.name)
    live = next(iter(known.weights), None) if known else None
    if live == wanted.arm or (wanted.ready and wanted.ready >= servable.endpoint.replicas):
        return wanted.arm
    return live if live and group(replicas, live).replicas else None


def routing_table(
    servables: Sequence[Servable], replicas: Sequence[Replica], before: RoutingTable
) -> tuple[RoutingTable, Mapping[str, str]]:
    """The table that should be in force, and the live arm of each endpoint.

    A fallen replica stays in its arm while it is restarted: Envoy tries another one, and needs no new configuration.
    A replica that has not been ready yet is not in it. An arm without a route stays until its replicas have drained.
    """
    live = {s.endpoint.name: live_arm(s, replicas, before) for s in servables}
    chosen = {name: arm for name, arm in live.items() if arm}
    arms = {arm.name: arm for name in chosen.values() if (arm := _routable(replicas, name, before))}
    draining = {r.slot.arm for r in replicas} & before.arms.keys() - arms.keys()
    arms |= {name: before.arms[name] for name in draining}
    routes = {s.endpoint.name: Route(s.endpoint.name, _weights(chosen.get(s.endpoint.name), arms)) for s in servables}
    return RoutingTable(arms, routes), chosen


def _routable(replicas: Sequence[Replica], arm: str, before: RoutingTable) -> Arm | None:
    sockets = before.arms[arm].sockets if arm in before.arms else ()
    members = [r for r in group(replicas, arm).replicas if r.ready or r.slot.socket in sockets]
    return arm_of(members) if members else None


def _weights(arm: str | None, arms: Mapping[str, Arm]) -> dict[str, int]:
    return {arm: TOTAL_WEIGHT} if arm in arms and arm else {}


def surplus(servables: Sequence[Servable], replicas: Sequence[Replica], live: Mapping[str, str]) -> list[Replica]:
    """Replicas that nobody needs: of arms neither wanted nor live, and beyond the wanted number."""
    limits = dict.fromkeys(live.values(), 1 << 30)
    limits |= {arm_name(servable): servable.endpoint.replicas for servable in servables}
    return [r for r in replicas if r.retired_at is None and r.slot.index >= limits.get(r.slot.arm, 0)]


def status(servable: Servable, replicas: Sequence[Replica], live: str | None, url: str) -> EndpointStatus:
    """What to report of an endpoint."""
    endpoint = servable.endpoint
    wanted = group(replicas, arm_name(servable))
    looping = [r for r in wanted.replicas if backoff.is_crash_loop(r.deaths)]
    state, message = EndpointState.STARTING, ""
    if live == wanted.arm and wanted.ready >= endpoint.replicas:
        state = EndpointState.READY
    elif looping and not wanted.ready:
        state, message = EndpointState.FAILED, f"the replica falls again and again: {looping[0].message}"
    elif fallen := [r for r in wanted.replicas if r.message]:
        message = f"a replica fell and is started again: {fallen[-1].message}"
    serving = next((int(r.slot.release.rpartition("@")[2]) for r in replicas if r.slot.arm == live), None)
    return EndpointStatus(endpoint.name, endpoint.release, state, wanted.ready, message, url, serving)
