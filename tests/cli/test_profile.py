"""`falaj project data profile`: a table alone and beside another, from Parquet and CSV, without a server."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars
import pyarrow as pa
import pytest
from pyarrow import parquet
from typer.testing import CliRunner

from falaj.cli.application import application
from falaj.core.errors import FalajError


def table(seed: int, rows: int = 3000, shift: float = 0.0) -> polars.DataFrame:
    rng = np.random.default_rng(seed)
    day = np.arange(rows) * 30 // rows
    return polars.DataFrame(
        {
            "at": polars.Series(1_700_000_000_000 + day * 86_400_000).cast(polars.Datetime("ms")),
            "delay": rng.normal(10 + shift * (day >= 15), 4),
            "carrier": rng.choice(["AA", "UA", "DL"], rows),
            "flown": rng.random(rows) < 0.9,
            "empty": polars.Series([None] * rows, dtype=polars.Float64),
        }
    )


@pytest.fixture
def files(tmp_path: Path) -> Path:
    table(1).write_parquet(tmp_path / "reference.parquet")
    table(2).write_csv(tmp_path / "same.csv")
    table(3, shift=4.0).write_parquet(tmp_path / "moved.parquet")
    return tmp_path


def run(*arguments: Any) -> str:
    cli_result = CliRunner().invoke(application(), ["project", "data", "profile", *map(str, arguments)])
    if cli_result.exception and isinstance(cli_result.exception, FalajError):
        raise cli_result.exception
    assert cli_result.exit_code == 0, cli_result.output
    return cli_result.output


def test_a_table_alone(files: Path) -> None:
    shown = run(files / "reference.parquet")
    assert "3000 rows" in shown
    assert "about 3 different" in shown
    assert "at (times drift by themselves)" in shown
    assert "no values" in next(line for line in shown.splitlines() if line.startswith("empty"))


def test_a_table_like_the_reference_has_no_alarm(files: Path) -> None:
    shown = run(files / "same.csv", "--reference", files / "reference.parquet", "--time", "at", "--windows", 5)
    assert "no alarm" in shown
    assert "!" not in "".join(line for line in shown.splitlines() if line.startswith("delay"))


def test_the_windows_after_a_change_are_marked(files: Path) -> None:
    arguments = (files / "moved.parquet", "--reference", files / "reference.parquet", "--time", "at", "--windows", 6)
    shown = run(*arguments)
    row = next(line for line in shown.splitlines() if line.startswith("delay") and "█!█!" in line)
    assert row.endswith("█!█!█!")
    assert "alarm in window 4: delay" in shown
    json_report = json.loads(run(*arguments, "--json"))
    assert [report["drifted"] for report in json_report["windows"]] == [[], [], [], ["delay"], ["delay"], ["delay"]]


def test_json_of_a_table_is_a_profile_that_reads_back(files: Path) -> None:
    from falaj.statistics.profiles import Profile, ProfileSchema

    json_report = json.loads(run(files / "same.csv", "--json", "--ignore", "flown"))
    assert Profile.from_json(json_report["profile"]).rows == 3000
    assert ProfileSchema.from_json(json_report["schema"]).names == ("delay", "carrier", "empty")


def test_what_cannot_be_compared_is_said(files: Path) -> None:
    with pytest.raises(FalajError, match="no file"):
        run(files / "nothing.csv")
    with pytest.raises(FalajError, match="no column when"):
        run(files / "same.csv", "--time", "when")
    with pytest.raises(FalajError, match="column of times has none"):
        run(files / "same.csv", "--time", "carrier")
    (files / "other.csv").write_text("x,y\n1,2\n")
    with pytest.raises(FalajError, match="no column in common"):
        run(files / "other.csv", "--reference", files / "same.csv")
    (files / "bad.parquet").write_bytes(b"no table")
    with pytest.raises(FalajError, match="cannot be read"):
        run(files / "bad.parquet")
    (files / "none.csv").write_text("delay\n")
    with pytest.raises(FalajError, match="reference has no rows"):
        run(files / "same.csv", "--reference", files / "none.csv")
    assert "not tested" in run(files / "none.csv", "--reference", files / "same.csv")


ODD = {
    "decimal": (pa.array([Decimal("1.10")] * 60, pa.decimal128(12, 2)), "number"),
    "half": (pa.array(np.arange(60, dtype="float16")), "number"),
    "beyond 2^53": (pa.array(np.arange(60, dtype="uint64") + 2**63), "number"),
    "coded numbers": (pa.array([1, 2] * 30).dictionary_encode(), "number"),
    "nothing": (pa.nulls(60), "number"),
    "text": (pa.array(["a"] * 60, pa.large_string()), "category"),
    "coded text": (pa.array(["a", "b"] * 30).dictionary_encode(), "category"),
    "bytes": (pa.array([b"\xff\x00"] * 60), "bytes, not text"),
    "coded bytes": (pa.array([b"\xff", b"a"] * 30).dictionary_encode(), "bytes, not text"),
    "view": (pa.array([b"\xff"] * 60, pa.binary_view()), "bytes, not text"),
    "fixed": (pa.array([b"ab"] * 60, pa.binary(2)), "fixed_size_binary"),
    "zone": (pa.array([datetime(2024, 1, 1, tzinfo=UTC)] * 60), "times drift by themselves"),
    "lists": (pa.array([[1]] * 60), "a nested type"),
}


@pytest.mark.parametrize("name", ODD)
def test_a_column_of_any_type_has_a_line_or_is_left_out_with_a_reason(tmp_path: Path, name: str) -> None:
    column, shown = ODD[name]
    parquet.write_table(pa.table({"odd": column, "x": np.arange(60.0)}), tmp_path / "odd.parquet")
    for more in ((), ("--reference", tmp_path / "odd.parquet")):
        lines = run(tmp_path / "odd.parquet", *more).splitlines()
        line = next(line for line in lines if "odd" in line.split(": ")[-1])
        assert shown in line or more


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
def test_a_csv_of_any_usual_encoding_is_read(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "names.csv").write_bytes(("id,name\r\n" + "1,José\r\n" * 20).encode(encoding))
    assert "José 100%" in run(tmp_path / "names.csv")
