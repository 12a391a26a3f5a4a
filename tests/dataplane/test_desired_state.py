from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from falaj.config.schema import Serving
from falaj.dataplane.desired_state import DesiredEndpoint, DesiredState
from falaj.dataplane.errors import DesiredStateError
from falaj.schemas.limits import MAX_REPLICAS

DIGEST = "sha256:" + "ab" * 32
GOOD = {"endpoint": "dev/m", "environment": "dev", "model": "m", "release": 1, "digest": DIGEST}
NAMES = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
ENDPOINTS = st.builds(
    DesiredEndpoint,
    NAMES,
    NAMES,
    st.integers(1, 9999),
    st.just(DIGEST),
    st.integers(1, 64),
    evidence=st.just(({"a": 1},)),
)


@given(st.lists(ENDPOINTS, unique_by=lambda endpoint: endpoint.name), st.integers(-1, 10**9))
def test_what_is_written_is_read_back(endpoints: list[DesiredEndpoint], version: int) -> None:
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
def test_what_could_mislead_the_gateway_is_refused_and_costs_itself_alone(changes: dict[str, Any]) -> None:
    bad, other = {**GOOD, **changes}, {**GOOD, "model": "other"}
    with pytest.raises(DesiredStateError):
        DesiredEndpoint.from_json(bad)
    desired = DesiredState.from_json({"version": 1, "endpoints": [bad, other]})
    assert [each.name for each in desired.endpoints] == ["dev/other"]
    assert list(desired.refused) == ["?" if {"environment", "model"} & changes.keys() else "dev/m"]


@pytest.mark.parametrize("odd", [None, 5, "dev/m", [], {}, [GOOD]], ids=str)
def test_an_item_that_is_no_endpoint_costs_itself_alone(odd: object) -> None:
    desired = DesiredState.from_json({"version": 1, "endpoints": [odd, GOOD]})
    assert [each.name for each in desired.endpoints] == ["dev/m"]
    assert "?" in desired.refused


def test_an_endpoint_that_is_named_twice_is_refused_and_another_is_not() -> None:
    again = [{**GOOD, "release": 2}, GOOD, {**GOOD, "model": "other"}]
    desired = DesiredState.from_json({"version": 1, "endpoints": again, "rollouts": {"dev/m": []}})
    assert ([each.name for each in desired.endpoints], list(desired.rollouts)) == (["dev/other"], [])
    assert "twice" in desired.refused["dev/m"].reason


@pytest.mark.parametrize("rollout", [5, [5], [{"plan": {}, "asked": []}]], ids=str)
def test_a_rollout_that_cannot_be_read_costs_its_endpoint_alone(rollout: object) -> None:
    endpoints = [GOOD, {**GOOD, "model": "other"}]
    desired = DesiredState.from_json({"version": 1, "endpoints": endpoints, "rollouts": {"dev/m": rollout}})
    assert ([each.name for each in desired.endpoints], list(desired.refused)) == (["dev/other"], ["dev/m"])


def test_what_was_refused_is_remembered() -> None:
    desired = DesiredState.from_json({"version": 1, "endpoints": [{**GOOD, "replicas": 65}]})
    assert DesiredState.from_json(json.loads(json.dumps(desired.to_json()))) == desired


def test_what_a_project_may_ask_for_a_location_serves() -> None:
    assert Serving.model_validate({"replicas": MAX_REPLICAS}).to_spec().replicas == MAX_REPLICAS
    for replicas in (MAX_REPLICAS + 1, {"max": MAX_REPLICAS + 1}, 0, True, {"min": 2, "max": 1}):
        with pytest.raises(ValidationError):
            Serving.model_validate({"replicas": replicas})
    sleepy = Serving.model_validate({"replicas": {"min": 0, "max": MAX_REPLICAS}, "idle": "20s"}).to_spec()
    assert sleepy.scale is not None
    assert DesiredEndpoint.from_json({**GOOD, "scale": sleepy.scale.to_json()}).scale is not None
    assert Serving.model_validate({"replicas": {"min": 3, "max": 3}}).to_spec().scale is None
    with pytest.raises(ValidationError):
        Serving.model_validate({"replicas": 2, "idle": "20s"})
    assert DesiredEndpoint.from_json({**GOOD, "replicas": MAX_REPLICAS}).replicas == MAX_REPLICAS


@pytest.mark.parametrize("value", [None, [], {}, {"version": "1"}, {"version": 1, "endpoints": 5}])
def test_what_is_no_desired_state_is_refused(value: object) -> None:
    with pytest.raises(DesiredStateError):
        DesiredState.from_json(value)
