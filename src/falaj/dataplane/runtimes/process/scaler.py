"""Endpoints whose number of replicas follows their load: how many now, and who takes requests while they sleep."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from falaj.dataplane.desired_state import ReleaseRole, Servable
from falaj.dataplane.runtimes.process.activator import Activator
from falaj.dataplane.runtimes.process.replica import Replica, arm_name
from falaj.dataplane.runtimes.process.routing import TOTAL_WEIGHT, Arm, Route, RoutingTable
from falaj.dataplane.runtimes.process.scaling import EndpointLoad, ScaleState, begun, scaled
from falaj.dataplane.traffic_split import Traffic

LoadOf = Callable[[str], tuple[int, int]]
"""Requests that an arm works on, and those that it has answered, by the gateway's counters."""


class Scaler:
    """The scale of every endpoint that has a range of replicas.

    Args:
        activator: Holds the requests of those that sleep.
        load_of: Asks the gateway about an arm.
        clock: Seconds.
    """

    def __init__(self, activator: Activator, load_of: LoadOf, clock: Callable[[], float]) -> None:
        self._activator, self._load_of, self._clock = activator, load_of, clock
        self._states: dict[str, ScaleState] = {}
        self._holding: set[str] = set()

    def sized(
        self, servables: Sequence[Servable], table: RoutingTable, traffic: Mapping[str, Traffic]
    ) -> list[Servable]:
        """The servables with as many replicas as they should have now.

        Args:
            servables: As they are desired.
            table: The routing table in force.
            traffic: By endpoint; one that has a traffic is in a rollout.
        """
        self._activator.expire()
        names = {each.endpoint.name for each in servables if each.endpoint.scale is not None}
        self._states = {name: state for name, state in self._states.items() if name in names}
        for name in sorted(names):
            self._look(name, [s for s in servables if s.endpoint.name == name], table, name in traffic)
        return [self._with_replicas(each) for each in servables]

    def with_activator(
        self, table: RoutingTable, servables: Sequence[Servable], traffic: Mapping[str, Traffic]
    ) -> RoutingTable:
        """The table in which requests for an endpoint without a ready replica are held."""
        arms, routes, holding = dict(table.arms), dict(table.routes), set[str]()
        for name, state in self._states.items():
            if state.replicas and any(arms[arm].sockets for arm in routes[name].weights):
                continue
            servable = _first(servables, name, traffic.get(name))
            arm = arm_name(servable)
            release = f"{servable.endpoint.model}@{servable.endpoint.release}"
            arms[arm] = Arm(arm, release, (self._activator.listen(arm),))
            routes[name] = replace(routes[name], weights={arm: TOTAL_WEIGHT})
            holding.add(arm)
        self._holding = holding
        return RoutingTable(arms, routes)

    def handed_over(self, table: RoutingTable) -> None:
        """Hand on what was held for arms that have a ready replica; the gateway has confirmed the table."""
        for name, arm in table.arms.items():
            if name not in self._holding and arm.sockets:
                self._activator.hand_over(name, arm.sockets[0])
        self._activator.keep(set(table.arms))

    def asleep(self, replicas: Sequence[Replica]) -> list[Replica]:
        """Replicas of endpoints that were sent to sleep."""
        sleeping = {name for name, state in self._states.items() if state.replicas == 0}
        return [each for each in replicas if each.retired_at is None and each.slot.endpoint in sleeping]

    def is_asleep(self, endpoint: str) -> bool:
        """Whether an endpoint sleeps."""
        return endpoint in self._states and self._states[endpoint].replicas == 0

    def _look(self, name: str, servables: Sequence[Servable], table: RoutingTable, in_rollout: bool) -> None:
        servable = _first(servables, name, None)
        limits, arm, now = servable.endpoint.scale, arm_name(servable), self._clock()
        assert limits is not None
        load, state = self._load(table.routes.get(name)), self._states.get(name)
        if state is None or state.arm != arm:
            replicas = state.replicas if state else servable.endpoint.replicas
            state = begun(arm, limits, replicas, load, now)
        self._states[name] = scaled(state, limits, load, now, in_rollout=in_rollout)

    def _load(self, route: Route | None) -> EndpointLoad:
        """Of all arms of an endpoint; what is held here is on its way in the gateway as well, and counted once."""
        counts = [self._load_of(arm) for arm in (route.weights if route else ())]
        waiting = sum(self._activator.waiting(arm) for arm in (route.weights if route else ()))
        in_flight = sum(count for count, _ in counts)
        return EndpointLoad(max(0, in_flight - waiting), waiting, sum(count for _, count in counts))

    def _with_replicas(self, servable: Servable) -> Servable:
        state = self._states.get(servable.endpoint.name)
        if state is None:
            return servable
        return replace(servable, endpoint=replace(servable.endpoint, replicas=state.replicas))


def _first(servables: Sequence[Servable], name: str, traffic: Traffic | None) -> Servable:
    """The servable that requests wait for: the stable one of a rollout, else the primary one."""
    members = [each for each in servables if each.endpoint.name == name]
    stable = next((each for each in members if traffic and each.endpoint.release == traffic.stable), None)
    return stable or next((each for each in members if each.endpoint.role is ReleaseRole.PRIMARY), members[0])
