"""Segments go when their newest record is too old, and not before."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from falaj.dataplane.prediction_log import LABELS, LogKeys, LogWriter, SegmentHeader, new_log_key, segments
from falaj.dataplane.prediction_log.retention import remove_older
from falaj.supply_chain.encryption import DataKey, KeyGoneError
from tests.dataplane.serving.log_cases import DATA_KEY, ENDPOINT, HEADER, KEYS, compacted, files

SECOND = 10**9


def at(second: int) -> tuple[object, ...]:
    return f"{second}", second * SECOND, [(1, "UA")], {"label": [1]}, None


def segment(folder: Path, *seconds: int, sealed: bool = True, kind: str = "predictions") -> Path:
    header = HEADER if kind == "predictions" else SegmentHeader("m@1", ENDPOINT, (), 0, kind=LABELS)
    log = LogWriter(
        folder, header, lambda: seconds[0] * SECOND, key=new_log_key(DATA_KEY, header.owner) if sealed else None
    )
    for second in seconds:
        log.write([at(second)] if kind == "predictions" else [(f"{second}", second * SECOND, [("a", 1, None)])])
    log.close()
    return segments(folder, kind)[-1]


@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize("columns", [False, True])
def test_the_newest_record_decides(tmp_path: Path, sealed: bool, columns: bool) -> None:
    paths = [segment(tmp_path, 10, 20, sealed=sealed), segment(tmp_path, 15, 40, sealed=sealed)]
    if columns:
        for path in paths:
            compacted(path)
    there = files(tmp_path)
    assert remove_older(tmp_path, 20 * SECOND, KEYS) == [] and files(tmp_path) == there
    assert remove_older(tmp_path, 21 * SECOND, KEYS) == [paths[0]] and files(tmp_path) == there[1:]
    assert remove_older(tmp_path, 41 * SECOND, KEYS) == [paths[1]] and files(tmp_path) == []


def test_records_need_no_key_to_be_too_old(tmp_path: Path) -> None:
    path = segment(tmp_path, 10)
    assert remove_older(tmp_path, 11 * SECOND) == [path]


def test_labels_go_with_the_predictions(tmp_path: Path) -> None:
    segment(tmp_path, 10)
    label_segment = segment(tmp_path, 12, 30, kind=LABELS)
    assert len(remove_older(tmp_path, 20 * SECOND, KEYS)) == 1 and files(tmp_path) == [label_segment.name]
    assert remove_older(tmp_path, 31 * SECOND, KEYS) == [label_segment]


def test_a_segment_that_is_written_to_stays(tmp_path: Path) -> None:
    log = LogWriter(tmp_path, HEADER, lambda: 1)
    log.write([at(10)])
    assert remove_older(tmp_path, 100 * SECOND, KEYS) == []
    log.write([at(99)])
    log.close()
    assert len(remove_older(tmp_path, 100 * SECOND, KEYS)) == 1


def test_a_torn_end_says_nothing_of_time(tmp_path: Path) -> None:
    path = segment(tmp_path, 10, 10_000_000_000)
    path.write_bytes(path.read_bytes()[:-3])
    assert remove_older(tmp_path, 11 * SECOND, KEYS) == [path]


@pytest.mark.parametrize("form", ["erased", "damaged", "header"])
def test_of_what_cannot_be_read_the_last_write_decides(tmp_path: Path, form: str) -> None:
    def gone(key_id: str) -> DataKey:
        raise KeyGoneError("gone", where=key_id)

    path = segment(tmp_path, 10)
    if form == "header":
        path.write_bytes(b"")
    else:
        compacted(path)
    [file] = tmp_path.iterdir()
    if form == "damaged":
        file.write_bytes(file.read_bytes()[:-1])
    keys = LogKeys(gone) if form == "erased" else KEYS
    os.utime(file, ns=(50 * SECOND, 50 * SECOND))
    assert remove_older(tmp_path, 50 * SECOND, keys) == []
    assert remove_older(tmp_path, 51 * SECOND, keys) == [path]


def test_a_clock_that_was_ahead_keeps_nothing_for_ever(tmp_path: Path) -> None:
    path = segment(tmp_path, 10, 10_000_000_000)
    os.utime(path, ns=(20 * SECOND, 20 * SECOND))
    assert remove_older(tmp_path, 21 * SECOND, KEYS) == [path]
