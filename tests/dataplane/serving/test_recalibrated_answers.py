"""Answers that are moved by a location's file: what is moved, what is logged, and what a damaged file does."""

from __future__ import annotations

import contextlib
import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from falaj.build.packaging import PackagingResult
from falaj.dataplane.model_server.recalibration import Offset, ServedRecalibration
from falaj.dataplane.prediction_log import find_prediction, read_segment, segments
from falaj.dataplane.prediction_log.format import AppliedOffset
from falaj.statistics.recalibration import AnswerKind, DayRecord, RecalibrationState, moved
from falaj.statistics.recalibration.document import (
    RecalibrationDocument,
    RecalibrationFileError,
    file_name,
    open_document,
    seal_document,
)

from .conftest import Replica

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
OTHER = Ed25519PrivateKey.from_private_bytes(b"o" * 32)
PUBLIC = KEY.public_key().public_bytes_raw()
ENDPOINT, RELEASE = "dev/flight-delay", "flight-delay@7"
Packaged = Callable[[str], tuple[Path, PackagingResult]]


def document(**values: Any) -> RecalibrationDocument:
    defaults = {
        "location": "local", "endpoint": ENDPOINT, "release": RELEASE, "version": 3, "kind": AnswerKind.BINARY,
        "offset": 0.5, "threshold": 0.5, "bound": 1.5, "fitted_at": time.time(), "expires_at": time.time() + 86_400,
        "state": RecalibrationState(7, days=(DayRecord(1, 0.5, 0.25, 0.4, 3.0, 9),)),
    }  # fmt: skip
    return RecalibrationDocument(**defaults | values)


def write(path: Path, offset_document: RecalibrationDocument, key: Ed25519PrivateKey = KEY) -> None:
    path.parent.mkdir(exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_bytes(seal_document(offset_document, key.sign, "key"))
    fresh.replace(path)


def offset(by: float, kind: AnswerKind = AnswerKind.BINARY, threshold: float = 0.5) -> Offset:
    return Offset(AppliedOffset(1, by), kind, threshold, 1e12)


# The document


def test_a_document_is_read_back_as_it_was_written():
    offset_document = document()
    assert open_document(seal_document(offset_document, KEY.sign, "key"), PUBLIC) == offset_document


@given(st.data())
def test_no_changed_byte_is_believed(data: st.DataObject):
    sealed = bytearray(seal_document(document(fitted_at=1.0, expires_at=2.0), KEY.sign, ""))
    place = data.draw(st.integers(0, len(sealed) - 1))
    sealed[place] ^= 1 << data.draw(st.integers(0, 7))
    with contextlib.suppress(RecalibrationFileError):
        assert open_document(bytes(sealed), PUBLIC) == document(fitted_at=1.0, expires_at=2.0)  # the key's name


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"payload": "!", "signatures": []}', b"\xff\xfe"])
def test_what_is_no_envelope_is_refused(data: bytes):
    with pytest.raises(RecalibrationFileError):
        open_document(data, PUBLIC)


def test_another_key_and_an_offset_beyond_its_bound_are_refused():
    with pytest.raises(RecalibrationFileError, match="not signed"):
        open_document(seal_document(document(), OTHER.sign, "key"), PUBLIC)
    with pytest.raises(RecalibrationFileError, match="none may say"):
        open_document(seal_document(document(offset=1.6), KEY.sign, "key"), PUBLIC)
    with pytest.raises(RecalibrationFileError):
        open_document(seal_document(document(offset=float("nan")), KEY.sign, "key"), PUBLIC)


# What is moved


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.floats(-1.5, 1.5), st.floats(0.1, 0.9))
def test_probabilities_are_moved_and_labels_follow_the_threshold(scores: list[float], by: float, threshold: float):
    score = np.array(scores)
    outputs = {"label": (score >= threshold).astype(np.int64), "probability": np.stack([1 - score, score], axis=1)}
    moved_outputs = offset(by, threshold=threshold).move(outputs)
    assert moved_outputs is not None
    second = moved_outputs["probability"][:, 1]
    assert np.allclose(second, moved(AnswerKind.BINARY, score, by))
    assert np.allclose(moved_outputs["probability"].sum(axis=1), 1)
    assert np.array_equal(moved_outputs["label"], (second >= threshold).astype(np.int64))
    assert moved_outputs["label"].dtype == np.int64


def test_a_model_that_decides_otherwise_keeps_its_labels_where_the_threshold_is_not_crossed():
    score = np.array([0.2, 0.4, 0.6])
    outputs = {"label": np.array([0, 1, 1]), "probability": np.stack([1 - score, score], axis=1)}
    moved_outputs = offset(0.1).move(outputs)
    assert moved_outputs is not None
    assert moved_outputs["label"].tolist() == [0, 1, 1]


def test_the_answer_keeps_its_type():
    score = np.array([0.3], dtype=np.float32)
    outputs = {"label": np.array([0], dtype=np.int64), "probability": np.stack([1 - score, score], axis=1)}
    moved_outputs = offset(1.4).move(outputs)
    assert moved_outputs is not None
    assert moved_outputs["probability"].dtype == np.float32
    assert moved_outputs["label"].tolist() == [1]


NOT_MOVED = [
    {"label": np.array(["late"], dtype=object), "probability": np.array([[0.2, 0.8]])},
    {"label": np.array([1]), "probability": np.array([[0.2, 0.5, 0.3]])},
    {"label": np.array([1])},
    {"prediction": np.array([0.5])},
]


@pytest.mark.parametrize("outputs", NOT_MOVED)
def test_what_is_no_binary_probability_is_not_moved(outputs: dict[str, Any]):
    assert offset(0.5).move(outputs) is None


def test_numbers_are_moved_by_the_offset():
    moved_outputs = offset(-2.0, AnswerKind.REGRESSION).move({"prediction": np.array([1.0, 5.0], dtype=np.float32)})
    assert moved_outputs is not None
    assert moved_outputs["prediction"].tolist() == [-1.0, 3.0]
    assert offset(1.0, AnswerKind.REGRESSION).move({"label": np.array([1])}) is None
    assert offset(1.0, AnswerKind.REGRESSION).move(NOT_MOVED[0]) is None


# The file


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def watcher(path: Path, clock: Clock) -> ServedRecalibration:
    return ServedRecalibration(path, PUBLIC, ENDPOINT, RELEASE, clock)


def test_a_file_is_seen_when_it_comes_is_replaced_is_damaged_and_goes(tmp_path: Path, capsys):
    path, clock = tmp_path / file_name(ENDPOINT, RELEASE), Clock()
    offset_watcher = watcher(path, clock)
    offset_watcher.look()
    assert offset_watcher.current is None
    write(path, document(expires_at=clock.now + 10))
    offset_watcher.look()
    assert offset_watcher.current is not None and offset_watcher.current.applied == AppliedOffset(3, 0.5)
    write(path, document(version=4, offset=-0.25, expires_at=clock.now + 10))
    offset_watcher.look()
    assert offset_watcher.current.applied == AppliedOffset(4, -0.25)
    path.write_bytes(path.read_bytes()[:-40])
    offset_watcher.look()
    assert offset_watcher.current is None and "damaged" in offset_watcher.problem
    assert "answers are bare" in capsys.readouterr().err
    path.unlink()
    offset_watcher.look()
    assert offset_watcher.current is None


def test_an_offset_grows_too_old_by_the_clock_and_holds_again_when_the_clock_is_right(tmp_path: Path):
    path, clock = tmp_path / "f.json", Clock()
    write(path, document(expires_at=clock.now + 10))
    offset_watcher = watcher(path, clock)
    for ahead, holds in ((0, True), (1e9, False), (0, True), (-1e6, True), (10, False)):
        clock.now = 1_000_000.0 + ahead
        offset_watcher.look()
        assert (offset_watcher.current is not None) is holds


@pytest.mark.parametrize(
    "wrong", [{"release": "flight-delay@8"}, {"endpoint": "prod/flight-delay"}, {"reason": "off"}, {"offset": 0.0}]
)
def test_a_file_of_another_release_or_that_moves_nothing_leaves_answers_bare(tmp_path: Path, wrong: dict[str, Any]):
    path = tmp_path / "f.json"
    write(path, document(**wrong))
    offset_watcher = watcher(path, Clock())
    offset_watcher.look()
    assert offset_watcher.current is None


# The real model server


def options(path: Path) -> tuple[str, ...]:
    path.parent.mkdir(exist_ok=True)
    return ("--recalibration", str(path), "--recalibration-key", PUBLIC.hex())


ROW = {
    "hour": 17, "weekday": 2, "carrier": "UA", "origin": "EWR", "dest": "D01", "distance": 1400, "temp": 40.0,
    "humid": 60.0, "wind_speed": 9.0, "precip": 0.0, "pressure": 1017.0, "visib": 10.0,
}  # fmt: skip


def infer(replica: Replica, rows: int = 1, **headers: str) -> tuple[str, list[float], list[int]]:
    """Prediction id, probabilities of the second class, and labels."""
    inputs = [
        {"name": name, "shape": [rows], "datatype": _datatype(value), "data": [value] * rows}
        for name, value in ROW.items()
    ]
    answer = replica.client.post("/v2/models/flight-delay/infer", json={"inputs": inputs}, headers=headers)
    assert answer.status_code == 200, answer.text
    outputs = {each["name"]: each["data"] for each in answer.json()["outputs"]}
    return answer.headers["x-request-id"], outputs["probability"][1::2], outputs["label"]


def _datatype(value: Any) -> str:
    return {int: "INT64", float: "FP64", str: "BYTES"}[type(value)]


def until(replica: Replica, version: int, about: str = f'release="{RELEASE}",endpoint="{ENDPOINT}"') -> None:
    deadline = time.monotonic() + 60
    while f"falaj_recalibration_version{{{about}}} {version}\n" not in (text := replica.client.get("/metrics").text):
        assert time.monotonic() < deadline, text
        time.sleep(0.05)


@pytest.mark.e2e
def test_a_replica_moves_its_answers_logs_both_and_needs_no_restart(packaged: Packaged, serve: Any, tmp_path: Path):
    model, result = packaged("flights")
    assert result.flavor == "onnx"
    path = tmp_path / "recalibration" / file_name(ENDPOINT, RELEASE)
    replica = serve(model, *options(path))
    bare_id, (bare,), _ = infer(replica)
    write(path, document(offset=1.2))
    until(replica, 3)
    moved_id, answered, labels = infer(replica, rows=2)
    expected = float(moved(AnswerKind.BINARY, np.array([bare]), 1.2)[0])
    assert answered == pytest.approx([expected] * 2, abs=1e-6)
    assert labels == [int(expected >= 0.5)] * 2

    first, second = (find_prediction(replica.log, each) for each in (bare_id, moved_id))
    assert first is not None and second is not None
    assert first.recalibration is None and first.bare_outputs == first.outputs
    assert second.recalibration == AppliedOffset(3, 1.2)
    assert [row[1] for row in second.outputs["probability"]] == answered
    assert [row[1] for row in second.bare_outputs["probability"]] == [bare] * 2
    assert set(second.outputs) == {"label", "probability"}


@pytest.mark.e2e
def test_a_killed_replica_begins_with_what_the_file_says(packaged: Packaged, serve: Any, tmp_path: Path):
    path = tmp_path / "recalibration" / file_name(ENDPOINT, RELEASE)
    write(path, document(offset=-1.0))
    replica = serve(packaged("flights")[0], *options(path))
    before = infer(replica)[1]
    replica.process.send_signal(signal.SIGKILL)
    replica.process.wait()
    again = serve(packaged("flights")[0], *options(path))
    assert infer(again)[1] == before
    log_records = [record for segment in segments(again.log) for record in read_segment(segment)]
    assert [record.recalibration for record in log_records] == [AppliedOffset(3, -1.0)] * 2


@pytest.mark.e2e
def test_a_damaged_file_is_said_and_answers_are_bare(packaged: Packaged, serve: Any, tmp_path: Path):
    path = tmp_path / "recalibration" / file_name(ENDPOINT, RELEASE)
    write(path, document(), OTHER)
    replica = serve(packaged("flights")[0], *options(path))
    assert 'falaj_recalibration_believed{release="flight-delay@7",endpoint="dev/flight-delay"} 0\n' in (
        replica.client.get("/metrics").text
    )
    bare = infer(replica)[1]
    write(path, document(offset=1.0))
    until(replica, 3)
    assert infer(replica)[1] != bare
    half = path.with_suffix(".new")
    half.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    half.replace(path)
    until(replica, 0)
    assert infer(replica)[1] == bare


@pytest.mark.e2e
def test_a_batch_is_of_one_version_while_files_are_replaced(packaged: Packaged, serve: Any, tmp_path: Path):
    path = tmp_path / "recalibration" / file_name(ENDPOINT, RELEASE)
    write(path, document(version=1, offset=0.1))
    replica = serve(packaged("flights")[0], *options(path))
    bare = None
    for version in range(2, 5):
        write(path, document(version=version, offset=version / 10))
        while True:
            request, answered, _ = infer(replica, rows=50)
            record = find_prediction(replica.log, request)
            assert record is not None and record.recalibration is not None
            assert len(set(answered)) == 1
            bare_value = record.bare_outputs["probability"][0][1]
            assert bare in (None, bare_value)
            bare = bare_value
            expected = moved(AnswerKind.BINARY, np.array([bare_value]), record.recalibration.offset)[0]
            assert answered[0] == pytest.approx(expected, abs=1e-6)
            if record.recalibration.version == version:
                break


@pytest.mark.e2e
def test_labels_are_kept_with_the_pseudonym_of_their_caller_and_taken_from_nobody_else(packaged: Packaged, serve: Any):
    from falaj.dataplane.prediction_log import LABELS, follow, labels_of

    replica = serve(packaged("flights")[0])
    body = json.dumps({"labels": [{"prediction_id": "a", "label": 1}]})

    def status(**headers: str) -> int:
        request_headers = {"content-type": "application/json", **headers}
        return replica.client.post("/feedback", content=body, headers=request_headers).status_code

    assert status(**{"falaj-caller": "c-ana"}) == status(**{"falaj-caller": "spiffe://d/caller/c-bo"}) == 202
    assert status() == status(authorization="Bearer secret") == 401
    entries, _ = follow(replica.log, {}, kind=LABELS)
    senders = [label.sender for entry in entries for label in labels_of(entry.header, entry.raw)]
    assert senders == ["c-ana", "c-bo"]


@pytest.mark.e2e
def test_what_an_agent_fits_to_real_labels_moves_the_answers_of_a_running_replica(
    packaged: Packaged, serve: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Labels in a real log, joined, fitted and signed by the agent's own code; read by a real model server."""
    from falaj.dataplane.agent.recalibration.recalibration_thread import raw_public_key
    from tests.dataplane.recalibration import scene as location

    monkeypatch.setattr(location, "FIRST", int(time.time() // 86_400) - 5)
    scene = location.Scene(tmp_path / "location", now=time.time() - 5 * 86_400)
    watch = scene.open()
    path = scene.documents / file_name(location.ENDPOINT, "delay@3")
    path.parent.mkdir(parents=True)
    named = ("--name", "delay", "--version", "3", "--endpoint", location.ENDPOINT)
    key = raw_public_key(scene.signer).hex()
    replica = serve(packaged("flights")[0], *named, "--recalibration", str(path), "--recalibration-key", key)
    bare = _ask(replica)
    for day in range(1, 6):
        scene.day(day - 1, 1.0)
        scene.morning(day, watch)
    watch.close()
    document = scene.document()
    assert document.offset > 0.2
    until(replica, document.version, about=f'release="delay@3",endpoint="{location.ENDPOINT}"')
    assert _ask(replica) == pytest.approx(moved(AnswerKind.BINARY, np.array([bare]), document.offset)[0], abs=1e-6)


def _ask(replica: Replica) -> float:
    answer = replica.client.post("/v2/models/delay/infer", json={
        "inputs": [{"name": n, "shape": [1], "datatype": _datatype(v), "data": [v]} for n, v in ROW.items()]
    })  # fmt: skip
    assert answer.status_code == 200, answer.text
    return float(next(each["data"][1] for each in answer.json()["outputs"] if each["name"] == "probability"))
