"""The prediction log: what was written is found, what was torn is not, and nothing is readable by others."""

from __future__ import annotations

import errno
import os
import stat
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from falaj.dataplane.prediction_log import LogWriter, SegmentHeader, find_prediction, read_segment, segments
from falaj.dataplane.prediction_log.format import (
    LogFormatError,
    decode_header,
    decode_record,
    encode_header,
    encode_record,
    key_of,
)
from falaj.dataplane.prediction_log.writer import LogUnavailableError

HEADER = SegmentHeader("flight-delay@7", "dev/flight-delay", ("hour", "carrier"), 0)


def writer(folder: Path, **options: Any) -> LogWriter:
    ticks = iter(range(1, 1000))
    return LogWriter(folder, HEADER, lambda: next(ticks), **options)


def record(request_id: str, hour: int = 5) -> bytes:
    return encode_record(request_id, 1_500_000_000, [(hour, None), (6, "UA")], {"label": [1, 0]})


ids = st.uuids().map(str) | st.text(min_size=1, max_size=40)
values = st.none() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(max_size=9) | st.booleans()


@given(st.lists(st.tuples(ids, st.lists(st.tuples(values, values), max_size=3)), max_size=5), st.integers(0, 400))
def test_every_whole_record_is_read_back_and_a_torn_one_ends_the_segment(
    written: list[tuple[str, list[tuple[Any, Any]]]], cut: int
) -> None:
    records = [encode_record(name, 7, rows, {"label": [0] * len(rows)}) for name, rows in written]
    whole = encode_header(HEADER) + b"".join(records)
    data = whole[: max(len(encode_header(HEADER)), len(whole) - cut)]
    header, offset = decode_header(data)
    log_records = []
    while (step := decode_record(data, offset, header)) is not None:
        log_records.append(step[0])
        offset = step[1]
    expected = [(name, tuple(rows)) for name, rows in written]
    assert [(one.request_id, one.rows) for one in log_records] == expected[: len(log_records)]
    assert cut > 0 or len(log_records) == len(expected)
    if len(log_records) < len(expected):
        assert offset + len(records[len(log_records)]) > len(data)


@given(st.integers(0, 200), st.integers(1, 255))
def test_a_changed_byte_is_never_read(position: int, change: int) -> None:
    data = bytearray(encode_header(HEADER) + record("a"))
    start = len(encode_header(HEADER))
    at = start + position % (len(data) - start)
    data[at] ^= change
    assert decode_record(bytes(data), start, HEADER) is None


def test_arrays_are_kept_with_their_type() -> None:
    column = np.array([1.5, np.nan], dtype="<f4")
    stored = {"columns": [{"dtype": "<f4", "shape": (2,), "data": column.tobytes()}, ["UA", None]]}
    log_record, _ = decode_record(encode_record("a", 0, stored, {}), 0, HEADER) or (None, 0)
    assert log_record is not None
    assert (
        log_record.rows[0] == (1.5, "UA")
        and log_record.rows[1][0] != log_record.rows[1][0]
        and log_record.rows[1][1] is None
    )


def test_a_prediction_is_found_by_its_id_in_any_segment_and_replica(tmp_path: Path) -> None:
    names = [str(uuid.uuid4()), "order-17", "x" * 128]
    for index, name in enumerate(names):
        log = writer(tmp_path / f"replica-{index}")
        for other in range(50):
            log.append(record(str(uuid.uuid4()), hour=other))
        log.append(record(name, hour=90 + index))
        log.close()
    for index, name in enumerate(names):
        prediction_record = find_prediction(tmp_path, name)
        assert prediction_record is not None
        assert (prediction_record.request_id, prediction_record.rows[0][0], prediction_record.at) == (
            name,
            90 + index,
            1.5,
        )
        assert (prediction_record.header.release, prediction_record.header.features) == (
            "flight-delay@7",
            ("hour", "carrier"),
        )
    assert find_prediction(tmp_path, str(uuid.uuid4())) is None
    assert find_prediction(tmp_path / "absent", names[0]) is None


def test_the_bytes_of_an_id_inside_features_are_not_taken_for_a_record(tmp_path: Path) -> None:
    target_id = str(uuid.uuid4())
    log = writer(tmp_path)
    log.append(record(target_id, hour=1))
    log.append(encode_record("other", 1, [(key_of(target_id), "UA")], {}))
    log.close()
    prediction_record = find_prediction(tmp_path, target_id)
    assert prediction_record is not None and prediction_record.rows[0][0] == 1


def test_an_id_used_twice_gives_its_newest_prediction(tmp_path: Path) -> None:
    log = writer(tmp_path)
    log.append(record("same", hour=1) + record("same", hour=2))
    log.close()
    prediction_record = find_prediction(tmp_path, "same")
    assert prediction_record is not None and prediction_record.rows[0][0] == 2


def test_segments_rotate_by_size_and_lose_nothing(tmp_path: Path) -> None:
    log = writer(tmp_path, segment_bytes=500)
    for number in range(40):
        log.append(record(f"request-{number}"))
    log.close()
    files = segments(tmp_path)
    assert len(files) > 5 and all(file.stat().st_size <= 500 for file in files)
    read = [one.request_id for file in files for one in read_segment(file)]
    assert read == [f"request-{number}" for number in range(40)]


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    os.umask(0o000)
    log = writer(tmp_path / "log")
    log.append(record("a"))
    assert stat.S_IMODE((tmp_path / "log").stat().st_mode) == 0o700
    assert [stat.S_IMODE(file.stat().st_mode) for file in segments(tmp_path)] == [0o600]
    log.close()


def test_a_full_disk_leaves_no_half_record_and_the_next_append_tries_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = writer(tmp_path)
    log.append(record("before"))
    real, room = os.write, [10]

    def filling(fd: int, data: bytes) -> int:
        if room[0] == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = real(fd, data[: room[0]])
        room[0] -= written
        return written

    monkeypatch.setattr(os, "write", filling)
    for _ in range(2):
        with pytest.raises(LogUnavailableError):
            log.append(record("lost"))
    monkeypatch.setattr(os, "write", real)
    log.append(record("after"))
    log.close()
    for name, there in (("before", True), ("lost", False), ("after", True)):
        assert (find_prediction(tmp_path, name) is not None) == there
    assert [one.request_id for one in read_segment(segments(tmp_path)[0])] == ["before"]


def test_a_folder_that_cannot_be_written_is_said_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LogUnavailableError):
        writer(tmp_path / "file" / "log")


def test_a_file_that_is_no_segment_is_refused_when_read_and_passed_over_when_searched(tmp_path: Path) -> None:
    (tmp_path / "1.wal").write_bytes(b"something else")
    (tmp_path / "2.wal").write_bytes(b"")
    (tmp_path / "3.wal").write_bytes(encode_header(HEADER)[:-1] + b"!")
    for name in ("1.wal", "3.wal"):
        with pytest.raises(LogFormatError):
            list(read_segment(tmp_path / name))
    assert list(read_segment(tmp_path / "2.wal")) == []
    assert find_prediction(tmp_path, "a") is None
