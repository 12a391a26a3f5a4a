"""Releases that share an endpoint: who is routed to and who is kept, over every mixture of replicas."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from falaj.dataplane.desired_state import EndpointState, Servable
from falaj.dataplane.runtimes.process import placement
from falaj.dataplane.runtimes.process.envoy import clusters as envoy_clusters
from falaj.dataplane.runtimes.process.envoy import routes
from falaj.dataplane.runtimes.process.os_process import OsProcess
from falaj.dataplane.runtimes.process.replica import Replica, Slot, arm_name
from falaj.dataplane.runtimes.process.routing import EMPTY, TOTAL_WEIGHT, Route, RoutingTable
from falaj.dataplane.traffic_split import HeaderMatch, Traffic
from tests.dataplane.conftest import servable

RELEASES = (1, 2, 3, 4, 5)
ENDPOINT = "dev/m"


def replica(release: int, index: int = 0, *, ready: bool = True) -> Replica:
    slot = Slot(arm_of(release), ENDPOINT, f"m@{release}", index, f"/s/{release}-{index}", ("x",))
    return Replica(slot, OsProcess(1, 1), 0.0, 1.0 if ready else None)


def fallen(item: Replica) -> Replica:
    return replace(item, process=None, ready_at=None, deaths=(2.0,))


def arm_of(release: int) -> str:
    return arm_name(servable(release))


@dataclass
class Location:
    """The decisions of a location over time, as the runtime makes them."""

    replicas: dict[str, Replica]
    table: RoutingTable = EMPTY
    decided_on: tuple[Replica, ...] = ()

    def run(self, servables: list[Servable], traffic: Traffic | None) -> Route:
        shared = {ENDPOINT: traffic} if traffic else {}
        self.decided_on = tuple(self.replicas.values())
        self.table = placement.routing_table(servables, list(self.replicas.values()), self.table, shared)
        for extra in placement.surplus(servables, list(self.replicas.values()), self.table):
            self.replicas[extra.slot.id] = replace(extra, retired_at=1.0)
        return self.table.routes[ENDPOINT]

    def set(self, *items: Replica) -> None:
        self.replicas |= {item.slot.id: item for item in items}


def traffic_by(choose: Random) -> Traffic:
    releases = choose.sample(RELEASES, choose.randint(1, 4))
    cuts = sorted(choose.choice([0, 1, 500, 5_000, 9_999, TOTAL_WEIGHT]) for _ in releases[1:])
    weights = [high - low for low, high in pairwise([0, *cuts, TOTAL_WEIGHT])]
    mirrors = {release: choose.choice([0.1, 1.0]) for release in choose.sample(RELEASES, choose.randint(0, 2))}
    matches = (HeaderMatch("query", "beta", "yes", choose.choice(RELEASES)),) if choose.random() < 0.3 else ()
    candidate, sticky = choose.choice([None, *RELEASES]), choose.choice([None, "x-customer"])
    return Traffic(dict(zip(releases, weights, strict=True)), mirrors, candidate, sticky, matches)


def history(seed: int) -> tuple[Location, list[Servable], Traffic]:
    """A location after some changes of what is wanted, starts and falls; from a seed, because drawing each is slow."""
    choose = Random(seed)
    location = Location({})
    servables, traffic = [servable(1)], Traffic({1: TOTAL_WEIGHT})
    for _ in range(choose.randint(1, 4)):
        releases = choose.sample(RELEASES, choose.randint(1, 3))
        servables = [servable(release, replicas=choose.randint(1, 2)) for release in releases]
        for item in servables:
            for index in range(item.endpoint.replicas):
                location.set(replica(item.endpoint.release, index, ready=choose.random() < 0.5))
        for item in list(location.replicas.values()):
            if item.retired_at is None and choose.random() < 0.2:
                location.set(fallen(item))
        traffic = traffic_by(choose)
        location.run(servables, traffic)
    return location, servables, traffic


HISTORIES = st.integers(0, 1 << 32).map(history)


@given(HISTORIES)
def test_every_route_leads_to_arms_that_are_there(scenario: tuple[Location, list[Servable], Traffic]) -> None:
    location, _, _ = scenario
    route, table = location.table.routes[ENDPOINT], location.table
    named = {*route.weights, *route.mirrors, *(rule.arm for rule in route.rules)}
    assert named <= table.arms.keys() and all(table.arms[name].sockets for name in named)
    assert sum(route.weights.values()) in (0, TOTAL_WEIGHT)
    assert all(table.arms[name].mirrored for name in route.mirrors)


@given(HISTORIES)
def test_nobody_who_is_routed_to_or_wanted_is_ended(scenario: tuple[Location, list[Servable], Traffic]) -> None:
    location, servables, _ = scenario
    active_arms = {r.slot.arm for r in location.replicas.values() if r.retired_at is None}
    assert set(location.table.routes[ENDPOINT].weights) <= active_arms
    assert {arm_name(item) for item in servables} <= active_arms


@given(HISTORIES)
def test_deciding_again_decides_the_same(scenario: tuple[Location, list[Servable], Traffic]) -> None:
    location, servables, traffic = scenario
    location.run(servables, traffic)  # without what was surplus the time before
    before = location.table
    location.run(servables, traffic)
    assert location.table == before


@given(HISTORIES)
def test_requests_go_where_somebody_answers_but_not_to_a_candidate_while_the_stable_release_starts(
    scenario: tuple[Location, list[Servable], Traffic],
) -> None:
    location, servables, traffic = scenario
    routed = set(location.table.routes[ENDPOINT].weights)
    ready = {r.slot.arm for r in location.replicas.values() if r.ready and r.retired_at is None}
    if starts(location, servables, traffic):
        assert not routed & {arm_name(item) for item in servables if item.endpoint.release != traffic.stable}
    elif ready & {arm_name(item) for item in servables}:
        assert routed <= ready


def starts(location: Location, servables: list[Servable], traffic: Traffic) -> bool:
    """Whether the stable release is wanted, has a share, and none of its replicas has answered or fallen yet."""
    if traffic.stable not in {item.endpoint.release for item in servables} or not traffic.weights[traffic.stable]:
        return False
    mine = [r for r in location.decided_on if r.slot.arm == arm_of(traffic.stable) and r.retired_at is None]
    return all(r.ready_at is None and not r.deaths for r in mine)


@given(HISTORIES)
def test_a_table_survives_its_file(scenario: tuple[Location, list[Servable], Traffic]) -> None:
    table = scenario[0].table
    read = RoutingTable.from_json(json.loads(json.dumps(table.to_json(), sort_keys=True)))
    assert read == table
    assert [list(route.weights) for route in read.routes.values()] == [list(r.weights) for r in table.routes.values()]


@given(HISTORIES)
def test_what_envoy_is_told_fits_together(scenario: tuple[Location, list[Servable], Traffic]) -> None:
    table = scenario[0].table
    clusters = {item["name"]: item["load_assignment"]["endpoints"] for item in envoy_clusters.clusters(table)}
    assert clusters.keys() == table.clusters().keys()
    for name, levels in clusters.items():
        sockets = {e["endpoint"]["address"]["pipe"]["path"] for level in levels for e in level["lb_endpoints"]}
        assert sockets == table.clusters()[name]
    for item in routes.routes(table)[0]["virtual_hosts"][0]["routes"]:
        if action := item.get("route"):
            shares = {share["name"]: share["weight"] for share in action["weighted_clusters"]["clusters"]}
            mirrors = {mirror["cluster"] for mirror in action.get("request_mirror_policies", ())}
            assert sum(shares.values()) in (1, TOTAL_WEIGHT) and shares.keys() | mirrors <= clusters.keys()


CANARY = Traffic({1: 9_000, 2: 1_000}, candidate=2)
BOTH = [servable(1), servable(2)]


def test_an_arm_that_never_was_ready_gets_nothing() -> None:
    location = Location({})
    location.set(replica(1), replica(2, ready=False))
    assert location.run(BOTH, CANARY).weights == {arm_of(1): TOTAL_WEIGHT}
    assert location.table.arms.keys() == {arm_of(1)}
    location.set(replica(2))
    route = location.run(BOTH, CANARY)
    assert route.weights == {arm_of(2): 1_000, arm_of(1): 9_000}


def test_a_candidate_that_is_ready_first_after_a_restart_waits_for_the_stable_release() -> None:
    location = Location({})
    location.set(replica(1, ready=False), replica(2))
    assert location.run(BOTH, CANARY).weights == {}
    assert location.run(BOTH, Traffic({1: TOTAL_WEIGHT}, {2: 1.0})).weights == {}
    location.set(fallen(replica(1)))  # it does not come: better the candidate than nobody
    assert location.run(BOTH, CANARY).weights == {arm_of(2): TOTAL_WEIGHT}
    location.set(replica(1))
    assert location.run(BOTH, CANARY).weights == {arm_of(2): 1_000, arm_of(1): 9_000}


def test_nobody_waits_for_a_stable_release_without_requests() -> None:
    location = Location({})
    location.set(replica(1, ready=False), replica(2))
    assert location.run(BOTH, Traffic({1: 0, 2: TOTAL_WEIGHT}, candidate=2)).weights == {arm_of(2): TOTAL_WEIGHT}


def test_an_arm_that_fell_gives_its_weight_away_and_keeps_its_cluster() -> None:
    location = Location({})
    location.set(replica(1), replica(2))
    location.run(BOTH, CANARY)
    arms = location.table.arms
    location.set(fallen(replica(2)))
    assert location.run(BOTH, CANARY).weights == {arm_of(1): TOTAL_WEIGHT}
    assert location.table.arms == arms  # so no connection of the other arm is touched
    location.set(fallen(replica(1)))
    assert location.run(BOTH, CANARY).weights == {arm_of(2): 1_000, arm_of(1): 9_000}  # a retry may outlast a restart


def test_warm_releases_stay_and_are_reached_by_name_alone() -> None:
    location = Location({})
    location.set(replica(1), replica(2))
    route = location.run(BOTH, Traffic({1: TOTAL_WEIGHT, 2: 0}, candidate=2))
    assert route.weights == {arm_of(1): TOTAL_WEIGHT}
    assert [(rule.name, rule.value, rule.arm) for rule in route.rules] == [
        ("falaj-use-release", "1", arm_of(1)),
        ("falaj-use-release", "2", arm_of(2)),
    ]
    assert all(item.retired_at is None for item in location.replicas.values())


def test_mirrors_and_matches_lead_to_ready_arms_only() -> None:
    traffic = Traffic({1: TOTAL_WEIGHT}, {2: 0.5}, matches=(HeaderMatch("query", "beta", "yes", 2),))
    location = Location({})
    location.set(replica(1), replica(2))
    route = location.run(BOTH, traffic)
    assert route.mirrors == {arm_of(2): 0.5} and route.rules[-1].arm == arm_of(2)
    location.set(fallen(replica(2)))
    route = location.run(BOTH, traffic)
    assert route.mirrors == {} and {rule.arm for rule in route.rules} == {arm_of(1)}


def test_spares_are_releases_with_requests_and_the_stable_one() -> None:
    location = Location({})
    location.set(replica(1), replica(2), replica(3))
    servables = [*BOTH, servable(3)]
    for weights, spares in (
        ({1: 9_000, 2: 1_000, 3: 0}, {1: (2,), 2: (1,), 3: ()}),
        ({1: 0, 2: TOTAL_WEIGHT, 3: 0}, {1: (), 2: (1,), 3: ()}),
        ({1: TOTAL_WEIGHT, 2: 0, 3: 0}, {1: (), 2: (), 3: ()}),
    ):
        location.run(servables, Traffic(weights, {3: 1.0}, candidate=2))
        actual = {
            arm.number: tuple(s.number for s in location.table.spares(arm)) for arm in location.table.arms.values()
        }
        assert actual == spares


def test_the_old_release_answers_until_one_of_the_traffic_can() -> None:
    location = Location({})
    location.set(replica(1))
    location.run([servable(1)], None)
    location.set(replica(2, ready=False))
    assert location.run([servable(2)], Traffic({2: TOTAL_WEIGHT})).weights == {arm_of(1): TOTAL_WEIGHT}
    location.set(replica(2))
    assert location.run([servable(2)], Traffic({2: TOTAL_WEIGHT})).weights == {arm_of(2): TOTAL_WEIGHT}
    assert [r.slot.release for r in location.replicas.values() if r.retired_at is not None] == ["m@1"]


def test_the_end_of_a_rollout_leaves_its_winner() -> None:
    location = Location({})
    location.set(replica(1), replica(2))
    location.run(BOTH, Traffic({1: 0, 2: TOTAL_WEIGHT}, candidate=2))
    assert location.run([servable(2)], None).weights == {arm_of(2): TOTAL_WEIGHT}
    assert [r.slot.release for r in location.replicas.values() if r.retired_at is not None] == ["m@1"]


def test_a_servable_is_ready_by_its_own_replicas() -> None:
    location = Location({})
    location.set(replica(1), replica(2), replica(3, ready=False))
    servables = [*BOTH, servable(3)]
    location.run(servables, CANARY)
    endpoint_statuses = [
        placement.status(item, list(location.replicas.values()), location.table, "", steered=True) for item in servables
    ]
    assert [status.state for status in endpoint_statuses] == [
        EndpointState.READY,
        EndpointState.READY,
        EndpointState.STARTING,
    ]
    assert [status.serving for status in endpoint_statuses] == [1, 1, 1]


def test_servables_that_nobody_shared_stay_with_who_answers() -> None:
    location = Location({})
    location.set(replica(1), replica(2))
    location.run([servable(2)], None)
    assert location.run(BOTH, None).weights == {arm_of(2): TOTAL_WEIGHT}
