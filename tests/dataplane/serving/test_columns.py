"""Segments in columns: what is read from them is what was written, type by type, and others read the same files."""

from __future__ import annotations

import math
import stat
import struct
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from falaj.dataplane.prediction_log import (
    LogKeys,
    LogSealedError,
    PredictionRecord,
    SegmentHeader,
    find_prediction,
    follow,
    read_segment,
    segments,
    tail,
)
from falaj.dataplane.prediction_log.columnar.kinds import ColumnKind, KindSurvey
from falaj.dataplane.prediction_log.format import AppliedOffset, LogFormatError
from falaj.supply_chain.encryption import DataKey, KeyGoneError
from falaj.supply_chain.encryption.errors import DamagedCiphertextError
from tests.dataplane.serving.log_cases import AT_NS, DATA_KEY, ENDPOINT, KEYS, answer, compacted, files, find_key, write

encode = msgspec.msgpack.Encoder().encode


def exactly(records: list[PredictionRecord]) -> list[bytes]:
    """Records as bytes, which differ where types do and are the same for the same NaN."""
    return [
        encode((r.request_id, r.at, r.header, r.rows, r.outputs, r.routing, r.recalibration, r.bare)) for r in records
    ]


def same_after_compaction(path: Path) -> list[PredictionRecord]:
    before = list(read_segment(path, KEYS))
    entries = [(each.segment, each.offset, each.raw[3]) for each in follow(path.parent, {}, KEYS)[0]]
    compacted(path)
    assert segments(path.parent) == [path], "a segment keeps its name"
    after = list(read_segment(path, KEYS))
    assert exactly(after) == exactly(before)
    assert [(each.segment, each.offset, each.raw[3]) for each in follow(path.parent, {}, KEYS)[0]] == entries
    return after


@pytest.mark.parametrize("sealed", [False, True])
def test_every_kind_of_value_comes_back_as_it_was(tmp_path: Path, sealed: bool) -> None:
    header = SegmentHeader("m@1", ENDPOINT, ("either", "text", "odd", "flag", "list", "nothing"), 0)
    rows: list[tuple[Any, ...]] = [
        (1, "UA", {"a": b"bytes"}, True, [1.5, math.nan], None),
        (1.0, None, [1, None, "x"], None, None, None),
        (math.nan, "", 2**64 - 1, False, [], None),
        (-0.0, "é\x00", math.inf, True, [0.1], None),
        (None, "سلام", None, True, [-math.inf], None),
    ]
    outputs = {"label": [1, 0, -(2**63), None, 2**63 - 1], "p": [[[0.5]], [0.25, 1], [], None, "?"]}
    path = write(
        tmp_path,
        ("0190f3a2-7b1c-7d4e-8f5a-6b7c8d9e0f1a", AT_NS, rows, outputs, (1, None, 2**64 - 1, None)),
        ("no-uuid ✓", AT_NS + 1, rows[:1], {"label": [1], "p": [[[0.1]]]}, None),
        ("whole", AT_NS + 2, rows[1:2], {"label": [7], "p": [None]}, (0, 0, 0, 0)),
        header=header,
        sealed=sealed,
    )
    log_records = same_after_compaction(path)
    assert len(log_records) == 3 and log_records[1].request_id == "no-uuid ✓"


def test_records_that_fit_no_table_are_kept_whole(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        answer("plain"),
        answer("no-rows", rows=()),
        answer("short", rows=((1,),)),
        answer("other-outputs", outputs={"other": [2]}),
        answer("two-outputs", outputs={"label": [1, 2]}),
        answer("no-outputs", outputs={}),
        answer("odd-facts", facts=(1, 2, 3, 1.5)),
        answer("many", rows=[(n, "AA") for n in range(5)]),
        ("old", AT_NS, [(1, "UA")], {"label": [1]}),
    )
    log_records = same_after_compaction(path)
    assert [len(record.rows) for record in log_records] == [1, 0, 1, 1, 1, 1, 1, 5, 1]
    table = pl.read_parquet(path.with_suffix(".parquet"))
    whole_ids = table.filter(pl.col("rest").is_not_null())["prediction_id"].to_list()
    assert whole_ids == ["short", "other-outputs", "two-outputs", "no-outputs", "odd-facts"]


def test_answers_that_were_recalibrated_come_back_with_what_the_model_gave(tmp_path: Path) -> None:
    outputs = {"label": [1], "bare_label": [0], "p": [[0.4, 0.6]], "bare_p": [[0.6, 0.4]]}
    path = write(
        tmp_path,
        answer("moved", outputs=outputs, applied=(1_796_446_800, -0.25)),
        answer("no-facts", outputs=outputs, facts=None, applied=(2, 0.5)),
        answer("odd", outputs=outputs, applied=(2, 1)),
        answer("bare", outputs={"label": [1], "p": [[0.4, 0.6]]}),
    )
    moved, no_facts, odd, bare = same_after_compaction(path)
    assert moved.recalibration == AppliedOffset(1_796_446_800, -0.25)
    assert (moved.outputs, moved.bare_outputs) == (
        {"label": [1], "p": [[0.4, 0.6]]}, {"label": [0], "p": [[0.6, 0.4]]},
    )  # fmt: skip
    assert no_facts.recalibration == AppliedOffset(2, 0.5) and odd.recalibration == AppliedOffset(2, 1)
    assert bare.recalibration is None and bare.bare_outputs is bare.outputs
    table = pl.read_parquet(path.with_suffix(".parquet")).row(0, named=True)
    assert (table["recalibration_version"], table["recalibration_offset"]) == (1_796_446_800, -0.25)
    assert (table["output_p"], table["output_bare_p"]) == ([0.4, 0.6], [0.6, 0.4])


def test_features_that_were_stored_as_arrays_come_back(tmp_path: Path) -> None:
    hours = np.array([1.5, np.nan], dtype=np.float32)
    column = {"dtype": hours.dtype.str, "shape": hours.shape, "data": hours.tobytes()}
    path = write(tmp_path, answer("a", rows={"columns": [column, ["UA", None]]}, outputs={"label": [1, 2]}))
    [log_record] = same_after_compaction(path)
    assert log_record.rows[0] == (1.5, "UA") and math.isnan(log_record.rows[1][0])


values = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=3)
nested = st.recursive(values | st.binary(max_size=3), lambda inner: st.lists(inner, max_size=3), max_leaves=5)
columns = st.sampled_from([values, nested, st.integers(-5, 5), st.floats(), st.integers(-5, 5) | st.floats(0, 1)])


@settings(deadline=None, max_examples=60)
@given(st.data(), st.booleans())
def test_any_log_comes_back(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, sealed: bool) -> None:
    feature, output = data.draw(columns), data.draw(columns)
    answers = []
    for name in data.draw(st.lists(st.uuids().map(str) | st.text(min_size=1, max_size=20), max_size=6)):
        rows = data.draw(st.lists(st.tuples(feature, st.text(max_size=2)), max_size=3))
        answers.append(answer(name, rows, {"y": data.draw(st.lists(output, min_size=len(rows), max_size=len(rows)))}))
    same_after_compaction(write(tmp_path_factory.mktemp("log"), *answers, sealed=sealed))


def test_a_segment_without_records(tmp_path: Path) -> None:
    path = write(tmp_path)
    assert same_after_compaction(path) == []
    assert find_prediction(tmp_path, "a", KEYS) is None
    assert tail(tmp_path, {}, KEYS)[1]["segments"] == {path.name: -1}


def test_a_prediction_is_found_and_an_answer_goes_before_a_shadow(tmp_path: Path) -> None:
    many = [answer(f"{n}", rows=((n, "UA"),)) for n in range(9_000)]
    shadow = answer("7", rows=((-1, "UA"),), facts=(8, None, None, 1))
    path = write(tmp_path, *many, shadow)
    write(tmp_path, answer("later"), now=2)
    compacted(path)
    assert pq.ParquetFile(path.with_suffix(".parquet")).num_row_groups == 2
    for name in ("0", "7", "8191", "8192", "8999"):
        prediction_record = find_prediction(tmp_path, name, KEYS)
        assert prediction_record is not None and prediction_record.rows == ((int(name), "UA"),)
    assert find_prediction(tmp_path, "later") is not None and find_prediction(tmp_path, "absent") is None


def test_others_read_a_file_in_the_clear(tmp_path: Path) -> None:
    facts = (2, 500, 255, 1500)
    path = write(tmp_path, answer("a", [(5, "UA"), (6.5, None)], {"label": [1, 0], "p": [[0.5, 0.5], None]}, facts))
    compacted(path)
    file = path.with_suffix(".parquet")
    table = pl.read_parquet(file)
    assert table["prediction_id"].to_list() == ["a", "a"] and table["row"].to_list() == [0, 1]
    assert table["feature_hour"].to_list() == [5.0, 6.5] and table["whole_feature_hour"].to_list() == [True, False]
    assert table["feature_carrier"].to_list() == ["UA", None] and table["output_p"].to_list() == [[0.5, 0.5], None]
    assert table["predicted_at"].dt.epoch("ns").to_list() == [AT_NS, AT_NS]
    first = table.row(0, named=True)
    assert [first[n] for n in ("arm", "flags", "weight_e4", "unit", "latency_us")] == ["candidate", 2, 500, 255, 1500]
    assert (first["endpoint"], first["release"]) == (ENDPOINT, "flight-delay@7")
    file_metadata = pq.read_schema(file).metadata
    assert [file_metadata[f"falaj.{n}".encode()] for n in ("residency", "endpoint", "release", "location")] == [
        b"AE", ENDPOINT.encode(), b"flight-delay@7", b"dubai",
    ]  # fmt: skip
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and files(tmp_path) == [file.name]


def test_duckdb_reads_a_file_in_the_clear(tmp_path: Path) -> None:
    import duckdb

    path = write(tmp_path, answer("a", [(5, "UA"), (6.5, None)]))
    compacted(path)
    query = f"SELECT prediction_id, feature_hour, feature_carrier FROM '{tmp_path}/*.parquet' ORDER BY row"
    assert duckdb.sql(query).fetchall() == [("a", 5.0, "UA"), ("a", 6.5, None)]


def test_nothing_of_an_encrypted_segment_is_readable(tmp_path: Path) -> None:
    path = write(tmp_path, answer("customer-784-1990", rows=((1, "Maryam"),)), sealed=True)
    compacted(path)
    assert files(tmp_path) == [path.with_suffix(".sealed").name]
    data = path.with_suffix(".sealed").read_bytes()
    assert data.startswith(b"FALAJENC") and bytes.fromhex(DATA_KEY.id) in data[:32]
    assert not [text for text in (b"customer", b"Maryam", b"hour", b"PAR1") if text in data]


def test_the_key_decides_who_reads(tmp_path: Path) -> None:
    path = write(tmp_path, answer("a"), sealed=True)
    compacted(path)
    with pytest.raises(LogSealedError):
        list(read_segment(path))
    with pytest.raises(LogSealedError):
        find_prediction(tmp_path, "a")
    wrong = LogKeys(lambda _id: DataKey(DATA_KEY.id, "default", bytes(32)))
    with pytest.raises(DamagedCiphertextError):
        list(read_segment(path, wrong))
    assert tail(tmp_path, {}, wrong)[0] == []

    def gone(key_id: str) -> DataKey:
        raise KeyGoneError("gone", where=key_id)

    with pytest.raises(KeyGoneError):
        list(read_segment(path, LogKeys(gone)))
    assert find_prediction(tmp_path, "a", LogKeys(gone)) is None
    assert tail(tmp_path, {}, LogKeys(gone)) == ([], {"before": "", "segments": {path.name: -1}})


def test_columns_in_the_clear_are_not_believed_where_all_are_sealed(tmp_path: Path) -> None:
    path = write(tmp_path, answer("forged"))
    compacted(path)
    only_sealed = LogKeys(find_key, only_sealed=True)
    with pytest.raises(LogSealedError):
        find_prediction(tmp_path, "forged", only_sealed)
    assert tail(tmp_path, {}, only_sealed)[0] == []


def test_a_sealed_file_under_another_name_does_not_open(tmp_path: Path) -> None:
    path = write(tmp_path, answer("a"), sealed=True)
    compacted(path)
    moved = tmp_path / "00000000000000000009-1.wal"
    path.with_suffix(".sealed").rename(moved.with_suffix(".sealed"))
    with pytest.raises(DamagedCiphertextError):
        list(read_segment(moved, KEYS))


@pytest.mark.parametrize("sealed", [False, True])
def test_damage_is_noticed_wherever_it_is(tmp_path: Path, sealed: bool) -> None:
    path = write(tmp_path, *(answer(f"{n}") for n in range(50)), sealed=sealed)
    whole = list(read_segment(path, KEYS))
    compacted(path)
    file = path.with_suffix(".sealed" if sealed else ".parquet")
    data = file.read_bytes()
    for place in range(0, len(data), 97):
        file.write_bytes(data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :])
        try:
            log_records = list(read_segment(path, KEYS))
        except (LogFormatError, DamagedCiphertextError, KeyGoneError):
            assert len(tail(tmp_path, {}, KEYS)[0]) <= 50
        else:
            assert not sealed and log_records == whole, "what the readers do not use may differ"
    for size in (0, 4, len(data) // 2, len(data) - 1):
        file.write_bytes(data[:size])
        with pytest.raises((LogFormatError, DamagedCiphertextError)):
            list(read_segment(path, KEYS))


def test_another_parquet_file_is_no_segment(tmp_path: Path) -> None:
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "00000000000000000001-1.parquet")
    with pytest.raises(LogFormatError):
        list(read_segment(tmp_path / "00000000000000000001-1.wal"))
    assert tail(tmp_path, {})[0] == []


@pytest.mark.parametrize(
    ("column_values", "kind"),
    [
        ([None, None], ColumnKind.NOTHING), ([True, None], ColumnKind.BOOLEAN), ([1, True], ColumnKind.MIXED),
        ([1, None], ColumnKind.WHOLE),
        ([2**63], ColumnKind.MIXED), ([1, 1.5], ColumnKind.EITHER), ([2**53 + 1, 1.5], ColumnKind.MIXED),
        ([1.5], ColumnKind.NUMBER),
        (["a", None], ColumnKind.TEXT), (["a", 1], ColumnKind.MIXED), ([[1.5], []], ColumnKind.NUMBERS),
        ([[1]], ColumnKind.WHOLES),
        ([[1, 1.5]], ColumnKind.MIXED), ([[2**63]], ColumnKind.MIXED), ([[None]], ColumnKind.MIXED),
        ([b"a"], ColumnKind.MIXED),
        ([(1.5,)], ColumnKind.MIXED), ([struct], ColumnKind.MIXED),
    ],
)  # fmt: skip
def test_a_kind_holds_what_was_seen(column_values: list[Any], kind: ColumnKind) -> None:
    survey = KindSurvey()
    for value in column_values:
        survey.see([value])
    assert survey.kind() is kind
