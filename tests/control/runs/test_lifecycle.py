from __future__ import annotations

import pytest

from falaj.control.runs.lifecycle import ENDED, EVENTS, RunState, transition
from falaj.core.transition import IllegalTransitionError, ProcessEvent

DATA = {"run_id": "r1", "commit_status": True}
FINISHED = {"outcome": "succeeded", "reason": ""}
LEGAL = {
    ("queued", "claimed"): "running",
    ("queued", "cancel"): "cancelling",
    ("running", "claimed"): "running",
    ("running", "cancel"): "cancelling",
    ("running", "finished"): "succeeded",
    ("cancelling", "claimed"): "cancelling",
    ("cancelling", "cancel"): "cancelling",
    ("cancelling", "finished"): "cancelled",
}


@pytest.mark.parametrize("state", RunState)
@pytest.mark.parametrize("event", EVENTS)
def test_every_pair_of_state_and_event_is_decided(state: RunState, event: str) -> None:
    expected_state = LEGAL.get((state, event))
    if expected_state is None:
        with pytest.raises(IllegalTransitionError):
            transition(state, DATA, ProcessEvent(event, FINISHED), 5.0)
    else:
        step = transition(state, DATA, ProcessEvent(event, FINISHED), 5.0)
        assert step.state == expected_state
        assert (step.wake_at is None) == (step.state in ENDED), "only an ended run never wakes again"


def test_a_git_host_hears_of_the_start_once_and_of_the_end() -> None:
    [pending] = transition("queued", DATA, ProcessEvent("claimed"), 5.0).effects
    assert pending.data["state"] == "pending"
    assert transition("running", DATA, ProcessEvent("claimed"), 6.0).effects == ()
    [failure] = transition(
        "running", DATA, ProcessEvent("finished", {"outcome": "rejected", "reason": "auc"}), 7.0
    ).effects
    assert (failure.data["state"], failure.data["description"]) == ("failure", "auc")


def test_without_a_git_host_nobody_is_told() -> None:
    assert transition("queued", {"run_id": "r1"}, ProcessEvent("claimed"), 5.0).effects == ()
