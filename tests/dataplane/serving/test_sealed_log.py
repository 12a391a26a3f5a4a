"""The encrypted prediction log: the same answers are read from it, by those who have the key alone."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from falaj.dataplane.prediction_log import (
    LogKey,
    LogKeys,
    LogSealedError,
    LogWriter,
    PredictionRecord,
    SegmentHeader,
    find_prediction,
    new_log_key,
    read_segment,
    segments,
)
from falaj.dataplane.prediction_log.format import LogFormatError
from falaj.supply_chain.encryption import DataKey, KeyGoneError

HEADER = SegmentHeader("flight-delay@7", "dev/flight-delay", ("hour", "carrier"), 0)
DATA_KEY = DataKey("ab" * 16, "default", bytes(range(32)))


def find_key(key_id: str) -> DataKey:
    if key_id != DATA_KEY.id:
        raise KeyGoneError("gone", where=key_id)
    return DATA_KEY


KEYS = LogKeys(find_key)


def writer(folder: Path, key: LogKey | None = None, **options: Any) -> LogWriter:
    ticks = iter(range(1, 1000))
    return LogWriter(folder, HEADER, lambda: next(ticks), key=key or new_log_key(DATA_KEY, HEADER.owner), **options)


def answer(request_id: str, hour: int = 5) -> tuple[str, int, Any, dict[str, Any]]:
    return request_id, 1_500_000_000, [(hour, None), (6, "UA")], {"label": [1, 0]}


def read_all(folder: Path) -> list[PredictionRecord]:
    return [record for path in segments(folder) for record in read_segment(path, KEYS)]


@settings(deadline=None, max_examples=30)
@given(batches=st.lists(st.lists(st.uuids().map(str) | st.text(min_size=1, max_size=40), max_size=4), max_size=4))
def test_what_was_answered_is_read_back_in_order(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[str]]
) -> None:
    folder = tmp_path_factory.mktemp("log")
    log = writer(folder)
    for batch in batches:
        log.write([answer(name) for name in batch])
    log.close()
    log_records = read_all(folder)
    assert [record.request_id for record in log_records] == [name for batch in batches for name in batch]
    assert all((record.rows, record.at) == (((5, None), (6, "UA")), 1.5) for record in log_records)


def test_a_prediction_is_found_in_any_segment_of_any_replica(tmp_path: Path) -> None:
    names = [str(uuid.uuid4()), "order-17"]
    for index, name in enumerate(names):
        log = writer(tmp_path / str(index), segment_bytes=900)
        log.write([answer(f"{index}-{other}") for other in range(3)])
        log.write([answer(name, hour=90 + index)])
        for other in range(20):
            log.write([answer(f"{index}-later-{other}")])
        log.close()
    for index, name in enumerate(names):
        prediction_record = find_prediction(tmp_path, name, KEYS)
        assert prediction_record is not None and (prediction_record.request_id, prediction_record.rows[0][0]) == (
            name,
            90 + index,
        )
    assert find_prediction(tmp_path, "absent", KEYS) is None
    assert len(segments(tmp_path)) > 4 and len(read_all(tmp_path)) == 48


def test_a_segment_and_a_batch_that_does_not_fit_are_sealed_where_they_stand(tmp_path: Path) -> None:
    log = writer(tmp_path, segment_bytes=700)
    for number in range(30):
        log.write([answer(f"request-{number}"), answer(f"twin-{number}")])
    log.close()
    assert len(read_all(tmp_path)) == 60


def test_nothing_of_a_request_is_readable_not_even_its_id(tmp_path: Path) -> None:
    log = writer(tmp_path)
    log.write([("customer-784-1990", 1, [("Maryam", 34)], {"label": ["declined"]})])
    log.close()
    data = segments(tmp_path)[0].read_bytes()
    assert not [text for text in (b"customer", b"Maryam", b"declined") if text in data]


def test_a_torn_end_ends_the_segment(tmp_path: Path) -> None:
    log = writer(tmp_path)
    log.write([answer("a"), answer("b")])
    log.close()
    path = segments(tmp_path)[0]
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert [record.request_id for record in read_all(tmp_path)] == ["a"]
    path.write_bytes(whole + bytes(64))  # as a file system may leave it after a loss of power
    assert [record.request_id for record in read_all(tmp_path)] == ["a", "b"]


def test_logs_in_the_clear_and_sealed_ones_are_read_together(tmp_path: Path) -> None:
    old = LogWriter(tmp_path, HEADER, lambda: 1)
    old.write([answer("old")])
    old.close()
    log = LogWriter(tmp_path, HEADER, lambda: 2, key=new_log_key(DATA_KEY, HEADER.owner))
    log.write([answer("new")])
    log.close()
    assert [record.request_id for record in read_all(tmp_path)] == ["old", "new"]
    for name in ("old", "new"):
        assert find_prediction(tmp_path, name, KEYS) is not None


def test_without_keys_a_sealed_log_says_so(tmp_path: Path) -> None:
    log = writer(tmp_path)
    log.write([answer("a")])
    log.close()
    with pytest.raises(LogSealedError) as raised:
        find_prediction(tmp_path, "a")
    assert raised.value.code == "serving.log-sealed"
    with pytest.raises(LogSealedError):
        list(read_segment(segments(tmp_path)[0]))


def test_a_destroyed_key_erases_and_the_search_goes_on(tmp_path: Path) -> None:
    other = DataKey("cd" * 16, "default", bytes(32))
    readable_log = writer(tmp_path)
    readable_log.write([answer("kept")])
    erased = LogWriter(tmp_path, HEADER, lambda: 5000, key=new_log_key(other, HEADER.owner))
    erased.write([answer("erased")])
    for log in (readable_log, erased):
        log.close()
    assert find_prediction(tmp_path, "erased", KEYS) is None
    assert find_prediction(tmp_path, "kept", KEYS) is not None
    with pytest.raises(KeyGoneError):
        list(read_segment(segments(tmp_path)[-1], KEYS))


def test_a_key_travels_as_bytes_and_nothing_else_is_taken_for_one() -> None:
    key = new_log_key(DATA_KEY, HEADER.owner)
    assert LogKey.from_bytes(key.to_bytes()) == key and key.secret.hex() not in repr(key)
    assert new_log_key(DATA_KEY, HEADER.owner).secret != key.secret
    for data in (b"", b"[]", b"{}", b'{"id": "a", "salt": "b", "secret": "zz"}', b'{"id": 1, "salt": 2, "secret": 3}'):
        with pytest.raises(ValueError):
            LogKey.from_bytes(data)


def test_a_damaged_header_is_no_segment(tmp_path: Path) -> None:
    log = writer(tmp_path)
    log.write([answer("a")])
    log.close()
    path = segments(tmp_path)[0]
    path.write_bytes(path.read_bytes().replace(b"flight-delay@7", b"flight-delay@8"))
    with pytest.raises(LogFormatError):
        list(read_segment(path, KEYS))
