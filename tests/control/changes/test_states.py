from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falaj.control.changes.risk import ReleaseSources, RiskFactors, risk_of
from falaj.control.changes.states import EVENTS, OPEN, PASSED, ChangeState, transition
from falaj.control.releases.states import MOVES, WITHDRAWN, ReleaseState, move
from falaj.storage.durable import IllegalTransitionError, ProcessEvent

DATA = {"kind": "normal", "quorum": 1, "expires_at": 900.0, "review_within_s": 60.0}


def walk(*events: str, **data: Any) -> str:
    state, process_data = str(ChangeState.REQUESTED), {**DATA, **data}
    for name in events:
        step = transition(state, process_data, ProcessEvent(name, {"at": 500.0, "reason": "r"}), 100.0)
        state, process_data = step.state, dict(step.data or process_data)
    return state


def test_the_ways_of_a_change() -> None:
    assert walk("submitted") == "awaiting_approval"
    assert walk("submitted", quorum=0) == "approved"
    assert walk("submitted", "approved", "scheduled", "scheduled", "opened", "deployed") == "done"
    assert walk("submitted", "approved", "opened", "failed") == "failed"
    assert walk("submitted", "approved", "opened", "deployed", kind="emergency") == "review_due"
    assert (
        walk("submitted", "approved", "opened", "deployed", "reviewed", "taken-back", kind="emergency") == "rolled_back"
    )
    assert walk("submitted", "invalidated") == "invalidated"


@given(
    st.lists(st.sampled_from(EVENTS), max_size=12),
    st.sampled_from(["standard", "normal", "emergency"]),
    st.integers(0, 2),
)
def test_nothing_is_deployed_that_was_not_approved_and_what_ended_stays_ended(
    events: list[str], kind: str, quorum: int
) -> None:
    state, data, past = str(ChangeState.REQUESTED), {**DATA, "kind": kind, "quorum": quorum}, []
    for name in events:
        try:
            step = transition(state, data, ProcessEvent(name, {"at": 500.0, "reason": "r"}), 100.0)
        except IllegalTransitionError:
            continue
        past.append(name)
        assert state in OPEN or state in PASSED or state == "deploying"
        assert not (step.state in OPEN and state not in OPEN)
        state = step.state
    if state in {"deploying", *PASSED}:
        assert "approved" in past or quorum == 0
        assert "opened" in past


def test_waiting_has_an_end() -> None:
    assert transition("requested", DATA, ProcessEvent("submitted"), 1.0).wake_at == 900.0
    assert transition("approved", DATA, ProcessEvent("scheduled", {"at": 950.0}), 1.0).wake_at == 900.0
    assert transition("deploying", {**DATA, "kind": "emergency"}, ProcessEvent("deployed"), 1.0).wake_at == 61.0


@given(st.lists(st.sampled_from(sorted(MOVES)), max_size=12))
def test_a_release_that_was_ended_for_good_stays_so(events: list[str]) -> None:
    state = str(ReleaseState.CANDIDATE)
    for name in events:
        try:
            after = move(state, name)
        except IllegalTransitionError:
            continue
        assert not (state in {"retired", "rejected", "revoked"} and after != state)
        assert not (after == "live" and state in WITHDRAWN)
        state = after


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, "low"),
        ({"tier": "medium"}, "medium"),
        ({"classifications": ["public", "personal"]}, "medium"),
        ({"classifications": ["health"]}, "high"),
        ({"classifications": ["something-new"]}, "high"),
        ({"served": None}, "medium"),
        ({"served": None, "rank": 0}, "low"),
        ({"served": ReleaseSources(frozenset("b"), frozenset())}, "medium"),
        ({"served": ReleaseSources(frozenset("a"), frozenset("x"))}, "medium"),
        ({"locations": 4}, "medium"),
    ],
    ids=str,
)
def test_the_risk_is_that_of_the_worst_part(changed: dict[str, Any], expected: str) -> None:
    same = ReleaseSources(frozenset("a"), frozenset())
    factors: dict[str, Any] = {
        "tier": "low", "classifications": {"public"}, "rank": 2, "locations": 1,
        "served": same, "candidate": same,
    }  # fmt: skip
    assert risk_of(RiskFactors(**{**factors, **changed})) == expected
