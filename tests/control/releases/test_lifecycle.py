from __future__ import annotations

import pytest

from falaj.control.releases.lifecycle import CONVERGE_TIMEOUT_S, EVENTS, DeploymentState, transition
from falaj.core.transition import IllegalTransitionError, ProcessEvent

DATA = {"deployment_id": "d1", "model": "m", "release": 3, "environment": "dev", "location": "local"}
LEGAL = {
    ("waiting", "queued"): "pending",
    ("waiting", "superseded"): "superseded",
    ("pending", "start"): "converging",
    ("pending", "superseded"): "superseded",
    ("converging", "rolling"): "rolling",
    ("rolling", "rolling"): "rolling",
    ("rolling", "ready"): "live",
    ("rolling", "failed"): "failed",
    ("rolling", "superseded"): "superseded",
    ("converging", "ready"): "live",
    ("converging", "failed"): "failed",
    ("converging", "timeout"): "failed",
    ("converging", "superseded"): "superseded",
    ("live", "superseded"): "superseded",
}


@pytest.mark.parametrize("state", DeploymentState)
@pytest.mark.parametrize("event", EVENTS)
def test_every_pair_of_state_and_event_is_decided(state: DeploymentState, event: str) -> None:
    expected_state = LEGAL.get((state, event))
    happened = ProcessEvent(event, {"message": "no", "at": 9.0})
    if expected_state is None:
        with pytest.raises(IllegalTransitionError):
            transition(state, DATA, happened, 5.0)
    else:
        assert transition(state, DATA, happened, 5.0).state == expected_state


def test_a_deployment_that_converges_is_looked_at_when_its_time_is_up() -> None:
    assert transition("pending", DATA, ProcessEvent("start"), 5.0).wake_at == 5.0 + CONVERGE_TIMEOUT_S


def test_a_rollout_has_no_deadline_of_its_own_and_leaves_its_record() -> None:
    assert transition("converging", DATA, ProcessEvent("rolling"), 5.0).wake_at is None
    record = {"id": "d1", "state": "rolled_back"}
    step = transition("rolling", DATA, ProcessEvent("failed", {"message": "errors", "record": record}), 5.0)
    assert step.data is not None and (step.data["record"], step.data["message"]) == (record, "errors")


def test_the_next_location_begins_after_the_bake_time() -> None:
    assert transition("waiting", DATA, ProcessEvent("queued", {"at": 65.0}), 5.0).wake_at == 65.0


def test_a_live_release_gets_its_alias() -> None:
    [effect] = transition("converging", DATA, ProcessEvent("ready"), 5.0).effects
    assert effect.data == {"model": "m", "release": 3, "alias": "dev"}


def test_a_failure_keeps_its_reason() -> None:
    step = transition("converging", DATA, ProcessEvent("failed", {"message": "digest"}), 5.0)
    assert step.data is not None and step.data["message"] == "digest"
