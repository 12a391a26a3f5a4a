"""An agent that is killed between any two effects ends its rollouts as it would have: the log of the gateway and the
record are real files, the gateway that answers by the weights it was told last is played.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from falaj.dataplane.access_log import AccessLog
from falaj.dataplane.agent.admission_queue import Offer
from falaj.dataplane.agent.rollouts import RolloutController, rollout_controller
from falaj.dataplane.agent.rollouts.steady_clock import SteadyClock
from falaj.dataplane.desired_state import BaselineStatus, DesiredRollout, DesiredState, EndpointState, EndpointStatus
from falaj.dataplane.traffic_split import Traffic
from falaj.statistics.rollout import WHOLE, Command, PersonRequested, RolloutPlan
from tests.dataplane.rollouts.made import ENDPOINT, plan

BASELINE = BaselineStatus(EndpointState.READY)
READY = tuple(EndpointStatus(ENDPOINT, release, EndpointState.READY, baseline=BASELINE) for release in (1, 2))
HOLDBACK_PLAN = plan(metrics=[{"name": "errors", "margin": 8.0}], hold_s=1.0, holdback={"share": 0.1, "for_s": 2.0})
EFFECTS = 4
"""Where a pass can be interrupted: before the file, behind it, before the data plane and behind it."""


class KilledError(Exception):
    pass


class NoPredictions:
    def newest_label(self) -> int:
        return 0

    def recent(self, *_: object) -> list[object]:
        return []


@dataclass
class Place:
    """A location whose agent can be killed."""

    folder: Path
    errors: float
    plan: RolloutPlan = HOLDBACK_PLAN
    person_requests: tuple[PersonRequested, ...] = ()
    now: float = 1_000.0
    wall_ahead_s: float = 0.0
    kill_at: int | None = None
    traffic: list[Traffic] = field(default_factory=list)
    per_pass: int = 120
    rng: random.Random = field(default_factory=lambda: random.Random(7))

    def __post_init__(self) -> None:
        self.log = self.folder / "access.jsonl"
        self.log.touch()
        self.agent = self.started()

    def started(self) -> RolloutController:
        predictions: Any = NoPredictions()
        clock = SteadyClock(lambda: self.now + self.wall_ahead_s, lambda: self.now)
        return RolloutController(self.folder, AccessLog(self.log), predictions, lambda *_: (0, 0), clock)

    def effect(self, place: int) -> None:
        if self.kill_at == place:
            self.kill_at = None
            raise KilledError

    def passes(self, kill_at: int | None) -> None:
        """One look of the agent, and the requests until the next one."""
        self.kill_at = kill_at
        try:
            self.looks()
        except KilledError:
            self.agent = self.started()
        self.now += 1.0
        self.requests()

    def looks(self) -> None:
        written = rollout_controller.write_json

        def writes(*arguments: Any) -> None:
            self.effect(0)
            written(*arguments)
            self.effect(1)

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(rollout_controller, "write_json", writes)
            self.agent.want(DesiredState(1, (), {ENDPOINT: (DesiredRollout(self.plan, self.person_requests),)}))
            self.effect(2)
            self.traffic.append(self.agent.traffic()[ENDPOINT])
            self.effect(3)
            self.agent.observe(Offer(), READY)

    def requests(self) -> None:
        if not self.traffic:
            return
        weight, baseline = self.traffic[-1].weights.get(2, 0), self.traffic[-1].baseline
        of, share = (baseline.release, baseline.weight) if baseline else (0, 0)
        with self.log.open("a") as file:
            for _ in range(self.per_pass):
                point = self.rng.random() * WHOLE
                release = 2 if point < weight else 1
                is_baseline = release == of and (point < share if of == 2 else point >= WHOLE - share)
                fails = release == 2 and self.rng.random() < self.errors
                line = {"at": str(self.now + self.wall_ahead_s), "request_id": "q",
                        "status": 500 if fails else 200, "flags": "-",
                        "latency_us": 9000, "attempts": 1, "endpoint": ENDPOINT, "release": release,
                        "answered": release, "weights": {"1": WHOLE - weight, "2": weight}, "candidate": 2,
                        "forced": False, "unit": None, "baseline": is_baseline, "answered_baseline": is_baseline,
                        "baseline_weight": share}  # fmt: skip
                file.write(json.dumps(line) + "\n")

    def runs(self, kills: dict[int, int], most: int = 200) -> dict[str, Any]:
        """Until it has ended; then the report."""
        for number in range(most):
            self.passes(kills.get(number))
            record = self.agent.main(ENDPOINT)
            if record is not None and record.rollout.ended and number > 2:
                break
        self.now += 10.0
        self.passes(None)
        [report] = self.agent.reports(ENDPOINT)
        return dict(report)

    def weights(self) -> list[int]:
        """The candidate's weights as the data plane was told, without repetitions."""
        candidate_weights = [each.weights.get(2, 0) for each in self.traffic]
        return [
            weight for place, weight in enumerate(candidate_weights) if candidate_weights[place - 1 : place] != [weight]
        ]

    def logged(self) -> list[int]:
        """How many requests each release answered while the evidence was open, as the log has it."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [sum(line["release"] == release for line in lines) for release in (1, 2)]


kills = st.dictionaries(st.integers(0, 30), st.integers(0, EFFECTS - 1), max_size=12)
often = settings(max_examples=8, deadline=None, derandomize=True, phases=(Phase.explicit, Phase.generate))


@often
@given(kills)
def test_a_good_candidate_climbs_its_steps_whoever_is_killed(kills: dict[int, int]) -> None:
    with TemporaryDirectory() as folder:
        place = Place(Path(folder), errors=0.0)
        report = place.runs(kills)
        assert report["state"] == "succeeded"
        assert place.weights() == [0, 1_000, 5_000, 9_000, WHOLE]


@often
@given(kills)
def test_a_bad_one_goes_whoever_is_killed_and_no_request_counts_twice(kills: dict[int, int]) -> None:
    with TemporaryDirectory() as folder:
        place = Place(Path(folder), errors=0.6)
        report = place.runs(kills)
        assert (report["state"], report["culprits"]) == ("rolled_back", ["errors"])
        weights = place.weights()
        assert weights[:2] == [0, 1_000] and weights[-1] == 0 and len(weights) == 3, "never back in the traffic"
        assert report["requests"]["candidate"] <= place.logged()[1]
        assert report["requests"]["candidate"] > 0


@often
@given(kills)
def test_every_request_is_counted_once_whoever_is_killed(kills: dict[int, int]) -> None:
    """A plan that never gets enough evidence stays in its step, so that all that was logged must be counted."""
    endless = plan(metrics=[{"name": "latency", "margin": 0.001}], steps=[0.1], max_s=1e9)
    with TemporaryDirectory() as folder:
        place = Place(Path(folder), errors=0.0, plan=endless, per_pass=30)
        place.passes(None)  # the agent has seen that the candidate is ready: from here on requests count
        before = place.logged()
        place.runs(kills, most=32)
        [report] = place.agent.reports(ENDPOINT)
        reported_counts = [report["requests"]["stable"], report["requests"]["candidate"]]
        lines = place.log.read_text().splitlines()
        last = [json.loads(line)["release"] for line in lines[-30:]]  # came after the last look
        assert [reported_counts[0] + last.count(1), reported_counts[1] + last.count(2)] == place.logged()
        assert before == [30, 0]


def test_what_people_asked_for_is_done_once_also_after_a_crash(tmp_path: Path) -> None:
    place = Place(tmp_path, errors=0.0, plan=plan(metrics=["errors"], max_s=1e9))
    for _ in range(3):
        place.passes(None)
    place.person_requests = (
        PersonRequested(Command.PAUSE, "omar"),
        PersonRequested(Command.RESUME, "omar"),
        PersonRequested(Command.PAUSE, "omar", "lunch"),
    )
    place.passes(1)
    place.passes(None)
    record = place.agent.main(ENDPOINT)
    assert record is not None
    assert (str(record.rollout.state), record.rollout.reason, record.handled_requests) == ("paused", "lunch", 3)
    assert place.weights() == [0, 1_000], "what is paused stays as it is"


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: text.replace('"rollout"', '"rolled"'),
        lambda text: text.replace('"stepping"', '"flying"'),
        lambda text: json.dumps({**json.loads(text), "position": {"place": "x"}}),
        lambda text: json.dumps([1, 2]),
        lambda text: json.dumps({"records": [{"endpoint": ENDPOINT}]}),
        lambda text: json.dumps({"records": [7]}),
    ],
    ids=["cut", "empty", "another version", "unknown state", "no position", "a list", "no record", "a number"],
)
def test_a_file_that_cannot_be_read_begins_anew_with_the_candidate_out_of_the_traffic(tmp_path: Path, damage) -> None:
    place = Place(tmp_path, errors=0.0)
    while place.weights()[-1:] != [1_000]:
        place.passes(None)
    file = tmp_path / "rollouts.json"
    file.write_text(damage(file.read_text()))
    place.agent = place.started()
    place.passes(None)
    assert place.traffic[-1].weights == {1: WHOLE, 2: 0}
    assert place.runs({})["state"] == "succeeded"


@pytest.mark.parametrize(
    "options",
    [
        {"metrics": [{"name": "errors", "tolerate": 0.5}]},
        {"matches": [{"kind": "header", "name": "authorization", "value": "x"}]},
        {"matches": [{"name": "x"}]},
        {"sticky": "cookie"},
        {"false_alarm": 0.0},
    ],
)
def test_a_plan_that_cannot_be_carried_out_is_given_up_and_the_location_goes_on(tmp_path: Path, options) -> None:
    place = Place(tmp_path, errors=0.0, plan=plan(**options))
    report = place.runs({}, most=5)
    assert report["state"] == "rolled_back"
    assert report["reason"].startswith("the plan cannot be carried out: ")
    assert place.weights() == [0]
    assert place.traffic[-1].matches == ()


def test_testers_reach_the_candidate_while_it_rolls_out_and_not_when_it_was_given_up(tmp_path: Path) -> None:
    of = plan(metrics=["errors"], matches=[{"kind": "header", "name": "x-tester", "value": "yes"}], max_s=1e9)
    place = Place(tmp_path, errors=0.0, plan=of)
    place.passes(None)
    assert [match.release for match in place.traffic[-1].matches] == [2]
    place.person_requests = (PersonRequested(Command.ABORT, "omar"),)
    place.passes(None)
    assert place.traffic[-1].matches == ()
