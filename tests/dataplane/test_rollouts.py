"""Rollouts beside real traffic: an agent as a process, a real Envoy, stand-in replicas that fail when told to."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from falaj.statistics.rollout import plan_of
from falaj.statistics.rollout.state_machine import ENDED
from tests.dataplane.agent_scene import NAME, Scene
from tests.dataplane.conftest import Load, ask
from tests.waiting import until

pytestmark = [pytest.mark.locations, pytest.mark.e2e]
CANARY = {"steps": [0.2, 0.5], "hold_s": 0.3, "burn_in_max_s": 2.0, "holdback": {"share": 0.1, "for_s": 0.5}}


class Rolling:
    """A stable release that serves, and a candidate that comes by a rollout."""

    def __init__(self, scene: Scene, **options: Any) -> None:
        self.scene = scene
        self.options = {**CANARY, **options}
        self.requests: list[dict[str, str]] = []
        self.stable, self.candidate = scene.release(1), scene.release(2)

    def begin(self, kind: str = "canary") -> None:
        self.scene.start()
        self.scene.plane.want(self.stable)
        self.scene.until_serving(1)
        self.plan = plan_of("r1", kind, self.options, candidate=2, stable=1).to_json()
        self.want()

    def want(self) -> None:
        arms = ({**self.candidate, "role": "primary"}, {**self.stable, "role": "stable"})
        self.scene.plane.want(*arms, rollouts={NAME: [{"plan": self.plan, "asked": self.requests}]})

    def ask(self, command: str) -> None:
        self.requests.append({"command": command, "by": "user:omar", "reason": ""})
        self.want()

    @property
    def reported_rollout(self) -> dict[str, Any]:
        """What the agent reported of the rollout last."""
        rollout_statuses = self.scene.plane.statuses.get(NAME, {}).get("rollouts") or [{}]
        return dict(rollout_statuses[0])

    def until(self, *states: str) -> dict[str, Any]:
        """What is told once a state is reached; nothing follows on an end."""
        state = until(
            lambda: reported if (reported := self.reported_rollout.get("state")) in {*states, *ENDED} else None
        )
        assert state in states, self.reported_rollout
        return self.reported_rollout

    @contextmanager
    def load(self) -> Iterator[Load]:
        with Load(self.scene.port, f"/{NAME}/v2") as load:
            yield load

    def answering(self) -> set[str]:
        """Who answers some requests; what has failed has no name."""
        return {str(ask(self.scene.port, f"/{NAME}/v2")[2].get("name")) for _ in range(30)}

    def remembered(self) -> dict[str, Any]:
        """What the agent has on its disk."""
        [record] = json.loads((self.scene.location / "rollouts.json").read_text())["records"]
        return dict(record["record"])


def test_without_metrics_time_alone_moves_a_candidate_and_no_request_fails(scene: Scene) -> None:
    rolling = Rolling(scene, metrics=[])
    rolling.begin()
    rolling.plan["metrics"] = []
    rolling.want()
    with rolling.load() as load:
        rollout_status = rolling.until("succeeded")
    assert load.failures == {}
    assert scene.plane.statuses[NAME]["state"] == "ready"
    weights = [point["weight"] for point in rollout_status["trajectory"]]
    assert [weight for place, weight in enumerate(weights) if weights[place - 1 : place] != [weight]] == [
        0, 2000, 5000, 9000, 10_000,
    ]  # fmt: skip
    assert {"flight-delay@1", "flight-delay@2"} == set(load.answers)
    scene.plane.want(rolling.candidate)  # the control plane has heard of the end
    until(lambda: scene.plane.statuses[NAME].get("rollouts") == [])
    until(lambda: rolling.answering() == {"flight-delay@2"})


def test_a_candidate_that_fails_is_rolled_back_alone_and_the_verdict_says_why(scene: Scene) -> None:
    scene.behaviour = {2: ["--fails", "0.5"]}
    rolling = Rolling(scene)
    rolling.begin()
    with rolling.load():
        rollout_status = rolling.until("rolled_back")
        until(lambda: rolling.answering() == {"flight-delay@1"})  # all traffic is on the stable release
        status_codes = [ask(scene.port, f"/{NAME}/v2")[0] for _ in range(30)]
    assert rollout_status["culprits"] == ["errors"]
    reason = rollout_status["reason"]  # by chance, ten in a row may fail before the evidence is complete
    assert (reason.startswith("after ") and "errors" in reason) or reason.startswith("the candidate does not answer")
    assert rollout_status["step"] == 0, "it never got more than the first share"
    assert set(status_codes) == {200}
    assert scene.plane.statuses[NAME]["state"] == "failed"
    assert scene.plane.statuses[NAME]["serving"] == 1


def test_a_slow_candidate_is_rolled_back(scene: Scene) -> None:
    scene.behaviour = {2: ["--slow-ms", "60"]}
    rolling = Rolling(scene, metrics=["latency"])
    rolling.begin()
    with rolling.load():
        rollout_status = rolling.until("rolled_back")
    assert rollout_status["culprits"] == ["latency"]


@pytest.mark.faults
def test_an_agent_that_was_killed_ends_the_rollout_alone_and_counts_no_request_twice(scene: Scene) -> None:
    rolling = Rolling(scene, metrics=["errors"], steps=[0.5], max_s=1e6)
    rolling.begin()
    rolling.until("stepping")  # what comes before is not part of the evidence
    with rolling.load():
        until(lambda: rolling.remembered()["answered"][1] > 50)
        scene.kill()
        scene.plane.close()  # nobody tells the next agent anything
        before = rolling.remembered()
        time.sleep(0.5)
        scene.start()
        until(lambda: rolling.remembered()["answered"][1] > before["answered"][1] + 50)

    def answered() -> list[int]:
        log = (scene.home / "logs" / "predictions-access.jsonl").read_text().splitlines()
        rolled = [line for line in map(json.loads, log) if line.get("candidate") == 2]
        return [sum(each["release"] == release for each in rolled) for release in (1, 2)]

    until(lambda: rolling.remembered()["answered"] == answered())
    time.sleep(1.5)  # long enough for another look at the log
    scene.kill()
    assert rolling.remembered()["answered"] == answered()


@pytest.mark.faults
def test_a_bad_candidate_is_rolled_back_while_the_control_plane_is_gone(scene: Scene) -> None:
    scene.behaviour = {2: ["--fails", "0.5"]}
    rolling = Rolling(scene, steps=[0.05, 0.5])
    rolling.begin()
    rolling.until("stepping")
    scene.plane.close()
    scene.kill()
    scene.start()
    with rolling.load():
        until(lambda: rolling.remembered()["rollout"]["state"] == "rolled_back")
        until(lambda: rolling.answering() == {"flight-delay@1"})


def test_people_pause_resume_and_abort_it(scene: Scene) -> None:
    rolling = Rolling(scene, steps=[0.2], hold_s=1e6, max_s=1e6, metrics=["errors"])  # people are faster than it
    rolling.begin()
    with rolling.load() as load:
        rolling.until("stepping", "holding")
        rolling.ask("pause")
        assert "resume" in rolling.until("paused")["allowed"]
        rolling.ask("resume")
        rolling.until("stepping", "holding")
        rolling.ask("abort")
        rollout_status = rolling.until("aborted")
    assert (rollout_status["by"], rollout_status["weight"]) == ("user:omar", 0)
    assert load.failures == {}


def test_a_candidate_that_does_not_start_is_given_up_and_nobody_notices(scene: Scene) -> None:
    scene.behaviour = {2: ["--crash"]}
    rolling = Rolling(scene)
    rolling.begin()
    with rolling.load() as load:
        rollout_status = rolling.until("rolled_back")
    assert "falls again and again" in rollout_status["reason"]
    assert set(load.answers) == {"flight-delay@1"}


def test_a_preview_is_for_testers_and_the_switch_is_at_once_with_a_rollback_window(scene: Scene) -> None:
    rolling = Rolling(scene, preview_s=1e6, rollback_window_s=1e6, metrics=["errors"])
    rolling.options = {
        key: value for key, value in rolling.options.items() if key not in ("steps", "hold_s", "holdback")
    }
    rolling.begin("blue_green")
    with rolling.load() as load:
        rolling.until("holding")
        forced = ask(scene.port, f"/{NAME}/v2", headers={"falaj-use-release": "2"})[2]["name"]
        assert (forced, scene.answer()) == ("flight-delay@2", "flight-delay@1")
        rolling.ask("promote")
        rolling.until("holdback")
        until(lambda: rolling.answering() == {"flight-delay@2"})
        rolling.ask("abort")
        rolling.until("aborted")
        until(lambda: rolling.answering() == {"flight-delay@1"})
    assert load.failures == {}
