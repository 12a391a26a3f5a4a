"""Rollouts that are judged by answers and labels: real model servers behind a real Envoy, real logs, a real join."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from falaj.core.home import Home
from falaj.dataplane.access_log import AccessLog
from falaj.dataplane.agent.admission_queue import Offer
from falaj.dataplane.agent.rollouts import RolloutController, RolloutPredictions, capturing
from falaj.dataplane.agent.rollouts.rollout_controller import SAVE_EVERY_S
from falaj.dataplane.desired_state import DesiredRollout, DesiredState, EndpointState
from falaj.dataplane.label_database import keep_joined
from falaj.dataplane.label_join import LabelJoin
from falaj.dataplane.runtimes.process.runtime import LocationFolders, ProcessRuntime
from falaj.sdk.endpoint_address import own_token
from falaj.statistics.rollout import plan_of
from falaj.statistics.rollout.analysis.verdict import SHIFTED
from tests.dataplane.conftest import ask, free_port, own_people, servable
from tests.dataplane.constant_model import make_model
from tests.waiting import HANGS_AFTER_S, until

pytestmark = [pytest.mark.locations, pytest.mark.e2e]
NAME = "dev/m"
BODY = json.dumps({"inputs": [{"name": "x", "shape": [1], "datatype": "FP64", "data": [1.5]}]}).encode()


class Location:
    """A data plane with four releases that predict 0.2, 0.15, 0.8 and 0.2, whatever they are asked."""

    def __init__(self, folder: Path) -> None:
        self.place = LocationFolders(folder / "location", folder / "logs")
        self.runtime = ProcessRuntime(self.place, port=free_port())
        self.home = Home(folder / "home", {}).prepare()
        self.admittance = own_people(self.home, NAME)
        values = {1: 0.2, 2: 0.15, 3: 0.8, 4: 0.2}
        models = {release: make_model(folder / str(release), value) for release, value in values.items()}
        self.servables = [replace(servable(release), model_dir=model) for release, model in models.items()]
        [stable] = self.runtime.settle(
            self.servables[:1], None, self.admittance, timeout_s=HANGS_AFTER_S
        )  # it serves before anything rolls out
        assert stable.state is EndpointState.READY
        self.rollouts = self.new_rollouts()
        self.wishes: tuple[DesiredRollout, ...] = ()
        self._stopping = threading.Event()
        self._joining = threading.Thread(target=keep_joined(self.join, look_s=0.05), args=(self._stopping,))
        self._joining.start()

    def join(self) -> LabelJoin:
        return LabelJoin(self.place.folder / "labels.db", self.place.predictions)

    def new_rollouts(self) -> RolloutController:
        predictions = RolloutPredictions(self.place.predictions, None, self.join)
        return RolloutController(
            self.place.folder, AccessLog(self.place.layout.access_log), predictions, self.runtime.copies
        )

    def roll(self, kind: str, candidate: int, **options: Any) -> None:
        plan = plan_of(f"r{candidate}-{kind}", kind, options, candidate=candidate, stable=1)
        self.wishes = (*self.wishes, DesiredRollout(plan))

    def step(self) -> None:
        """One pass of the agent."""
        release_numbers = {1, *(desired_rollout.plan.candidate for desired_rollout in self.wishes)}
        servables = tuple(each for each in self.servables if each.endpoint.release in release_numbers)
        desired = DesiredState(1, tuple(each.endpoint for each in servables), {NAME: self.wishes})
        offer = Offer(desired, servables)
        self.rollouts.want(desired)
        self.rollouts.observe(offer, self.runtime.converge(servables, self.rollouts.traffic(), self.admittance))

    def rollout_report(self, candidate: int) -> dict[str, Any]:
        rollout_reports = (dict(each) for each in self.rollouts.reports(NAME) if each["candidate"] == candidate)
        return next(rollout_reports, {})

    def until(self, candidate: int, *states: str) -> dict[str, Any]:
        def reached() -> bool:
            self.step()
            return self.rollout_report(candidate).get("state") in states

        until(reached)
        self.step()  # the gateway does what the state asks for
        return self.rollout_report(candidate)

    def weight(self, release: int) -> int:
        """How many of 10,000 requests the gateway gives a release."""
        weights = self.runtime.gateway.table().routes[NAME].weights
        return sum(weight for arm, weight in weights.items() if arm.startswith(f"{NAME}@{release}."))

    def predict(self, count: int) -> list[str]:
        """Ask for predictions; return their ids."""
        request_headers, port = {"content-type": "application/json"}, self.runtime.gateway.port
        answers = [ask(port, f"/{NAME}/v2/models/m/infer", "POST", BODY, request_headers) for _ in range(count)]
        assert {status for status, _, _ in answers} == {200}
        return [reply_headers["x-request-id"] for _, reply_headers, _ in answers]

    def label(self, ids: list[str], label: int) -> None:
        body = json.dumps({"labels": [{"prediction_id": each, "label": label} for each in ids]}).encode()
        shown = {"content-type": "application/json", "authorization": f"Bearer {own_token(NAME, self.home)}"}
        status, _, reply_body = ask(self.runtime.gateway.port, f"/{NAME}/feedback", "POST", body, shown)
        assert status == 202, reply_body

    def close(self) -> None:
        self._stopping.set()
        self._joining.join()
        self.runtime.stop()


@pytest.fixture
def location(tmp_path: Path) -> Iterator[Location]:
    location = Location(tmp_path)
    yield location
    location.close()


def metric(rollout_report: dict[str, Any], name: str) -> dict[str, Any]:
    return next(dict(each) for each in rollout_report["metrics"] if each["name"] == name)


def test_a_candidate_that_answers_worse_is_rolled_back_by_labels_that_come_late(
    location: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights: list[int] = []
    cut = threading.Event()

    def slow_capture(*_: object) -> None:
        weights.append(location.weight(3))
        assert cut.wait(HANGS_AFTER_S)

    monkeypatch.setattr(capturing, "capture", slow_capture)
    location.roll("canary", 3, steps=[0.5], hold_s=0, metrics=["brier"], label_block_s=1.0)
    location.until(3, "stepping")
    location.predict(200)
    for _ in range(3):
        location.step()
    assert location.rollout_report(3)["state"] == "stepping", "without labels nothing speaks against it"

    def is_in(state: str) -> bool:
        location.label(location.predict(10), 0)  # the candidate said 0.8
        location.step()
        return location.rollout_report(3).get("state") == state

    until(lambda: is_in("rolling_back") and weights)
    assert is_in("rolling_back"), "the agent goes on with everything else while the slice is cut out"
    cut.set()
    until(lambda: is_in("rolled_back"))
    rollout_report = location.rollout_report(3)
    assert rollout_report["culprits"] == ["brier"] and "more than stable" in rollout_report["reason"]
    assert weights == [0], "what it failed on is cut out when nobody meets it any more, since that takes a while"


@pytest.mark.parametrize(("candidate", "ends"), [(3, ("paused", SHIFTED)), (4, ("stepping", ""))])
def test_a_candidate_that_predicts_otherwise_is_paused(
    location: Location, candidate: int, ends: tuple[str, str]
) -> None:
    location.predict(60)  # what the stable release predicts is known before the rollout
    location.roll("canary", candidate, steps=[0.5], hold_s=1e6, metrics=["predictions"])
    location.until(candidate, "stepping")

    def enough() -> bool:
        location.predict(20)
        location.step()
        rollout_report = location.rollout_report(candidate)
        return rollout_report["state"] == "paused" or sum(rollout_report["requests"].values()) > 300

    until(enough)
    rollout_report = location.rollout_report(candidate)
    assert (rollout_report["state"], rollout_report["reason"]) == ends


def test_a_shadow_is_compared_pair_by_pair_beside_a_challenger(location: Location) -> None:
    location.roll("shadow", 2, for_s=1e6, metrics=["errors", "brier"], label_block_s=1.0)
    location.roll("challenger", 3, metrics=["errors", "brier"], label_block_s=1.0)
    location.until(2, "shadowing")
    location.until(3, "shadowing")
    assert {location.runtime.gateway.table().routes[NAME].main} == {
        name for name in location.runtime.gateway.table().arms if name.startswith(f"{NAME}@1.")
    }

    def compared() -> bool:
        location.label(location.predict(10), 0)
        location.step()
        near = location.rollout_report(2)
        enough = bool(near) and metric(near, "brier")["requests"][0] > 200
        far_state = location.rollout_report(3).get("state")
        return far_state in ("rolling_back", "rolled_back") and enough

    until(compared)
    near, far = location.rollout_report(2), location.rollout_report(3)
    assert far["culprits"] == ["brier"], "0.8 is worse than 0.2 on every request"
    assert near["state"] == "shadowing" and near["culprits"] == []
    brier = metric(near, "brier")
    assert brier["ratio"] == pytest.approx(0.15**2 - 0.2**2, abs=1e-3), "the mean of the differences, pair by pair"
    assert metric(near, "errors")["requests"][0] > 200, "copies that both answered"
    assert near["requests"]["candidate"] > 200


def test_a_shadow_that_fails_is_found_out_although_nobody_waits_for_it(location: Location) -> None:
    location.roll("shadow", 2, for_s=600, metrics=["errors"])
    location.until(2, "shadowing")
    table = location.runtime.gateway.table()
    [arm] = [arm for name, arm in table.arms.items() if name.startswith(f"{NAME}@2.")]
    good = location.predict(20)
    until(lambda: location.runtime.copies(NAME, 2)[0] >= len(good))
    assert location.runtime.copies(NAME, 2)[1] == 0
    bad = json.dumps({"inputs": [{"name": "unknown", "shape": [1], "datatype": "FP64", "data": [1.5]}]}).encode()
    ask(location.runtime.gateway.port, f"/{NAME}/v2/models/m/infer", "POST", bad, {"content-type": "application/json"})
    until(lambda: location.runtime.copies(NAME, 2)[1] == 1)
    assert arm.mirrored


def test_a_restarted_agent_counts_each_label_once(location: Location) -> None:
    location.roll("canary", 2, steps=[0.5], hold_s=1e6, metrics=["brier"])
    location.until(2, "stepping")
    ids = location.predict(60)
    location.label(ids[:30], 0)

    def counted(count: int) -> bool:
        location.step()
        return sum(metric(location.rollout_report(2), "brier")["requests"]) >= count

    until(lambda: counted(30))
    time.sleep(SAVE_EVERY_S)
    location.step()
    location.rollouts = location.new_rollouts()
    location.label(ids[20:], 0)
    until(lambda: counted(60))
    for _ in range(5):
        location.step()
    assert sum(metric(location.rollout_report(2), "brier")["requests"]) == 60
