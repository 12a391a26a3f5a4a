"""Reading the log as it grows: everything once, whatever happens to those who write it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from falaj.core.errors import UsageError
from falaj.dataplane.prediction_log import (
    LABELS,
    LogKeys,
    LogWriter,
    PredictionRecord,
    SegmentHeader,
    columns_of,
    follow,
    labels_of,
    new_log_key,
    segments,
    tail,
)
from falaj.dataplane.prediction_log.format import encode_header
from falaj.supply_chain.encryption import DataKey, KeyGoneError
from tests.dataplane.serving.log_cases import DATA_KEY, HEADER, KEYS, Replicas, writer


def answer(name: str, hour: int = 5) -> tuple[Any, ...]:
    return name, 1_500_000_000, [(hour, "UA")], {"label": [hour % 2]}, (2, 500, 9, 1500)


def names(records: list[PredictionRecord]) -> list[str]:
    return [record.request_id for record in records]


def saved(position: dict[str, Any]) -> dict[str, Any]:
    """A position as it comes back from a file."""
    position_copy: dict[str, Any] = json.loads(json.dumps(position))
    return position_copy


steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, 2), st.integers(1, 5)),
        st.tuples(st.just("end"), st.integers(0, 2), st.just(0)),
        st.tuples(st.just("read"), st.integers(1, 7), st.just(0)),
    ),
    max_size=40,
)


@settings(deadline=None, max_examples=40)
@given(steps, st.booleans())
def test_every_record_is_read_once_and_in_order_within_its_replica(
    tmp_path_factory: pytest.TempPathFactory, operations: list[tuple[str, int, int]], sealed: bool
) -> None:
    folder = tmp_path_factory.mktemp("log")
    replicas = Replicas(folder, sealed=sealed, segment_bytes=600)
    read: list[str] = []
    position: dict[str, Any] = {}
    for step, number, count in operations:
        if step == "write":
            replicas.write(number, count)
        elif step == "end":
            replicas.end(number)
        elif step == "read":
            new_records, position = tail(folder, saved(position), KEYS, limit=number)
            assert len(new_records) <= number
            read += names(new_records)
    replicas.close()
    while (step_found := tail(folder, saved(position), KEYS, limit=3))[0]:
        read, position = read + names(step_found[0]), step_found[1]
    position = step_found[1]
    replicas.were_read(read)
    assert set(position["segments"].values()) <= {-1}


def test_finished_segments_leave_the_position(tmp_path: Path) -> None:
    log = writer(tmp_path, segment_bytes=600)
    position: dict[str, Any] = {}
    for number in range(300):
        log.write([answer(f"{number}"), answer(f"{number}-twin")])
        if number % 7 == 0:
            _, position = tail(tmp_path, position, KEYS)
    assert len(segments(tmp_path)) == 300
    _, position = tail(tmp_path, position, KEYS)
    assert len(position["segments"]) == 64 and position["before"] == segments(tmp_path)[-64].name
    assert [offset for offset in position["segments"].values() if offset != -1] == [
        segments(tmp_path)[-1].stat().st_size
    ]
    for path in segments(tmp_path)[:-1]:
        path.unlink()
    log.write([answer("after")])
    new_records, position = tail(tmp_path, position, KEYS)
    assert names(new_records) == ["after"] and len(position["segments"]) == 1
    log.close()


def test_a_record_that_is_larger_than_a_window_is_read(tmp_path: Path) -> None:
    log = writer(tmp_path)
    log.write([answer("a"), ("large", 1, [(1, "x" * 3_000_000)], {}), answer("b")])
    log.close()
    assert names(tail(tmp_path, {}, KEYS)[0]) == ["a", "large", "b"]


def test_a_clock_that_is_set_back_hides_nothing(tmp_path: Path) -> None:
    position: dict[str, Any] = {}
    read = []
    for start in (10**18, 5, 10**17):
        for number in range(70):
            log = writer(tmp_path, start=start + number)
            log.write([answer(f"{start}-{number}")])
            log.close()
            new_records, position = tail(tmp_path, position, KEYS)
            read += names(new_records)
    assert len(read) == 210 == len(set(read)) and len(position["segments"]) == 64


KILLED = """
import os, sys
from pathlib import Path
from falaj.dataplane.prediction_log import LogWriter, SegmentHeader
log = LogWriter(Path(sys.argv[1]), SegmentHeader("m@1", "dev/m", ("hour", "carrier"), 0), lambda: 7)
log.write([(f"killed-{n}", 1, [(n, "UA")], {"label": [0]}) for n in range(5)])
os.write(log._fd, bytes(20) + b"torn")
print("written", flush=True)
sys.stdin.read()
"""


@pytest.mark.integration
def test_a_killed_writer_leaves_whole_records_and_its_segment_ends(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", KILLED, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"written\n"
    new_records, position = tail(tmp_path, {})
    assert names(new_records) == [f"killed-{n}" for n in range(5)]
    assert list(position["segments"].values()) != [-1], "it is alive and may write on"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    new_records, position = tail(tmp_path, position)
    assert (new_records, list(position["segments"].values())) == ([], [-1])


def test_what_is_damaged_erased_or_not_to_be_believed_is_passed_over_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def find(key_id: str) -> DataKey:
        if key_id != DATA_KEY.id:
            raise KeyGoneError("gone", where=key_id)
        return DATA_KEY

    gone = DataKey("cd" * 16, "default", bytes(32))
    for name, key in (("damaged", DATA_KEY), ("erased", gone), ("clear", None), ("good", DATA_KEY)):
        log = LogWriter(tmp_path / name, HEADER, lambda: 1, key=new_log_key(key, HEADER.owner) if key else None)
        log.write([answer(f"{name}-0"), answer(f"{name}-1")])
        log.close()
    [damaged] = segments(tmp_path / "damaged")
    data = bytearray(damaged.read_bytes())
    data[-1] ^= 1
    damaged.write_bytes(data)
    (tmp_path / "5.wal").write_bytes(b"something else")
    (tmp_path / "6.wal").write_bytes(encode_header(HEADER)[:-3])
    new_records, position = tail(tmp_path, {}, LogKeys(find, only_sealed=True))
    assert sorted(names(new_records)) == ["damaged-0", "good-0", "good-1"]
    assert set(position["segments"].values()) == {-1}
    warning_lines = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warning_lines) == 4 and all("prediction-log.passed-over" in line for line in warning_lines)


def test_labels_lie_beside_predictions_and_are_not_taken_for_them(tmp_path: Path) -> None:
    log, label_header = writer(tmp_path), SegmentHeader("flight-delay@7", "dev/flight-delay", (), 0, kind=LABELS)
    labels = LogWriter(tmp_path, label_header, lambda: 1, key=new_log_key(DATA_KEY, label_header.owner), synced=True)
    log.write([answer("a")])
    labels.write([("request", 2_000_000_000, [("a", 1, None), ("b", [0, None], 1.5)])])
    assert names(tail(tmp_path, {}, KEYS)[0]) == ["a"]
    [entry], _ = follow(tmp_path, {}, KEYS, kind=LABELS)
    label_rows = [(one.prediction_id, one.label, one.at, one.received_at) for one in labels_of(entry.header, entry.raw)]
    assert label_rows == [("a", 1, 2.0, 2.0), ("b", [0, None], 1.5, 2.0)]
    assert b"request" not in segments(tmp_path, LABELS)[0].read_bytes()
    log.close()
    labels.close()


def test_columns_are_typed_and_know_their_requests(tmp_path: Path) -> None:
    log = writer(tmp_path)
    log.write(
        [
            ("a", 10**9, [(5, "UA"), (None, None)], {"label": [1, 0], "probabilities": [[0.1, 0.9], [1.0, 0.0]]}, None),
            ("b", 2 * 10**9, [(7, "AA")], {"label": [1], "probabilities": [[0.5, 0.5]]}, (2 | 4, 500, 2**64 - 1, 1500)),
        ]
    )
    log.close()
    record_columns = columns_of(tail(tmp_path, {}, KEYS)[0])
    assert (record_columns.release, record_columns.request_ids.tolist(), record_columns.request.tolist()) == (
        HEADER.release,
        ["a", "b"],
        [0, 0, 1],
    )
    assert np.array_equal(record_columns.features["hour"], [5, np.nan, 7], equal_nan=True)
    assert record_columns.features["carrier"].tolist() == ["UA", None, "AA"]
    assert (record_columns.outputs["label"].dtype, record_columns.outputs["label"].tolist()) == (
        np.dtype(np.int64),
        [1, 0, 1],
    )
    assert record_columns.outputs["probabilities"].shape == (3, 2)
    assert np.array_equal(record_columns.weights, [np.nan, 0.05], equal_nan=True)
    assert np.array_equal(record_columns.latencies_s, [np.nan, 0.0015], equal_nan=True)
    assert record_columns.units.tolist() == [0, 2**64 - 1]
    assert [array.tolist() for array in (record_columns.candidate, record_columns.forced, record_columns.shadow)] == [
        [False, True],
        [False, True],
        [False, False],
    ]


def test_columns_of_several_releases_are_refused(tmp_path: Path) -> None:
    writer(tmp_path).write([answer("a")])
    other = LogWriter(tmp_path / "other", SegmentHeader("m@8", "dev/m", ("hour", "carrier"), 0), lambda: 1)
    other.write([answer("b")])
    records = tail(tmp_path, {}, LogKeys(lambda _id: DATA_KEY))[0]
    for several in (records, []):
        with pytest.raises(UsageError):
            columns_of(several)
