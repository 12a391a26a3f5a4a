"""The decisions of a runtime, as properties over every mixture of replicas and tables."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from falaj.dataplane.desired_state import EndpointState, Servable
from falaj.dataplane.runtimes.process import placement
from falaj.dataplane.runtimes.process.os_process import OsProcess
from falaj.dataplane.runtimes.process.replica import Replica, Slot, arm_name
from falaj.dataplane.runtimes.process.routing import EMPTY, TOTAL_WEIGHT, RoutingTable
from tests.dataplane.conftest import servable

RELEASES = st.integers(1, 3)


def replica(release: int, index: int, *, ready: bool, retired: bool = False) -> Replica:
    item = servable(release)
    arm = arm_name(item)
    slot = Slot(arm, item.endpoint.name, f"m@{release}", index, f"/s/{release}-{index}", ("x",))
    return Replica(slot, OsProcess(1, 1), 0.0, 1.0 if ready else None, retired_at=2.0 if retired else None)


@st.composite
def situations(draw: st.DrawFn) -> tuple[Servable, list[Replica], RoutingTable]:
    """What is wanted, what runs, and the table in force, which the runtime itself made from an earlier situation."""
    before = EMPTY
    replicas: dict[str, Replica] = {}
    desired_servable = servable(1)
    for _ in range(draw(st.integers(1, 4))):
        desired_servable = servable(draw(RELEASES), replicas=draw(st.integers(1, 3)))
        for index in range(desired_servable.endpoint.replicas):
            new = replica(desired_servable.endpoint.release, index, ready=draw(st.booleans()))
            replicas[new.slot.id] = new
        if draw(st.booleans()):
            before = placement.routing_table([desired_servable], list(replicas.values()), before)
            for extra in placement.surplus([desired_servable], list(replicas.values()), before):
                replicas[extra.slot.id] = replace(extra, retired_at=1.0)
    return desired_servable, list(replicas.values()), before


@given(situations())
def test_every_route_leads_to_an_arm_that_is_there(situation: tuple[Servable, list[Replica], RoutingTable]) -> None:
    desired_servable, replicas, before = situation
    table = placement.routing_table([desired_servable], replicas, before)
    for route in table.routes.values():
        assert set(route.weights) <= table.arms.keys()
        assert sum(route.weights.values()) in (0, TOTAL_WEIGHT)
        assert all(table.arms[name].sockets for name in route.weights)


@given(situations())
def test_nothing_that_is_routed_to_is_ended(situation: tuple[Servable, list[Replica], RoutingTable]) -> None:
    desired_servable, replicas, before = situation
    table = placement.routing_table([desired_servable], replicas, before)
    ended = {
        r.slot.arm
        for r in placement.surplus([desired_servable], replicas, table)
        if r.slot.arm != arm_name(desired_servable)
    }
    assert not ended & {name for route in table.routes.values() for name in route.weights}


@given(situations())
def test_deciding_again_decides_the_same(situation: tuple[Servable, list[Replica], RoutingTable]) -> None:
    desired_servable, replicas, before = situation
    table = placement.routing_table([desired_servable], replicas, before)
    assert placement.routing_table([desired_servable], replicas, table) == table


@given(situations())
def test_ready_means_that_the_wanted_release_answers(
    situation: tuple[Servable, list[Replica], RoutingTable],
) -> None:
    desired_servable, replicas, before = situation
    table = placement.routing_table([desired_servable], replicas, before)
    status = placement.status(desired_servable, replicas, table, "")
    if status.state is EndpointState.READY:
        assert status.serving == desired_servable.endpoint.release
        assert status.replicas_ready >= desired_servable.endpoint.replicas


def test_the_old_release_serves_until_every_new_replica_is_ready() -> None:
    old, new = servable(1), servable(2, replicas=2)
    first = placement.routing_table([old], [replica(1, 0, ready=True)], EMPTY)
    half = [replica(1, 0, ready=True), replica(2, 0, ready=True), replica(2, 1, ready=False)]
    table = placement.routing_table([new], half, first)
    assert table.routes["dev/m"].weights == {arm_name(old): TOTAL_WEIGHT}
    full = [*half[:2], replica(2, 1, ready=True)]
    table = placement.routing_table([new], full, table)
    assert table.routes["dev/m"].weights == {arm_name(new): TOTAL_WEIGHT}
    assert [r.slot.release for r in placement.surplus([new], full, table)] == ["m@1"]
    assert arm_name(old) in table.arms  # stays until its replica has drained


def test_a_fallen_replica_stays_in_its_arm() -> None:
    desired_servable = servable(1, replicas=2)
    both = [replica(1, 0, ready=True), replica(1, 1, ready=True)]
    table = placement.routing_table([desired_servable], both, EMPTY)
    fallen = [both[0], replace(both[1], process=None, ready_at=None)]
    assert placement.routing_table([desired_servable], fallen, table) == table
