"""Clocks that are set, seconds without requests, units that are missing: nothing is rolled back for it."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from falaj.dataplane.agent.rollouts.counting import counted
from falaj.dataplane.agent.rollouts.rollout_record import RolloutRecord
from falaj.dataplane.agent.rollouts.steady_clock import SteadyClock
from falaj.statistics.rollout import RolloutState
from tests.dataplane.rollouts.made import ENDPOINT, access, judged_record, plan
from tests.dataplane.rollouts.test_crashes import Place

DAY_S = 86_400.0
JUMPS = {"forward": {20: 3_600.0}, "far": {4: 9 * DAY_S}, "back": {30: -3_600.0}, "both": {9: 40.0, 30: -7_200.0}}


class OddPlace(Place):
    """A location where things happen before some passes."""

    def ends(self, jumps: dict[int, float], silent: range = range(0)) -> dict[str, Any]:
        for number in range(300):
            self.wall_ahead_s += jumps.get(number, 0.0)
            self.per_pass = 0 if number in silent else 120
            self.passes(None)
            record = self.agent.main(ENDPOINT)
            if record is not None and record.rollout.ended and number > 2:
                break
        [report] = self.agent.reports(ENDPOINT)
        return dict(report)


@pytest.mark.parametrize("jumps", JUMPS.values(), ids=list(JUMPS))
def test_a_clock_that_is_set_moves_no_candidate(tmp_path: Path, jumps: dict[int, float]) -> None:
    (tmp_path / "still").mkdir()
    (tmp_path / "set").mkdir()
    undisturbed, disturbed = OddPlace(tmp_path / "still", 0.0), OddPlace(tmp_path / "set", 0.0)
    expected, report = undisturbed.ends({}), disturbed.ends(jumps)
    assert (report["state"], report["culprits"]) == (expected["state"], []) == ("succeeded", [])
    assert disturbed.weights() == undisturbed.weights()
    fewer = expected["requests"]["candidate"] - report["requests"]["candidate"]
    assert fewer < 0.1 * expected["requests"]["candidate"], "no step is left sooner for it"


@pytest.mark.parametrize("jumps", JUMPS.values(), ids=list(JUMPS))
def test_a_candidate_that_fails_goes_all_the_same(jumps: dict[int, float]) -> None:
    with TemporaryDirectory() as folder:
        report = OddPlace(Path(folder), 0.3).ends(jumps)
    assert (report["state"], report["culprits"]) == ("rolled_back", ["errors"])


def test_seconds_without_requests_say_nothing(tmp_path: Path) -> None:
    report = OddPlace(tmp_path, 0.0).ends({}, silent=range(10, 60))
    assert report["state"] == "succeeded" and not report["culprits"]


def test_a_steady_clock_goes_on_from_what_the_wall_clock_said() -> None:
    wall, elapsed = [1_000.0], [5.0]
    clock = SteadyClock(lambda: wall[0], lambda: elapsed[0])
    wall[0], elapsed[0] = 90_000.0, 6.5
    assert clock() == 1_001.5
    clock.reset()
    wall[0], elapsed[0] = random.random(), 7.0
    assert clock() == 90_000.5


def hanging(in_flight: int, now: float) -> RolloutRecord:
    """A candidate that has ended nothing for 3 s, with a fifth of 120 requests that should have been its own."""
    others = [access(1, weights={1: 8_000, 2: 2_000}, at=now - 1.0) for _ in range(120)]
    record = judged_record(plan(metrics=["errors"], steps=[0.2], baseline=False))
    record = replace(record, vitals=record.vitals.working(in_flight, now - 3.0))
    return counted(replace(record, vitals=record.vitals.working(in_flight, now)), others, now).evaluate(now)


def test_traffic_that_is_split_otherwise_pauses_when_none_of_it_can_still_wait() -> None:
    """In the first half second of a candidate that hangs, no request has waited for long and none is in the log."""
    record = hanging(0, 300.0)
    assert record.rollout.state is RolloutState.STEPPING and record.misrouted_s == 300.0
    assert record.evaluate(309.9).rollout.state is RolloutState.STEPPING
    paused = record.evaluate(310.0).rollout
    assert (paused.state, paused.reason) == (RolloutState.PAUSED, "traffic is not split as the weights say")
    late = [access(2, weights={1: 8_000, 2: 2_000}, at=299.0)] * 30
    assert counted(record, late, 301.0).evaluate(310.0).misrouted_s is None, "they were slow, not too few"


@pytest.mark.parametrize(
    ("in_flight", "state"),
    [(4, RolloutState.STEPPING), (12, RolloutState.ROLLING_BACK)],
)
def test_requests_that_still_wait_are_no_sign_of_wrong_weights(in_flight: int, state: RolloutState) -> None:
    record = hanging(in_flight, 300.0)
    assert record.rollout.state is state and record.misrouted_s is None


def test_impatient_clients_of_a_candidate_that_hangs_are_seen() -> None:
    record = hanging(4, 300.0)
    left = [access(2, weights={1: 8_000, 2: 2_000}, at=290.0, flags="DC", status=0, latency_us=None)] * 4
    assert counted(record, left, 301.0).evaluate(301.0).rollout.state is RolloutState.STEPPING, "eight are not ten"
    later = counted(record, left * 3, 301.0).evaluate(301.0)
    assert later.rollout.reason.startswith("the candidate does not answer: of its last 12 requests")
