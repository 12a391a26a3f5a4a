"""Putting segments into columns beside those who read them, and whatever kills it when."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from falaj.dataplane.prediction_log import (
    LABELS,
    LogKeys,
    Lookup,
    SegmentHeader,
    find_prediction,
    follow,
    read_segment,
    segments,
    tail,
)
from falaj.dataplane.prediction_log.columnar import writing
from falaj.dataplane.prediction_log.compaction import ColumnsError, CompactionOutcome, compact
from falaj.dataplane.prediction_log.export import ExportSelection, export_predictions
from falaj.supply_chain.encryption import DataKey, KeyGoneError
from tests.dataplane.serving.log_cases import (
    DATA_KEY,
    ENDPOINT,
    KEYS,
    STATED,
    Replicas,
    answer,
    compacted,
    files,
    write,
    writer,
)
from tests.dataplane.serving.test_labels import Location


def compact_all(folder: Path) -> None:
    for path in segments(folder):
        compact(path, KEYS, STATED)


def names(folder: Path) -> list[str]:
    return [record.request_id for path in segments(folder) for record in read_segment(path, KEYS)]


# Readers

steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, 1), st.integers(1, 5)),
        st.tuples(st.just("end"), st.integers(0, 1), st.just(0)),
        st.tuples(st.just("read"), st.integers(1, 7), st.just(0)),
        st.tuples(st.just("compact"), st.integers(0, 9), st.just(0)),
    ),
    max_size=40,
)


@settings(deadline=None, max_examples=30)
@given(steps, st.booleans())
def test_a_reader_sees_everything_once_while_segments_are_compacted_under_it(
    tmp_path_factory: pytest.TempPathFactory, operations: list[tuple[str, int, int]], sealed: bool
) -> None:
    folder = tmp_path_factory.mktemp("log")
    replicas = Replicas(folder, sealed=sealed, segment_bytes=900)
    read: list[str] = []
    position: dict[str, Any] = {}
    for step, number, count in operations:
        if step == "write":
            replicas.write(number, count)
        elif step == "end":
            replicas.end(number)
        elif step == "read":
            new_records, position = tail(folder, position, KEYS, limit=number)
            read += [record.request_id for record in new_records]
        elif step == "compact" and (there := segments(folder)):
            compact(there[number % len(there)], KEYS, STATED)
    replicas.close()
    compact_all(folder)
    while (found_and_position := tail(folder, position, KEYS, limit=3))[0]:
        new_records, position = found_and_position
        read += [record.request_id for record in new_records]
    replicas.were_read(read)
    assert set(found_and_position[1]["segments"].values()) <= {-1}


def test_places_in_a_segment_outlive_its_form(tmp_path: Path) -> None:
    path = write(tmp_path, *(answer(f"{n}", rows=((n, "UA"),)) for n in range(200)), sealed=True)
    entries, _ = follow(tmp_path, {}, KEYS)
    lookup = Lookup(tmp_path, KEYS)
    before = [lookup.read(each.segment, each.offset) for each in entries[::7]]
    compacted(path)
    after = [lookup.read(each.segment, each.offset) for each in entries[::7]]
    fresh = Lookup(tmp_path, KEYS)
    again = [fresh.read(each.segment, each.offset) for each in entries[::7]]
    assert [raw and raw[1][0] for raw in before] == [f"{n}" for n in range(0, 200, 7)]
    for raw_records in (after, again):
        assert [raw and (raw[0], raw[1][0], raw[1][3]) for raw in raw_records] == [
            raw and (raw[0], raw[1][0], raw[1][3]) for raw in before
        ]
    for place in (0, entries[0].offset + 1, entries[-1].raw[3], 10**9):
        assert fresh.read(path.name, place) is None
    lookup.close()
    fresh.close()


def test_a_lookup_lets_go_of_a_file_that_was_removed(tmp_path: Path) -> None:
    path = write(tmp_path, answer("a"))
    [entry], _ = follow(tmp_path, {}, KEYS)
    lookup = Lookup(tmp_path, KEYS)
    lookup.read(entry.segment, entry.offset)
    compacted(path)
    assert any(is_deleted(file) for file in open_files())
    lookup.let_go()
    assert not any(is_deleted(file) for file in open_files())
    assert lookup.read(entry.segment, entry.offset) is not None
    lookup.close()


def open_files() -> list[str]:
    return [str(fd.readlink()) for fd in Path("/proc/self/fd").iterdir() if fd.is_symlink()]


def is_deleted(file: str) -> bool:
    return file.endswith(".wal (deleted)")


@pytest.mark.integration
@pytest.mark.parametrize("sealed", [False, True])
def test_labels_meet_predictions_in_columns(tmp_path: Path, sealed: bool) -> None:
    location = Location(tmp_path, sealed=sealed)
    for number in range(30):
        location.predict(f"early-{number}")
    location.join.advance()
    for path in segments(location.log):
        compact(path, KEYS, STATED)
    for number in range(30):
        location.predict(f"late-{number}")
    location.label(*((f"{when}-{number}", number % 2, None) for number in range(30) for when in ("early", "late")))
    location.join.advance()
    joined, _ = location.join.read()
    assert sorted(each.request_id for each in joined) == sorted(
        f"{when}-{number}" for number in range(30) for when in ("early", "late")
    )
    location.close()
    assert {Path(name).suffix for name in files(location.log)} >= {".sealed" if sealed else ".parquet", ".labels"}
    assert len(segments(location.log, LABELS)) == 1


@pytest.mark.parametrize("sealed", [False, True])
def test_an_export_is_the_same_from_either_form(tmp_path: Path, sealed: bool) -> None:
    log = writer(tmp_path / "log", sealed=sealed, segment_bytes=2_000)
    for number in range(40):
        log.write([answer(f"{number}", rows=((number, "UA"), (number / 2, None)))])
    log.close()
    files_of = []
    for out in ("before", "after"):
        export_result = export_predictions(
            tmp_path / "log", KEYS, lambda *_: {}, tmp_path / out, ExportSelection(ENDPOINT, 0, 1e11), {}
        )
        files_of.append([pl.read_parquet(file) for file in export_result.files])
        compact_all(tmp_path / "log")
    assert files_of[0][0].equals(files_of[1][0]) and len(files_of[0][0]) == 80
    assert not list((tmp_path / "log").glob("*.wal"))


# What is not compacted


def test_a_segment_that_is_written_to_is_left_alone(tmp_path: Path) -> None:
    log = writer(tmp_path, segment_bytes=600)
    for number in range(6):
        log.write([answer(f"{number}")])
    outcomes = [compact(path, KEYS, STATED) for path in segments(tmp_path)]
    assert outcomes[-1] is CompactionOutcome.OPEN and set(outcomes[:-1]) == {CompactionOutcome.DONE}
    log.write([answer("last")])
    log.close()
    assert names(tmp_path) == [*map(str, range(6)), "last"]


@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize("tail_of", [b"torn", bytes(64), bytes(70_000)])
def test_a_torn_end_is_left_out(tmp_path: Path, sealed: bool, tail_of: bytes) -> None:
    path = write(tmp_path, answer("a"), answer("b"), answer("torn"), sealed=sealed)
    data = path.read_bytes()
    path.write_bytes(data[:-3] if tail_of == b"torn" else data + tail_of)
    before = list(read_segment(path, KEYS))
    compacted(path)
    assert list(read_segment(path, KEYS)) == before and len(before) == (2 if tail_of == b"torn" else 3)


@pytest.mark.parametrize("sealed", [False, True])
def test_what_is_damaged_in_the_middle_stays_as_it_was_written(tmp_path: Path, sealed: bool) -> None:
    path = write(tmp_path, answer("a"), answer("b"), answer("c"), sealed=sealed)
    entries, _ = follow(tmp_path, {}, KEYS)
    whole = path.read_bytes()
    # In a payload, in a length so that the record seems torn, and in the last payload.
    for at in (entries[1].offset + 40, entries[1].offset + 6, entries[2].offset + 40):
        data = bytearray(whole)
        data[at] ^= 0x40
        path.write_bytes(data)
        assert compact(path, KEYS, STATED) is CompactionOutcome.LEFT
        assert path.read_bytes() == data and files(tmp_path) == [path.name]
        assert at > entries[2].offset or find_prediction(tmp_path, "c", KEYS) is not None
    (tmp_path / "9.wal").write_bytes(b"something else")
    assert compact(tmp_path / "9.wal", KEYS, STATED) is CompactionOutcome.LEFT


def test_what_cannot_be_opened_stays_as_it_was_written(tmp_path: Path) -> None:
    def gone(key_id: str) -> DataKey:
        raise KeyGoneError("gone", where=key_id)

    sealed, clear = write(tmp_path / "sealed", answer("a"), sealed=True), write(tmp_path / "clear", answer("a"))
    for path, keys in (
        (sealed, None),
        (sealed, LogKeys(gone)),
        (sealed, LogKeys(lambda _id: DataKey(DATA_KEY.id, "default", bytes(32)))),
        (clear, LogKeys(gone, only_sealed=True)),
    ):
        assert compact(path, keys, STATED) is CompactionOutcome.LEFT
    assert len(files(tmp_path)) == 2


def test_two_features_of_one_name_stay_as_they_were_written(tmp_path: Path) -> None:
    path = write(tmp_path, answer("a"), header=SegmentHeader("m@1", "dev/m", ("x", "x"), 0))
    assert compact(path, KEYS, STATED) is CompactionOutcome.LEFT and names(tmp_path) == ["a"]


def test_columns_that_give_back_something_else_are_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, *(answer(f"{n}") for n in range(5)))
    right = writing.columns_of

    def wrong(*args: Any) -> dict[str, list[Any]]:
        table = right(*args)
        return table | {"feature_hour": [*table["feature_hour"][:-1], 6]}

    monkeypatch.setattr(writing, "columns_of", wrong)
    with pytest.raises(ColumnsError):
        compact(path, KEYS, STATED)
    assert files(tmp_path) == [path.name]


def test_a_value_that_no_column_holds_ends_in_an_error_of_ours(tmp_path: Path) -> None:
    name, _, *rest = answer("a")
    path = write(tmp_path, (name, 2**63, *rest))
    with pytest.raises(ColumnsError):
        compact(path, KEYS, STATED)
    assert files(tmp_path) == [path.name] and names(tmp_path) == ["a"]


# Kills


class Killed(BaseException):
    """The process ends here."""


@contextmanager
def killed_at(number: int) -> Iterator[list[int]]:
    """Ends what runs before its effect of a number; nothing runs after it, not even what tidies up."""
    patch, count, dead = pytest.MonkeyPatch(), [0], [False]

    def effect(owner: Any, name: str) -> None:
        original = getattr(owner, name)

        def run(*args: Any, **options: Any) -> Any:
            if dead[0] or count[0] == number:
                dead[0] = True
                raise Killed
            count[0] += 1
            return original(*args, **options)

        patch.setattr(owner, name, run)

    for owner, name in ((os, "fsync"), (Path, "rename"), (Path, "unlink"), (os, "fdopen")):
        effect(owner, name)
    try:
        yield count
    except Killed:
        pass
    finally:
        patch.undo()


@pytest.mark.parametrize("sealed", [False, True])
def test_a_kill_between_any_two_effects_loses_and_repeats_nothing(tmp_path: Path, sealed: bool) -> None:
    for number in range(30):
        folder = tmp_path / str(number)
        path = write(folder, *(answer(f"{n}") for n in range(9)), sealed=sealed)
        first, position = tail(folder, {}, KEYS, limit=4)
        with killed_at(number) as effects:
            compact(path, KEYS, STATED)
        assert names(folder) == [f"{n}" for n in range(9)]
        rest, after = tail(folder, position, KEYS)
        assert [record.request_id for record in [*first, *rest]] == names(folder)
        assert tail(folder, after, KEYS)[0] == [] and find_prediction(folder, "3", KEYS) is not None
        assert compact(path, KEYS, STATED) is CompactionOutcome.DONE
        assert files(folder) == [path.with_suffix(".sealed" if sealed else ".parquet").name]
        assert names(folder) == [f"{n}" for n in range(9)]
        if effects[0] < number:
            break
    assert number > 5


def test_what_is_told_to_stop_stops_and_begins_anew(tmp_path: Path) -> None:
    path = write(tmp_path, *(answer(f"{n}") for n in range(2_500)))

    for stop_at in range(4):
        calls = [0]

        def pause(stop_at: int = stop_at, calls: list[int] = calls) -> None:
            calls[0] += 1
            if calls[0] > stop_at:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            compact(path, KEYS, STATED, pause)
        assert files(tmp_path) == [path.name]
    compacted(path)
