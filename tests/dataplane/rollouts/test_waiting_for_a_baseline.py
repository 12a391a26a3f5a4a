"""A candidate that runs and cannot be compared waits for a person; nothing is rolled back for its baseline."""

from __future__ import annotations

from pathlib import Path

import pytest

from falaj.dataplane.access_log import AccessLog
from falaj.dataplane.agent.admission_queue import Offer
from falaj.dataplane.agent.rollouts import RolloutController
from falaj.dataplane.agent.rollouts.steady_clock import SteadyClock
from falaj.dataplane.desired_state import BaselineStatus, DesiredRollout, DesiredState, EndpointState, EndpointStatus
from falaj.dataplane.traffic_split import BaselineArm
from falaj.statistics.rollout import RolloutState
from tests.dataplane.rollouts.made import ENDPOINT, plan
from tests.dataplane.rollouts.test_crashes import NoPredictions

READY, STARTING, FAILED = EndpointState.READY, EndpointState.STARTING, EndpointState.FAILED


class Agent:
    def __init__(self, folder: Path, **options: object) -> None:
        self.now, self.plan = 1_000.0, plan(burn_in_s=10.0, **options)
        (folder / "access.jsonl").touch()
        log, nothing = AccessLog(folder / "access.jsonl"), NoPredictions()
        clock = SteadyClock(lambda: self.now, lambda: self.now)
        self.rollouts = RolloutController(folder, log, nothing, lambda *_: (0, 0), clock)  # type: ignore[arg-type]

    def looks(self, baseline: BaselineStatus | None, after_s: float = 1.0) -> RolloutState:
        self.now += after_s
        self.rollouts.want(DesiredState(1, (), {ENDPOINT: (DesiredRollout(self.plan),)}))
        stable = EndpointStatus(ENDPOINT, 1, READY, baseline=baseline)
        self.rollouts.observe(Offer(), (stable, EndpointStatus(ENDPOINT, 2, READY)))
        return self.record.rollout.state

    @property
    def record(self):
        record = self.rollouts.main(ENDPOINT)
        assert record is not None
        return record


def test_a_candidate_begins_when_its_baseline_is_ready_too(tmp_path: Path) -> None:
    agent = Agent(tmp_path)
    assert agent.looks(None) is RolloutState.WARMING
    assert agent.rollouts.traffic()[ENDPOINT].baseline == BaselineArm(1, 0), "it starts with the candidate"
    assert agent.looks(BaselineStatus(STARTING)) is RolloutState.WARMING
    assert agent.looks(BaselineStatus(READY)) is RolloutState.STEPPING
    assert agent.rollouts.traffic()[ENDPOINT].baseline == BaselineArm(1, 1_000)


@pytest.mark.parametrize(("status", "after_s", "why"), [
    (BaselineStatus(FAILED, "2 more replicas need about 900 MB"), 1.0, "900 MB"),
    (BaselineStatus(STARTING), 400.0, "not ready after 300 s"),
    (None, 400.0, "not ready after 300 s"),
])  # fmt: skip
def test_one_whose_baseline_does_not_start_waits_for_a_person(tmp_path: Path, status, after_s, why) -> None:
    agent = Agent(tmp_path)
    agent.looks(None)
    assert agent.looks(status, after_s) is RolloutState.PAUSED
    assert why in agent.record.rollout.reason and agent.record.rollout.reason.startswith("the baseline does not run")
    assert agent.looks(status, 9_999.0) is RolloutState.PAUSED, "however long"
    assert agent.rollouts.traffic()[ENDPOINT].weights == {1: 10_000, 2: 0}


def test_without_a_baseline_it_begins_alone_and_says_what_is_not_promised(tmp_path: Path) -> None:
    agent = Agent(tmp_path, baseline=False)
    agent.looks(None)
    assert agent.looks(None) is RolloutState.STEPPING
    assert agent.rollouts.traffic()[ENDPOINT].baseline is None
    assert "no bound on false alarms is promised for latency" in agent.record.report()["notes"][0]


def test_a_baseline_that_falls_in_mid_rollout_rolls_nothing_back(tmp_path: Path) -> None:
    agent = Agent(tmp_path)
    agent.looks(BaselineStatus(READY))
    for _ in range(50):
        assert agent.looks(BaselineStatus(FAILED, "it falls")) is RolloutState.STEPPING
    assert agent.record.baseline_down_s == agent.now
