"""What is admitted, kept and reported of a desired state with an endpoint that cannot be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from falaj.dataplane.agent.admission_queue import AdmissionQueue
from falaj.dataplane.agent.loop import merged
from falaj.dataplane.agent.state_store import Memory, Remembered
from falaj.dataplane.desired_state import DesiredEndpoint, DesiredState, EndpointState, EndpointStatus, Servable

DIGEST = "sha256:" + "ab" * 32


def plan(model: str, release: int = 1, **changes: Any) -> dict[str, Any]:
    return {"environment": "dev", "model": model, "release": release, "digest": DIGEST, **changes}


def state(version: int, *endpoints: dict[str, Any]) -> DesiredState:
    return DesiredState.from_json({"version": version, "endpoints": list(endpoints)})


def intake(folder: Path) -> AdmissionQueue:
    folder.mkdir(exist_ok=True)

    def admit(endpoint: DesiredEndpoint) -> Servable:
        return Servable(endpoint, folder)

    def readmit(remembered: Remembered) -> Servable:
        return Servable(remembered.endpoint, folder)

    return AdmissionQueue(admit, readmit, Memory(folder))


def test_one_bad_endpoint_costs_itself_alone_and_keeps_what_it_serves(tmp_path: Path) -> None:
    agent = intake(tmp_path / "place")
    agent.want(state(1, plan("a"), plan("b")))
    agent.admit_missing()
    agent.want(state(2, plan("a", 2), plan("b", 2, replicas=100)))
    agent.admit_missing()
    offer = agent.offer()
    assert [(each.endpoint.model, each.endpoint.release) for each in offer.servables] == [("a", 2), ("b", 1)]
    ready = [EndpointStatus(s.endpoint.name, s.endpoint.release, EndpointState.READY, 1) for s in offer.servables]
    reported = {each.endpoint: each for each in merged(offer, ready)}
    assert (reported["dev/a"].release, reported["dev/a"].state) == (2, EndpointState.READY)
    assert (reported["dev/b"].release, reported["dev/b"].state) == (2, EndpointState.FAILED)
    assert "replicas must be a whole number from 1 to 64" in reported["dev/b"].message


def test_what_it_serves_is_kept_over_a_restart_and_ends_when_it_is_no_longer_wanted(tmp_path: Path) -> None:
    agent = intake(tmp_path / "place")
    agent.want(state(1, plan("a"), plan("b")))
    agent.admit_missing()
    agent.want(state(2, plan("a"), plan("b", 2, replicas=0)))
    again = intake(tmp_path / "place")
    again.recall()
    assert [each.endpoint.model for each in again.offer().servables] == ["a", "b"]
    again.want(state(3, plan("a")))
    assert [each.endpoint.model for each in again.offer().servables] == ["a"]
