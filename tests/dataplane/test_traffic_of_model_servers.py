"""Real model servers behind a real Envoy: the gateway's log and the prediction log tell the same story."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from falaj.dataplane.access_log import AccessLog
from falaj.dataplane.desired_state import EndpointState, Servable
from falaj.dataplane.prediction_log import PredictionRecord, read_segment, segments
from falaj.dataplane.runtimes.process.replica import ReplicaRecords
from falaj.dataplane.runtimes.process.runtime import LocationFolders, ProcessRuntime
from falaj.dataplane.traffic_split import Traffic
from tests.dataplane.conftest import ask, free_port, servable
from tests.dataplane.constant_model import make_model
from tests.waiting import HANGS_AFTER_S, until

pytestmark = [pytest.mark.locations, pytest.mark.e2e, pytest.mark.faults]

BODY = json.dumps({"inputs": [{"name": "x", "shape": [1], "datatype": "FP64", "data": [1.5]}]}).encode()
SHARED = {"dev/m": Traffic({1: 6_000, 2: 4_000}, {3: 1.0}, candidate=2, sticky="x-customer")}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> LocationFolders:
    folder = tmp_path_factory.mktemp("location")
    return LocationFolders(folder / "location", folder / "logs")


@pytest.fixture(scope="module")
def servables(tmp_path_factory: pytest.TempPathFactory) -> list[Servable]:
    folder = tmp_path_factory.mktemp("models")
    return [replace(servable(number), model_dir=make_model(folder / str(number), number)) for number in (1, 2, 3)]


@pytest.fixture(scope="module")
def runtime(place: LocationFolders, servables: list[Servable]) -> Iterator[ProcessRuntime]:
    runtime = ProcessRuntime(place, port=free_port())
    statuses = runtime.settle(servables, SHARED, timeout_s=HANGS_AFTER_S)
    assert {status.state for status in statuses} == {EndpointState.READY}
    yield runtime
    runtime.stop()


def predict(port: int, **headers: str) -> tuple[int, str, str, float | None]:
    """Status, id, release and prediction."""
    request_headers = {"content-type": "application/json"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    status, response_headers, body = ask(port, "/dev/m/v2/models/m/infer", "POST", BODY, request_headers)
    outputs = body.get("outputs")
    value = outputs[0]["data"][0] if isinstance(outputs, list) else None
    return status, response_headers["x-request-id"], response_headers.get("falaj-release", ""), value


def records(place: LocationFolders) -> list[PredictionRecord]:
    return [record for path in segments(place.predictions) for record in read_segment(path)]


def test_both_logs_tell_the_same_of_a_request(runtime: ProcessRuntime, place: LocationFolders) -> None:
    log = AccessLog(place.layout.access_log)
    begin, port = log.end(), runtime.gateway.port
    answers = [predict(port, x_customer=f"c{number % 20}", falaj_arm="candidate;w=1") for number in range(60)]
    answers.append(predict(port, falaj_use_release="2"))
    assert all(status == 200 and release == f"m@{value:.0f}" for status, _, release, value in answers)
    ids = {request for _, request, _, _ in answers}
    until(lambda: ids <= {access.request_id for access in log.read(begin)[0]})
    until(lambda: sum(record.routing.shadow for record in records(place)) >= 60)
    lines = {access.request_id: access for access in log.read(begin)[0]}
    shown = {record.request_id: record for record in records(place) if not record.routing.shadow}
    for request in ids:
        line, record = lines[request], shown[request]
        assert record.header.release == f"m@{line.release}" and record.routing.forced == (line.arm == "forced")
        assert line.forced or (record.routing.arm, record.routing.weight) == (line.arm, 4_000)
        assert (record.routing.unit is None) == (line.unit is None)
    copies = [record for record in records(place) if record.routing.shadow]
    assert {record.header.release for record in copies} == {"m@3"}
    assert sorted(record.request_id for record in copies) == sorted(ids - {answers[-1][1]})


def test_counts_are_not_for_callers(runtime: ProcessRuntime) -> None:
    port = runtime.gateway.port
    statuses = [ask(port, f"/dev/m/{path}")[0] for path in ("metrics", "%6detrics", "/metrics?x", "v2/health/ready")]
    assert statuses == [404, 404, 404, 200]


def test_a_killed_release_loses_no_prediction(
    runtime: ProcessRuntime, place: LocationFolders, servables: list[Servable]
) -> None:
    victim = 1  # the stable one, with most of the requests
    until(lambda: all(s.state is EndpointState.READY for s in runtime.converge(servables, SHARED)))
    answers: list[tuple[int, str, str, float | None]] = []
    end = threading.Event()

    def ask_on() -> None:
        while not end.is_set():
            answers.append(predict(runtime.gateway.port))

    clients = [threading.Thread(target=ask_on) for _ in range(3)]
    for client in clients:
        client.start()
    kill(place, victim)
    time.sleep(0.3)  # as long as an agent may sleep
    until(lambda: runtime.converge(servables, SHARED)[victim - 1].replicas_ready == 0)
    until(lambda: runtime.converge(servables, SHARED)[victim - 1].replicas_ready == 1)
    time.sleep(0.2)
    end.set()
    for client in clients:
        client.join()
    assert {status for status, *_ in answers} == {200}
    assert all(release == f"m@{value:.0f}" for _, _, release, value in answers)


def kill(place: LocationFolders, release: int) -> None:
    for replica in ReplicaRecords(place.folder / "replicas"):
        if replica.slot.release == f"m@{release}" and replica.process:
            os.kill(replica.process.pid, signal.SIGKILL)
