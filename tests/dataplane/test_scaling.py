"""How many replicas: up at once, down slowly, asleep after a while, and nothing of it in a rollout."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from falaj.dataplane.desired_state import DesiredEndpoint, DesiredState, ReplicaRange
from falaj.dataplane.runtimes.process.scaling import CAPACITY, DOWN_AFTER_S, EndpointLoad, ScaleState, begun, scaled

SLEEPY = ReplicaRange(0, 8, 900.0)
FULL = int(CAPACITY * 0.6)


def after(
    loads: list[tuple[float, EndpointLoad]], limits: ReplicaRange = SLEEPY, *, in_rollout: bool = False
) -> ScaleState:
    state = begun("arm", limits, 1, EndpointLoad(), 0.0)
    for now, load in loads:
        state = scaled(state, limits, load, now, in_rollout=in_rollout)
    return state


def test_more_are_started_at_once_and_no_more_than_the_most() -> None:
    assert after([(1.0, EndpointLoad(in_flight=FULL))]).replicas == 1
    assert after([(1.0, EndpointLoad(in_flight=FULL + 1))]).replicas == 2
    assert after([(1.0, EndpointLoad(in_flight=FULL, waiting=2 * FULL))]).replicas == 3
    assert after([(1.0, EndpointLoad(in_flight=100 * FULL))]).replicas == 8


def test_fewer_only_after_five_minutes_in_which_fewer_would_have_done() -> None:
    peak = [(1.0, EndpointLoad(in_flight=4 * FULL))]
    quiet = [(float(at), EndpointLoad(in_flight=1)) for at in range(2, 301)]
    assert after(peak + quiet).replicas == 4
    assert after([*peak, *quiet, (1.0 + DOWN_AFTER_S, EndpointLoad(in_flight=1))]).replicas == 1


def test_an_endpoint_sleeps_after_its_idle_time_and_a_held_request_wakes_it() -> None:
    assert after([(899.0, EndpointLoad())]).replicas == 1
    asleep = after([(900.0, EndpointLoad())])
    assert asleep.replicas == 0
    assert scaled(asleep, SLEEPY, EndpointLoad(), 5000.0, in_rollout=False).replicas == 0
    assert scaled(asleep, SLEEPY, EndpointLoad(waiting=1), 5000.0, in_rollout=False).replicas == 1


def test_what_was_answered_between_two_looks_counts_as_well() -> None:
    state = after([(899.0, EndpointLoad(answered=7)), (1798.0, EndpointLoad(answered=7))])
    assert state.replicas == 1
    assert scaled(state, SLEEPY, EndpointLoad(answered=7), 1799.0, in_rollout=False).replicas == 0


def test_one_with_a_least_number_never_sleeps() -> None:
    assert after([(1e6, EndpointLoad())], ReplicaRange(2, 4, 1.0)).replicas == 2


@given(
    st.lists(st.tuples(st.floats(0, 400), st.integers(0, 2000), st.integers(0, 2000)), max_size=30),
    st.integers(0, 3), st.integers(3, 8),
)  # fmt: skip
def test_in_a_rollout_nothing_sleeps_or_goes_down(steps: list[tuple[float, int, int]], least: int, most: int) -> None:
    limits, now = ReplicaRange(least, most, 1.0), 0.0
    state = begun("arm", limits, 1, EndpointLoad(), now)
    for pause, in_flight, waiting in steps:
        now += pause
        following = scaled(state, limits, EndpointLoad(in_flight, waiting), now, in_rollout=True)
        assert max(least, 1) <= state.replicas <= following.replicas <= most
        state = following
    assert scaled(state, limits, EndpointLoad(), now + 1e-3, in_rollout=False).replicas >= min(1, state.replicas)


@given(st.lists(st.tuples(st.floats(0, 400), st.integers(0, 3000)), max_size=40))
def test_the_number_is_what_the_largest_load_of_five_minutes_needs(steps: list[tuple[float, int]]) -> None:
    limits, now, loads = ReplicaRange(1, 64, 1.0), 0.0, []
    state = begun("arm", limits, 1, EndpointLoad(), now)
    for pause, in_flight in steps:
        now += pause
        loads.append((now, in_flight))
        state = scaled(state, limits, EndpointLoad(in_flight), now, in_rollout=False)
        largest = max(load for at, load in loads if now - at < DOWN_AFTER_S)
        assert state.replicas == max(1, -(-largest * 10 // (6 * CAPACITY)))


def test_a_range_travels_and_a_wrong_one_costs_its_endpoint_alone() -> None:
    digest = "sha256:" + "a" * 64
    good = {"environment": "dev", "model": "m", "release": 1, "digest": digest, "scale": SLEEPY.to_json()}
    assert DesiredEndpoint.from_json(good).scale == SLEEPY
    assert DesiredEndpoint.from_json(DesiredEndpoint.from_json(good).to_json()).scale == SLEEPY
    wrong = [{"min": 5, "max": 4, "idle_s": 1}, {"min": 0, "max": 65, "idle_s": 1}, {"min": 0, "max": 0, "idle_s": 1},
             {"min": 0, "max": 1, "idle_s": 0}, {"min": 0, "max": 1}, [1, 2],
             {"min": True, "max": 1, "idle_s": 1}]  # fmt: skip
    for scale in wrong:
        state = DesiredState.from_json({"version": 1, "endpoints": [{**good, "scale": scale}, {**good, "model": "n"}]})
        assert list(state.refused) == ["dev/m"] and [each.model for each in state.endpoints] == ["n"]
