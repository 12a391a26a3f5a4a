"""Files scored by real models in real processes, and the pure parts: ids, rows of CSV files, plans."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from falaj.build.packaging import PackagingResult
from falaj.dataplane.scoring import (
    AppliedRecalibration,
    OutputExistsError,
    Scored,
    ScoringDiskError,
    ScoringInputError,
    ScoringJob,
    read_input,
    run,
    sampled_rows,
    score_file,
)
from falaj.dataplane.scoring import run as scoring_run
from falaj.dataplane.scoring.csv_layout import read_layout
from falaj.dataplane.scoring.planning import lots_of, sample_every
from falaj.dataplane.scoring.prediction_ids import id_bytes, id_prefix, prediction_id
from falaj.dataplane.scoring.records import PARTS, RowBatch

pytestmark = pytest.mark.integration

Packaged = Callable[[str], tuple[Path, PackagingResult]]
RELEASE = "flight-delay@1"


def job_of(model: Path, table: Any, **more: Any) -> ScoringJob:
    return ScoringJob(
        input=str(table.path), digest=table.digest, csv=table.csv, model=str(model), model_digest="sha256:1",
        release=RELEASE, endpoint="dev/flight-delay", **more,
    )  # fmt: skip


def score(model: Path, source: Path, output: Path, *, part_rows: int = 100, processes: int = 1, **more: Any) -> Scored:
    table = read_input(source, part_rows=part_rows)
    watchers = {name: more.pop(name) for name in ("before_output", "progress") if name in more}
    job = job_of(model, table, part_rows=part_rows, **more)
    return score_file(job, table, output, python=None, processes=processes, **watchers)


def left_behind(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


@pytest.fixture(scope="module")
def model(packaged: Packaged) -> Path:
    return packaged("flights")[0]


@pytest.fixture(scope="module")
def rows(models: Path) -> pl.DataFrame:
    return pl.read_parquet(models / "held-out.parquet")


# Pure parts


@settings(max_examples=30)
@given(st.text("0123456789abcdef", min_size=64, max_size=64), st.integers(0, 2**40), st.integers(1, 50))
def test_ids_are_uuids_that_end_with_the_row(digest: str, first: int, count: int) -> None:
    prefix = id_prefix(digest, RELEASE)
    texts = [bytes(each).decode() for each in id_bytes(prefix, first, count)]
    assert texts == [prediction_id(prefix, first + row) for row in range(count)]
    last_id = uuid.UUID(texts[-1])
    assert (last_id.version, last_id.variant) == (8, uuid.RFC_4122) and last_id.int & (2**48 - 1) == first + count - 1
    assert id_prefix(digest, "flight-delay@2") != prefix


FIELDS = st.text(st.sampled_from('ab,"\n é'), max_size=6)


@settings(max_examples=30)
@given(st.lists(st.tuples(FIELDS, FIELDS), min_size=1, max_size=30), st.integers(1, 7), st.sampled_from(["\n", "\r\n"]))
def test_rows_of_a_csv_file_are_found_as_the_standard_reads_them(
    tmp_path_factory: pytest.TempPathFactory, table: list[tuple[str, str]], part_rows: int, end: str
) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator=end, quoting=csv.QUOTE_MINIMAL).writerows([("x", "y"), *table])
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    path.write_bytes((text.getvalue() + end).encode())  # with an empty line, which is no row
    layout, digest = read_layout(path, ",", part_rows)
    data = path.read_bytes()
    assert digest == hashlib.sha256(data).hexdigest() and layout.header == ("x", "y")
    csv_rows = []
    for span in layout.spans:
        piece = [tuple(r) for r in csv.reader(io.StringIO(data[span.start : span.end].decode(), newline="")) if r]
        assert len(piece) == span.rows <= part_rows
        csv_rows += piece
    assert csv_rows == table


def test_blocks_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b'\xef\xbb\xbfx,y\r\n1,"a\n""b"\r\n\r\n2,c\n3,d')
    whole = read_layout(path, ",", 2)
    monkeypatch.setattr("falaj.dataplane.scoring.csv_layout._BLOCK_BYTES", 1)
    assert read_layout(path, ",", 2) == whole
    assert [span.rows for span in whole[0].spans] == [2, 1] and whole[0].quoted


def test_few_groups_are_shared_and_many_are_not() -> None:
    parts = [RowBatch(number, 10 * number, 10, group=number // 2, offset=10 * (number % 2)) for number in range(8)]
    assert lots_of(parts, 4, 2) == [(0, 1), (2, 3), (4, 5), (6, 7)]
    assert lots_of(parts, 4, 3) == [(number,) for number in range(8)]
    assert (sample_every(1000, 0), sample_every(90, 100), sample_every(201, 100)) == (0, 1, 3)


# Whole scorings

KILLED = """
import os, signal, sys, msgspec
from pathlib import Path
from falaj.dataplane.scoring import ScoringJob, read_input, score_file

folder = Path(sys.argv[1])
job = msgspec.json.decode((folder / "job.json").read_bytes(), type=ScoringJob)
kill = lambda done, count: os.kill(os.getpid(), signal.SIGKILL) if done >= 4 else None
table, output = read_input(folder / "in.csv", part_rows=100), folder / "b.parquet"
score_file(job, table, output, python=None, processes=1, progress=kill)
"""


def test_a_parquet_file_is_answered_as_the_endpoint_would(model: Path, rows: pl.DataFrame, tmp_path: Path) -> None:
    from falaj.models.backends import open_backend
    from falaj.models.frame_columns import columns_of_frame
    from falaj.models.model_folder import read_model_folder

    rows.write_parquet(tmp_path / "in.parquet", row_group_size=130)
    logged: list[Any] = []
    score_result = score(
        model, tmp_path / "in.parquet", tmp_path / "out.parquet", processes=2, keep=("dest",), sampled_rows=50,
        metadata={"residency": "AE"}, before_output=lambda folder, _: logged.extend(sampled_rows(folder)),
    )  # fmt: skip
    output_frame = pl.read_parquet(score_result.output)
    folder = read_model_folder(model)
    expected = open_backend(folder, 1).predict(columns_of_frame(rows, folder.signature))
    assert output_frame["label"].to_list() == expected["label"].tolist()
    assert np.array_equal(np.stack(output_frame["probability"].to_list()), expected["probability"])
    assert output_frame["dest"].equals(rows["dest"]) and (
        score_result.rows,
        score_result.parts,
        score_result.continued,
    ) == (400, 7, 0)
    prefix = id_prefix(hashlib.sha256((tmp_path / "in.parquet").read_bytes()).hexdigest(), RELEASE)
    assert output_frame["prediction_id"].to_list() == [prediction_id(prefix, row) for row in range(400)]
    assert [each.prediction_id for each in logged] == [prediction_id(prefix, row) for row in range(0, 400, 8)]
    assert logged[1].outputs["label"] == output_frame["label"][8] and len(logged[1].features) == 12
    assert pq.read_schema(score_result.output).metadata[b"falaj.residency"] == b"AE"
    assert score_result.digest == hashlib.sha256(score_result.output.read_bytes()).hexdigest()
    assert score_result.output.stat().st_mode & 0o077 == 0 and left_behind(tmp_path) == []


def test_a_csv_file_gives_the_same_answers_and_a_kill_costs_no_row_twice(
    model: Path, rows: pl.DataFrame, tmp_path: Path
) -> None:
    rows.write_parquet(tmp_path / "in.parquet")
    rows.write_csv(tmp_path / "in.csv")
    whole = pl.read_parquet(score(model, tmp_path / "in.parquet", tmp_path / "a.parquet").output)

    job = job_of(model, read_input(tmp_path / "in.csv", part_rows=100), part_rows=100)
    (tmp_path / "job.json").write_bytes(msgspec.json.encode(job))
    killed = subprocess.run([sys.executable, "-c", KILLED, tmp_path], capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not (tmp_path / "b.parquet").exists()
    scoring_folder = tmp_path / ".b.parquet.scoring"
    parts = sorted((scoring_folder / PARTS).glob("*.arrow"))
    stamps = [path.stat().st_mtime_ns for path in parts[:2]]
    parts[2].write_bytes(parts[2].read_bytes()[:-8])  # a loss of power in the middle of a file
    parts[3].unlink()
    stamps_before: list[list[int]] = []
    score_result = score(
        model, tmp_path / "in.csv", tmp_path / "b.parquet",
        before_output=lambda folder, _: stamps_before.append(
            [path.stat().st_mtime_ns for path in sorted((folder / PARTS).glob("*.arrow"))[:2]]
        ),
    )  # fmt: skip
    again = pl.read_parquet(score_result.output)
    assert stamps_before == [stamps] and score_result.parts == 4
    assert again.drop("prediction_id").equals(whole.drop("prediction_id"))
    assert again["prediction_id"].n_unique() == 400 and left_behind(tmp_path) == [] and score_result.continued == 3


def test_other_parts_than_those_of_this_job_are_not_used(model: Path, rows: pl.DataFrame, tmp_path: Path) -> None:
    rows.write_parquet(tmp_path / "in.parquet")
    parts_folder = tmp_path / ".out.parquet.scoring" / PARTS
    parts_folder.mkdir(parents=True)
    (parts_folder / "00000000.arrow").write_bytes(b"of another model")
    score_result = score(model, tmp_path / "in.parquet", tmp_path / "out.parquet")
    assert score_result.continued == 0 and pl.read_parquet(score_result.output).height == 400


def test_answers_are_moved_as_those_of_the_endpoint(model: Path, rows: pl.DataFrame, tmp_path: Path) -> None:
    rows.head(50).write_parquet(tmp_path / "in.parquet")
    bare = pl.read_parquet(score(model, tmp_path / "in.parquet", tmp_path / "bare.parquet").output)
    logged: list[Any] = []
    applied = AppliedRecalibration(7, 1.0, "binary", 0.5)
    score_result = score(
        model, tmp_path / "in.parquet", tmp_path / "out.parquet", recalibration=applied, sampled_rows=50,
        before_output=lambda folder, _: logged.extend(sampled_rows(folder)),
    )  # fmt: skip
    before, after = (
        np.stack(each["probability"].to_list())[:, 1] for each in (bare, pl.read_parquet(score_result.output))
    )
    assert np.allclose(after / (1 - after), np.e * before / (1 - before), rtol=1e-4)
    assert np.allclose([each.bare["probability"][1] for each in logged], before)


# What is wrong


def refusal(model: Path, tmp_path: Path, text: bytes | pl.DataFrame, kind: str = "csv") -> ScoringInputError:
    path = tmp_path / f"in.{kind}"
    path.write_bytes(text) if isinstance(text, bytes) else text.write_parquet(path)
    with pytest.raises(ScoringInputError) as refused:
        score(model, path, tmp_path / "out.parquet")
    assert sorted(each.name for each in tmp_path.iterdir()) == [path.name]
    return refused.value


def csv_of(rows: pl.DataFrame, edit: Callable[[list[str]], None]) -> bytes:
    lines = rows.head(250).write_csv().splitlines(keepends=True)
    edit(lines)
    return "".join(lines).encode("latin-1")


def test_faults_are_one_line_with_file_line_and_column(model: Path, rows: pl.DataFrame, tmp_path: Path) -> None:
    names = rows.columns
    distance = names.index("distance")

    def changed(place: int, column: int, value: str) -> Callable[[list[str]], None]:
        def edit(lines: list[str]) -> None:
            fields = lines[place].rstrip("\n").split(",")
            fields[column] = value
            lines[place] = ",".join(fields) + "\n"

        return edit

    cases: list[tuple[Callable[[list[str]], None], str, int]] = [
        (changed(201, distance, "far"), "column 'distance': 'far' is not a number", 202),
        (changed(30, distance, "1.5"), "column 'distance': 1.5 is not a whole number", 31),
        (changed(111, distance, ""), "column 'distance': a value is missing", 112),
        (changed(5, 2, "\xe9"), "column 'carrier': the byte 0xe9 is not UTF-8", 6),
        (changed(120, 0, "5,6"), "13 fields, and the header names 12 columns", 121),
    ]
    for edit, message, line in cases:
        fault = refusal(model, tmp_path, csv_of(rows, edit))
        assert message in fault.message and fault.where == f"{tmp_path}/in.csv:{line}", (fault.where, fault.message)
        assert fault.exit_code == 2


def test_columns_of_a_table_are_checked_before_anything_is_scored(
    model: Path, rows: pl.DataFrame, tmp_path: Path
) -> None:
    missing = refusal(model, tmp_path, rows.drop("temp", "dest"), "parquet")
    assert missing.message == "columns 'dest', 'temp' missing" and "it has hour" in missing.hint
    (tmp_path / "in.parquet").unlink()
    wrong = refusal(model, tmp_path, rows.with_columns(pl.col("distance").cast(pl.String)), "parquet")
    assert wrong.message == "column 'distance': it holds large_string, and the model reads long"
    (tmp_path / "in.parquet").unlink()
    assert "cannot be read as Parquet" in refusal(model, tmp_path, b"PAR1 no", "parquet").message
    (tmp_path / "in.parquet").unlink()
    assert "no rows" in refusal(model, tmp_path, rows.clear(), "parquet").message


def test_an_output_that_is_there_stays_as_it_is(model: Path, models: Path, tmp_path: Path) -> None:
    (tmp_path / "out.parquet").write_bytes(b"mine")
    with pytest.raises(OutputExistsError) as refused:
        score(model, models / "held-out.parquet", tmp_path / "out.parquet")
    assert (tmp_path / "out.parquet").read_bytes() == b"mine" and refused.value.exit_code == 4
    assert len([*tmp_path.iterdir()]) == 1


def test_a_full_disk_is_said_and_nothing_stays(
    model: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = tmp_path / "full"
    full.mkdir()
    monkeypatch.setattr(run, "_prepare", lambda *_: os.write(os.open("/dev/full", os.O_WRONLY), b"x"))
    with pytest.raises(ScoringDiskError) as refused:
        score(model, models / "held-out.parquet", full / "out.parquet")
    assert refused.value.exit_code == 6 and "No space left" in refused.value.message and left_behind(full) == []


def test_jobs_are_read_as_they_were_written() -> None:
    job = ScoringJob(input="/x", digest="d", model="/m", model_digest="s", release=RELEASE, endpoint="dev/flight-delay")
    assert msgspec.json.decode(msgspec.json.encode(job), type=ScoringJob) == job


@pytest.mark.parametrize(
    ("log", "message"),
    [
        (b"", "a process that scored ended with status 1"),
        (
            b"x" * 10_000 + b"\nRuntimeError: no threads\n",
            "a process that scored ended with status 1: RuntimeError: no threads",
        ),
    ],
)
def test_a_process_that_breaks_leaves_its_last_line(tmp_path: Path, log: bytes, message: str) -> None:
    (tmp_path / "log").write_bytes(log)
    assert str(scoring_run._error(tmp_path, 1)).startswith(message)
