from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falaj.locations.desired import DesiredState, Endpoint
from falaj.locations.errors import DesiredStateError

DIGEST = "sha256:" + "ab" * 32
GOOD = {"endpoint": "dev/m", "environment": "dev", "model": "m", "release": 1, "digest": DIGEST}
NAMES = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
ENDPOINTS = st.builds(
    Endpoint, NAMES, NAMES, st.integers(1, 9999), st.just(DIGEST), st.integers(1, 64), evidence=st.just(({"a": 1},))
)


@given(st.lists(ENDPOINTS, unique_by=lambda endpoint: endpoint.name), st.integers(-1, 10**9))
def test_what_is_written_is_read_back(endpoints: list[Endpoint], version: int) -> None:
    desired = DesiredState(version, tuple(endpoints))
    assert DesiredState.from_json(json.loads(json.dumps(desired.to_json()))) == desired


@pytest.mark.parametrize(
    "changes",
    [
        {"environment": "../prod"}, {"environment": "a/b"}, {"model": ""}, {"model": "a..b"}, {"model": "A"},
        {"model": 'x"}'}, {"model": None}, {"release": 0}, {"release": "1"}, {"release": True}, {"replicas": 0},
        {"replicas": 1000}, {"digest": "sha256:12"}, {"digest": 5}, {"evidence": 3},
    ],
)  # fmt: skip
def test_what_could_mislead_the_gateway_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(DesiredStateError):
        DesiredState.from_json({"version": 1, "endpoints": [{**GOOD, **changes}]})


@pytest.mark.parametrize("value", [None, [], {}, {"version": "1"}, {"version": 1, "endpoints": [GOOD, GOOD]}])
def test_what_is_no_desired_state_is_refused(value: object) -> None:
    with pytest.raises(DesiredStateError):
        DesiredState.from_json(value)
