"""The baseline of a rollout: as many replicas, as much traffic, an arm of its own in routes, logs and fail-over."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from falaj.dataplane.desired_state import BaselineStatus, EndpointState, ReleaseRole, Servable
from falaj.dataplane.errors import DesiredStateError
from falaj.dataplane.runtimes.process import placement
from falaj.dataplane.runtimes.process.envoy import clusters, routes
from falaj.dataplane.runtimes.process.memory import available_bytes, resident_bytes, shortage
from falaj.dataplane.runtimes.process.os_process import OsProcess
from falaj.dataplane.runtimes.process.replica import Replica, Slot, arm_name
from falaj.dataplane.runtimes.process.routing import EMPTY, RoutingTable
from falaj.dataplane.traffic_split import BaselineArm, Traffic
from tests.dataplane.conftest import servable

ENDPOINT = "dev/m"
BOTH = [servable(1, replicas=3), servable(2, replicas=2)]
TENTH = Traffic({1: 9_000, 2: 1_000}, candidate=2, sticky="x-customer", baseline=BaselineArm(1, 1_000))
MOST = Traffic({1: 200, 2: 9_800}, candidate=2, baseline=BaselineArm(2, 200))


def everything(traffic: Traffic) -> list[Servable]:
    return [*BOTH, *placement.baselines(BOTH, {ENDPOINT: traffic})]


def replicas(servables: list[Servable], *, ready: bool = True) -> list[Replica]:
    replica_list = []
    for each in servables:
        for index in range(each.endpoint.replicas):
            arm, release = arm_name(each), each.endpoint.release
            slot = Slot(arm, ENDPOINT, f"m@{release}", index, f"/s/{arm}-{index}", ("x",),
                        each.endpoint.role is ReleaseRole.BASELINE)  # fmt: skip
            replica_list.append(Replica(slot, OsProcess(1, 1), 0.0, 1.0 if ready else None))
    return replica_list


def table_of(traffic: Traffic, running: list[Replica], before: RoutingTable = EMPTY) -> RoutingTable:
    return placement.routing_table(everything(traffic), running, before, {ENDPOINT: traffic})


@pytest.mark.parametrize(("traffic", "release", "count"), [(TENTH, 1, 2), (MOST, 2, 3)])
def test_it_has_as_many_replicas_as_the_arm_that_is_judged(traffic: Traffic, release: int, count: int) -> None:
    [baseline] = placement.baselines(BOTH, {ENDPOINT: traffic})
    assert (baseline.endpoint.release, baseline.endpoint.replicas) == (release, count)
    assert arm_name(baseline) not in {arm_name(each) for each in BOTH}
    assert placement.baselines(BOTH, {ENDPOINT: Traffic({1: 9_000, 2: 1_000}, candidate=2)}) == []


def test_its_share_is_taken_out_of_that_of_its_release_and_lies_at_the_other_end_of_the_line() -> None:
    stable, candidate, baseline = (arm_name(each) for each in everything(TENTH))
    route = table_of(TENTH, replicas(everything(TENTH))).routes[ENDPOINT]
    assert list(route.weights.items()) == [(candidate, 1_000), (stable, 8_000), (baseline, 1_000)]
    half = Traffic({1: 5_000, 2: 5_000}, candidate=2, baseline=BaselineArm(1, 5_000))
    assert dict(table_of(half, replicas(everything(half))).routes[ENDPOINT].weights) == {
        candidate: 5_000,
        baseline: 5_000,
    }


def test_beyond_half_it_is_a_part_of_the_candidate() -> None:
    stable, candidate, baseline = (arm_name(each) for each in everything(MOST))
    route = table_of(MOST, replicas(everything(MOST))).routes[ENDPOINT]
    assert list(route.weights.items()) == [(baseline, 200), (candidate, 9_600), (stable, 200)]


def test_it_gets_nothing_before_all_of_it_is_ready_and_goes_on_while_one_lives() -> None:
    running = replicas(everything(TENTH))
    late = [r if not (r.slot.baseline and r.slot.index) else Replica(r.slot, OsProcess(1, 1), 0.0) for r in running]
    baseline = arm_name(everything(TENTH)[2])
    assert baseline not in table_of(TENTH, late).routes[ENDPOINT].weights
    assert table_of(TENTH, late, table_of(TENTH, running)).routes[ENDPOINT].weights[baseline] == 1_000


def test_replicas_of_the_same_release_help_out_first() -> None:
    stable, candidate, baseline = (arm_name(each) for each in everything(TENTH))
    arms = table_of(TENTH, replicas(everything(TENTH))).arms
    assert arms[baseline].spares[0] == stable and arms[stable].spares[0] == baseline
    assert arms[candidate].spares[0] == stable


def test_envoy_tells_and_logs_the_arm() -> None:
    table = table_of(TENTH, replicas(everything(TENTH)))
    baseline = arm_name(everything(TENTH)[2])
    arms_by_request = {
        share["name"]: share["request_headers_to_add"][0]["header"]["value"]
        for route in routes.routes(table)[0]["virtual_hosts"][0]["routes"]
        for share in route.get("route", {}).get("weighted_clusters", {}).get("clusters", ())
        if "forced" not in share["request_headers_to_add"][0]["header"]["value"]
    }
    assert arms_by_request[baseline] == "stable;baseline;w=1000"
    assert sorted(arms_by_request.values())[0] == "candidate;w=1000"
    marks = {
        each["name"]: each["metadata"]["filter_metadata"]["falaj"]["baseline"] for each in clusters.clusters(table)
    }
    assert [name for name, is_baseline in marks.items() if is_baseline] == [baseline]
    assert RoutingTable.from_json(table.to_json()) == table


def test_its_state_is_told_with_that_of_its_release_and_it_goes_when_nobody_wants_it() -> None:
    servables, running = everything(TENTH), replicas(everything(TENTH))
    table = table_of(TENTH, running)
    statuses = [placement.status(each, running, table, "", steered=True) for each in servables]
    first, second = placement.with_baselines(servables, statuses, {})
    assert first.baseline is not None and first.baseline.state is EndpointState.READY
    assert second.baseline is None and "baseline" not in first.to_json()
    alone = Traffic({1: 0, 2: 10_000}, candidate=2)
    after = table_of(alone, running, table)
    assert {each.slot.arm for each in placement.surplus(BOTH, running, after)} == {arm_name(servables[2])}


def test_a_baseline_that_there_is_no_memory_for_is_not_started_and_says_what_is_short() -> None:
    mine = resident_bytes(os.getpid())
    assert mine > 10 << 20 and resident_bytes(2**22 + 1) == 0
    assert shortage([os.getpid()], 2, None) == "" == shortage([os.getpid()], 2, 3 * mine)
    assert "2 more replicas need about" in shortage([os.getpid()], 2, mine)
    first, _ = placement.with_baselines(BOTH, [
        placement.status(each, [], EMPTY, "", steered=True) for each in BOTH
    ], {(ENDPOINT, 1): "too little"})  # fmt: skip
    assert first.baseline == BaselineStatus(EndpointState.FAILED, "too little")


def test_a_container_with_less_memory_than_the_machine_counts(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("400000\n")
    assert available_bytes(tmp_path) == 600_000
    (tmp_path / "memory.max").write_text("max\n")
    assert (available_bytes(tmp_path) or 0) > 600_000


@pytest.mark.parametrize("baseline", [BaselineArm(1, 9_001), BaselineArm(3, 1), BaselineArm(1, -1)])
def test_a_share_that_its_release_has_not_got_is_refused(baseline: BaselineArm) -> None:
    with pytest.raises(DesiredStateError, match="not a part"):
        Traffic({1: 9_000, 2: 1_000}, candidate=2, baseline=baseline)


def test_a_traffic_with_it_goes_through_json() -> None:
    assert Traffic.from_json(TENTH.to_json()) == TENTH
