"""A real replica: protocols, refusals, limits, the log, and how it ends."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import sysconfig
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl
import pytest

from falaj.build.packaging import PackagingResult
from falaj.dataplane.model_server import launch
from falaj.dataplane.prediction_log import find_prediction, read_segment, segments
from falaj.statistics.losses import LossContext, losses
from tests.waiting import HANGS_AFTER_S, until

from .conftest import Replica

pytestmark = pytest.mark.integration

Serve = Callable[..., Replica]
Packaged = Callable[[str], tuple[Path, PackagingResult]]


@pytest.fixture
def replica(serve: Serve, packaged: Packaged) -> Replica:
    return serve(packaged("flights")[0])


@pytest.fixture(scope="session")
def table(models: Path) -> list[dict[str, Any]]:
    return pl.read_parquet(models / "held-out.parquet").to_dicts()


def split(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {"dataframe_split": {"columns": list(rows[0]), "data": [list(row.values()) for row in rows]}}


def cpu_s(pid: int) -> float:
    """Processor time that a process has used, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_it_is_ready_soon_and_lean(replica: Replica) -> None:
    assert cpu_s(replica.process.pid) < 3  # of its own: what else the machine does is no part of it
    status = Path(f"/proc/{replica.process.pid}/status").read_text()
    resident_kb = int(status.partition("VmRSS:")[2].split()[0])
    assert resident_kb < 100_000


@pytest.mark.e2e
def test_onnx_and_native_servers_give_the_same_answers(
    serve: Serve, packaged: Packaged, models: Path, table: list[dict[str, Any]]
) -> None:
    onnx, native = serve(packaged("three-classes")[0]), serve(models / "three-classes")
    assert [r.client.get("/v2/models/flight-delay").json()["platform"] for r in (onnx, native)] == ["onnx", "sklearn"]
    rows = [row | {"carrier": "??"} if index % 9 == 0 else row for index, row in enumerate(table)]
    first, second = (r.invoke(split(rows)).json()["predictions"] for r in (onnx, native))
    assert np.allclose(first, second, atol=1e-6) and np.shape(first) == (400, 3)
    inputs = [
        {"name": name, "shape": [len(rows)], "datatype": kind, "data": [row[name] for row in rows]}
        for name, kind in (
            (feature["name"], feature["datatype"])
            for feature in onnx.client.get("/v2/models/flight-delay").json()["inputs"]
        )
    ]
    infers = [r.client.post("/v2/models/flight-delay/infer", json={"inputs": inputs}).json() for r in (onnx, native)]
    labels = [{o["name"]: o for o in infer["outputs"]}["label"] for infer in infers]
    assert labels[0] == labels[1] and set(labels[0]["data"]) == {"early", "ok", "late"}


@pytest.mark.e2e
def test_labels_and_probabilities_are_answered_as_they_are_asked_for(
    serve: Serve, packaged: Packaged, models: Path, table: list[dict[str, Any]]
) -> None:
    rows = split(table[:3])
    infer = "/v2/models/flight-delay/infer"
    metadata_inputs: list[dict[str, Any]] = []
    answers = []
    for replica in (serve(packaged("three-classes")[0]), serve(models / "three-classes")):
        plain, both = replica.invoke(rows).json(), replica.invoke(rows | {"params": {"answer": "both"}}).json()
        assert plain == {"predictions": both["probabilities"], "classes": both["classes"]}  # `predict_proba` in MLmodel
        assert both["classes"] == ["early", "late", "ok"]
        likeliest = [both["classes"][int(np.argmax(row))] for row in both["probabilities"]]
        assert both["predictions"] == likeliest
        assert replica.invoke(rows | {"params": {"answer": "label"}}).json() == {"predictions": likeliest}
        refused = replica.invoke(rows | {"params": {"answer": "odds"}})
        assert (refused.status_code, refused.json()["field"]) == (400, "answer")
        metadata_inputs = replica.client.get("/v2/models/flight-delay").json()["inputs"]
        inputs = [
            {"name": name, "shape": [3], "datatype": kind, "data": [row[name] for row in table[:3]]}
            for name, kind in ((each["name"], each["datatype"]) for each in metadata_inputs)
        ]
        for answer, names in (
            (None, ["label", "probability"]),
            ("label", ["label"]),
            ("probabilities", ["probability"]),
        ):
            request_json = {"inputs": inputs} | ({"parameters": {"answer": answer}} if answer else {})
            assert [o["name"] for o in replica.client.post(infer, json=request_json).json()["outputs"]] == names
        answers.append(likeliest)
    assert answers[0] == answers[1]


def test_bodies_of_another_type_are_refused_and_compressed_ones_taken(
    replica: Replica, table: list[dict[str, Any]]
) -> None:
    body = json.dumps(split(table[:2])).encode()
    expected = replica.invoke(body).json()
    compressed = replica.invoke(gzip.compress(body), headers={"content-encoding": "gzip"})
    assert compressed.json() == expected
    large = json.dumps(split(table * 5)).encode()
    assert len(gzip.compress(large)) > 4096  # expanded in a thread
    assert len(replica.invoke(gzip.compress(large), headers={"content-encoding": "gzip"}).json()["predictions"]) == 2000
    bomb = replica.invoke(gzip.compress(bytes(33 << 20)), headers={"content-encoding": "gzip"})
    assert bomb.status_code == 413
    csv = replica.invoke(b"hour\n5\n", headers={"content-type": "text/csv"})
    assert (csv.status_code, csv.headers["accept"]) == (415, "application/json")
    assert csv.json()["code"] == "serving.content-type"
    infer = replica.client.post(
        "/v2/models/flight-delay/infer", content=b"{}", headers={"content-type": "application/octet-stream"}
    )
    assert infer.status_code == 400  # taken, and not what was expected


def answered(replica: Replica, rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """The outputs as the log has them."""
    replica.invoke(split(rows)).raise_for_status()
    replica.process.terminate()
    replica.process.wait(30)
    [record] = [each for path in segments(replica.log) for each in read_segment(path)]
    return dict(record.outputs)


def test_losses_of_named_classes_are_those_of_the_library(
    serve: Serve, packaged: Packaged, table: list[dict[str, Any]]
) -> None:
    outputs = answered(serve(packaged("three-classes")[0]), table[:60])
    labels = ["early", "late", "ok"] * 20
    context = LossContext().meeting([*labels, *outputs["label"]])
    probability = np.array(outputs["probability"])
    assert np.mean(losses("accuracy", outputs, labels, context)) == np.mean(np.array(outputs["label"]) != labels)
    truth = np.array([[name == label for name in ("early", "late", "ok")] for label in labels], dtype=float)
    brier = ((probability - truth) ** 2).sum(axis=1) / 2
    assert losses("brier", outputs, labels, context) == pytest.approx(brier.tolist())
    chosen = np.maximum((probability * truth).sum(axis=1), 0.01)
    assert losses("log_loss", outputs, labels, context) == pytest.approx((np.log(chosen) / np.log(0.01)).tolist())


def test_errors_of_a_regression_are_shares_of_their_limit(
    serve: Serve, packaged: Packaged, table: list[dict[str, Any]]
) -> None:
    rows = [{"hour": float(row["hour"]), "distance": float(row["distance"])} for row in table[:50]]
    outputs = answered(serve(packaged("poisson")[0]), rows)
    labels = [row["distance"] / 100 for row in rows]
    errors = np.array(labels) - np.ravel(next(iter(outputs.values())))
    context = LossContext(limit=float(np.quantile(np.abs(errors), 0.9)), quantile=0.8)
    share = np.minimum(np.abs(errors) / context.limit, 1)
    assert losses("mae", outputs, labels, context) == pytest.approx(share.tolist())
    assert losses("rmse", outputs, labels, context) == pytest.approx((share**2).tolist())
    sides = np.where(errors > 0, 1.0, 0.25)
    assert losses("pinball", outputs, labels, context) == pytest.approx((share * sides).tolist())


@pytest.mark.e2e
@pytest.mark.parametrize("name", ["poisson", "linear", "tensor"])
def test_other_estimators_serve_alike(serve: Serve, packaged: Packaged, models: Path, name: str) -> None:
    body = {"inputs" if name == "tensor" else "instances": [[5.0, 700.0], [21.0, 80.0]]}
    answers = [serve(folder).invoke(body).json()["predictions"] for folder in (packaged(name)[0], models / name)]
    assert np.allclose(*answers, atol=1e-5) and len(answers[0]) == 2


@pytest.mark.e2e
def test_pyfunc_serves_what_has_no_other_flavor(serve: Serve, models: Path, tmp_path: Path) -> None:
    import shutil

    folder = shutil.copytree(models / "linear", tmp_path / "pyfunc")
    text = (folder / "MLmodel").read_text().replace("\n  sklearn:\n", "\n  something:\n")
    (folder / "MLmodel").write_text(text)
    # MLflow finds the scikit-learn loader by name; without its flavor entry it reads a plain pickle.
    replica, native = serve(folder, wait=False), serve(models / "linear")
    replica.wait_ready()
    body = {"instances": [[5.0, 700.0]]}
    assert replica.client.get("/v2/models/flight-delay").json()["platform"] == "mlflow"
    assert replica.invoke(body).json() == native.invoke(body).json()


def test_ids_and_release_are_echoed_and_made(replica: Replica, table: list[dict[str, Any]]) -> None:
    mine = replica.invoke(split(table[:1]), headers={"x-request-id": "order-17"})
    assert (mine.headers["x-request-id"], mine.headers["falaj-release"]) == ("order-17", "flight-delay@7")
    fresh_ids = [
        replica.invoke(split(table[:1]), headers={"x-request-id": "x" * n}).headers["x-request-id"] for n in (0, 129)
    ]
    assert all(uuid.UUID(one).version == 4 for one in fresh_ids)


def test_a_refusal_is_problem_details_with_row_and_field(replica: Replica, table: list[dict[str, Any]]) -> None:
    rows = [*table[:2], table[2] | {"distance": "far"}]
    refused = replica.invoke(split(rows), headers={"x-request-id": "bad-1"})
    assert refused.status_code == 400
    assert refused.headers["content-type"] == "application/problem+json"
    problem = refused.json()
    assert (problem["status"], problem["row"], problem["field"], problem["request_id"]) == (400, 2, "distance", "bad-1")
    assert problem["type"].endswith("serving.invalid-input") and "str" in problem["detail"]
    assert find_prediction(replica.log, "bad-1") is None


ADDRESSES = [
    ("GET", "/v2", 200),
    ("GET", "/v2/health/live", 200),
    ("GET", "/v2/health/ready", 200),
    ("GET", "/v2/models/flight-delay", 200),
    ("GET", "/v2/models/flight-delay/ready", 200),
    ("GET", "/v2/models/flight-delay/versions/7", 200),
    ("GET", "/v2/models/flight-delay/versions/8", 404),
    ("GET", "/v2/models/other", 404),
    ("GET", "/ping", 200),
    ("GET", "/version", 200),
    ("GET", "/invocations", 405),
    ("POST", "/v2/health/live", 405),
    ("POST", "/v2/models/flight-delay/versions/7/infer", 400),
    ("POST", "/v2/models/other/infer", 404),
    ("GET", "/../../etc/passwd", 404),
]


@pytest.mark.parametrize("depth", [900, 1_100, 50_000])
def test_json_of_any_depth_is_the_callers_mistake(replica: Replica, depth: int) -> None:
    deep = {
        "/invocations": ["dataframe_records", "instances", "inputs", "params", "dataframe_split"],
        "/v2/models/flight-delay/infer": ["inputs", "parameters", "outputs"],
        "/feedback": ["labels"],
    }
    for path, names in deep.items():
        nested = [b'{"%s": %s}' % (name.encode(), b"[" * depth + b"]" * depth) for name in names]
        for content in (*nested, b"[" * depth, b'{"a":' * depth):
            answer = replica.client.post(path, content=content, headers={"content-type": "application/json"})
            assert 400 <= answer.status_code < 500, (path, content[:40], answer.text)
    assert replica.client.get("/v2/health/ready").status_code == 200


def test_odd_lengths_are_the_callers_mistake(replica: Replica) -> None:
    for odd in ("\u00b2", "-1", "9" * 30, ""):
        headers = {b"inference-header-content-length": odd.encode("latin1")}
        answer = replica.client.post("/v2/models/flight-delay/infer", content=b"{}", headers=headers)
        assert answer.status_code == 400


def test_addresses(replica: Replica) -> None:
    statuses = [(m, p, replica.client.request(m, p).status_code) for m, p, _status in ADDRESSES]
    assert statuses == ADDRESSES


def test_a_hundred_megabytes_are_refused_without_being_held(replica: Replica, table: list[dict[str, Any]]) -> None:
    def peak_kb() -> int:
        return int(Path(f"/proc/{replica.process.pid}/status").read_text().partition("VmHWM:")[2].split()[0])

    def pieces() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * (1 << 20)

    before = peak_kb()
    declared = replica.invoke(b" " * (100 << 20))
    assert declared.status_code == 413 and "33554432" in declared.json()["detail"]
    try:
        streamed = replica.client.post("/invocations", content=pieces())
        assert streamed.status_code == 413
    except httpx.WriteError:
        pass  # the server may close the connection before everything is sent
    assert peak_kb() - before < 80_000
    assert replica.invoke(split(table[:1])).status_code == 200


@pytest.mark.parametrize("depth", [100, 1_100, 50_000])
def test_json_however_deep_is_the_callers_mistake(replica: Replica, depth: int) -> None:
    nested = "[" * depth + "]" * depth
    forms = ("dataframe_records", "dataframe_split", "instances", "inputs", "params")
    bodies = [f'{{"{form}": {nested}}}' for form in forms] + ["[" * depth, '{"a":' * depth]
    infer = "/v2/models/flight-delay/infer"
    calls = [("/invocations", body) for body in bodies] + [(infer, f'{{"inputs": {nested}}}'), (infer, "[" * depth)]
    headers = {"content-type": "application/json"}
    statuses = {replica.client.post(path, content=body, headers=headers).status_code for path, body in calls}
    assert statuses == {400}


def test_callers_of_the_gateway_read_no_metrics(replica: Replica) -> None:
    of_gateway = {"falaj-arm": "stable;w=0"}
    for path in ("/metrics", "/%6detrics", "/metrics?x=1"):
        assert replica.client.get(path, headers=of_gateway).status_code == 404
        assert replica.client.get(path).status_code == 200
    assert replica.client.get("/v2", headers=of_gateway).status_code == 200


def test_metrics_count_by_outcome_and_release(replica: Replica, table: list[dict[str, Any]]) -> None:
    for _ in range(3):
        replica.invoke(split(table[:4]))
    replica.invoke(b"{}")
    lines = replica.client.get("/metrics").text.splitlines()
    labels = 'release="flight-delay@7",endpoint="dev/flight-delay"'
    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert values[f'falaj_requests_total{{{labels},outcome="ok"}}'] == "3"
    assert values[f'falaj_requests_total{{{labels},outcome="invalid"}}'] == "1"
    assert values[f"falaj_rows_total{{{labels}}}"] == "12"
    assert values[f"falaj_request_seconds_count{{{labels}}}"] == "3"
    assert values[f'falaj_batch_rows_bucket{{{labels},le="4"}}'] == "3"
    assert values[f"falaj_ready{{{labels}}}"] == "1"


# httpcore leaves a Unix socket that could not connect to the garbage collector, and the replica is gone by design.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_every_answered_request_is_in_the_log_after_kill_9(replica: Replica, table: list[dict[str, Any]]) -> None:
    answered: dict[str, Any] = {}

    def ask(worker: int) -> None:
        transport = httpx.HTTPTransport(uds=str(replica.socket))
        ended = contextlib.suppress(httpx.TransportError, json.JSONDecodeError)
        with httpx.Client(transport=transport, base_url="http://r") as client, ended:
            for number in range(10_000):
                name, row = str(uuid.uuid4()), (worker * 31 + number) % 400
                reply = client.post("/invocations", json=split(table[row : row + 1]), headers={"x-request-id": name})
                answered[name] = (table[row], reply.json()["predictions"])

    with ThreadPoolExecutor(8) as pool:
        for worker in range(8):
            pool.submit(ask, worker)
        until(lambda: len(answered) >= 200)
        replica.process.send_signal(signal.SIGKILL)
    logged = {one.request_id: one for file in segments(replica.log) for one in read_segment(file)}
    assert len(answered) > 50 and answered.keys() <= logged.keys()
    for name, (row, predictions) in answered.items():
        assert logged[name].rows == (tuple(row.values()),)
        assert logged[name].outputs["label"] == predictions
    name = next(reversed(answered))
    assert find_prediction(replica.log, name) == logged[name]


def in_flight(replica: Replica) -> int:
    lines = replica.client.get("/metrics").text.splitlines()
    return int(next(line for line in lines if line.startswith("falaj_in_flight")).rsplit(" ", 1)[1])


def test_sigterm_finishes_what_is_in_flight_and_refuses_nothing(replica: Replica, table: list[dict[str, Any]]) -> None:
    statuses: list[int] = []
    lock = threading.Lock()

    def ask() -> None:
        with httpx.Client(
            transport=httpx.HTTPTransport(uds=str(replica.socket)), base_url="http://r", timeout=HANGS_AFTER_S
        ) as client:
            reply = client.post("/invocations", json=split(table * 3))
            with lock:
                statuses.append(reply.status_code)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    while not statuses and in_flight(replica) == 0:
        time.sleep(0.001)
    replica.process.terminate()
    for thread in threads:
        thread.join(HANGS_AFTER_S)
    assert statuses == [200] * 6
    assert replica.process.wait(HANGS_AFTER_S) == 0, replica.process.stderr and replica.process.stderr.read()


def test_a_left_over_socket_is_replaced_and_a_live_one_is_not(serve: Serve, packaged: Packaged, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as old_socket:
        old_socket.bind(str(tmp_path / "0.sock"))
    replica = serve(packaged("flights")[0])
    assert replica.socket.stat().st_mode & 0o077 == 0
    line = [sys.executable, "-m", "falaj.dataplane.model_server", "--model", str(packaged("flights")[0])]
    options = ["--socket", str(replica.socket), "--name", "a", "--version", "1", "--endpoint", "dev/a"]
    second = subprocess.run([*line, *options], capture_output=True, text=True, timeout=HANGS_AFTER_S, check=False)
    assert second.returncode == 6 and "serving.socket-in-use" in second.stderr
    assert replica.client.get("/v2/health/ready").status_code == 200


@pytest.mark.parametrize("damage", ["no MLmodel", "no signature", "broken graph", "broken record"])
def test_a_model_that_cannot_be_served_ends_the_process_with_a_reason(
    serve: Serve, packaged: Packaged, tmp_path: Path, damage: str
) -> None:
    import shutil

    folder = shutil.copytree(packaged("flights")[0], tmp_path / "model")
    if damage == "no MLmodel":
        (folder / "MLmodel").unlink()
    elif damage == "no signature":
        (folder / "MLmodel").write_text("flavors: {}\n")
    elif damage == "broken graph":
        (folder / "model.onnx").write_bytes(b"not a graph")
    else:
        (folder / "serving.json").write_text("{")
    replica = serve(folder, wait=False)
    assert replica.process.wait(30) == 5, replica.process.stderr and replica.process.stderr.read()
    error_text = replica.process.stderr.read() if replica.process.stderr else ""
    assert error_text.startswith("serving.") and str(folder) in error_text and "Traceback" not in error_text


def test_a_project_environment_without_falaj_serves_through_the_launcher(
    serve: Serve, packaged: Packaged, table: list[dict[str, Any]]
) -> None:
    # -S leaves out site-packages, as in an environment that has nothing of Falaj.
    command = (sys.executable, "-S", "-E", launch.__file__, "--site", sysconfig.get_path("purelib"))
    replica = serve(packaged("flights")[0], command=command)
    assert len(replica.invoke(split(table[:3])).json()["predictions"]) == 3


def test_the_launcher_refuses_packages_of_another_python(tmp_path: Path) -> None:
    other = tmp_path / "python3.2" / "site-packages"
    ended = subprocess.run(
        [sys.executable, launch.__file__, "--site", other], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1 and "same minor version" in ended.stderr
