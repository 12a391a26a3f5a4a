"""CSV files in every library: what `read:` says, and what is refused in the same words by all of them."""

from __future__ import annotations

import datetime as dt
import gzip
import importlib
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falaj.build.pipeline.runner import PLACE

FORMS = ("polars", "polars-lazy", "pandas", "arrow")


@pytest.fixture(scope="module", autouse=True)
def runner() -> Iterator[ModuleType]:
    """The runner's own package, imported as steps import it."""
    sys.path.insert(0, str(PLACE))
    try:
        yield importlib.import_module("falaj_step.tables")
    finally:
        sys.path.remove(str(PLACE))


def read(path: Path, form: str, **options: Any) -> dict[str, list[Any]]:
    table = importlib.import_module("falaj_step.tables").read_table(str(path), form, options)
    if form == "pandas":
        there = table.notna()
        return {
            name: [value if is_there else None for value, is_there in zip(table[name], there[name], strict=True)]
            for name in table.columns
        }
    if form == "arrow":
        return dict(table.to_pydict())
    return dict((table.collect() if form == "polars-lazy" else table).to_dict(as_series=False))


def refusal(path: Path, form: str, **options: Any) -> tuple[str, str]:
    problem = importlib.import_module("falaj_step.problem").Problem
    with pytest.raises(problem) as caught:
        read(path, form, **options)
    return str(caught.value), caught.value.hint


def written(tmp_path: Path, content: bytes, name: str = "rows.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


READ = {
    "leading zeros": (b"id,zip\n1,01234\n2,NA\n", {"types": {"zip": "text"}}, {"id": [1, 2], "zip": ["01234", None]}),
    "latin-1": ("id,naïve\n1,é\n".encode("latin-1"), {"encoding": "latin-1"}, {"id": [1], "naïve": ["é"]}),
    "utf-16": ("id,x\n1,é\n".encode("utf-16"), {"encoding": "utf-16"}, {"id": [1], "x": ["é"]}),
    "byte order mark": (b"\xef\xbb\xbfid,x\r\n1,2\r\n", {}, {"id": [1], "x": [2]}),
    "decimal comma": (b"n;m\n1,5;7\n-2,25;8\n", {"separator": ";", "decimal": ","}, {"n": [1.5, -2.25], "m": [7, 8]}),
    "groups of digits": (
        b'n,m,t\n"1,234.5","12,345",a\n7,1,\n',
        {"thousands": ","},
        {"n": [1234.5, 7.0], "m": [12345, 1], "t": ["a", None]},
    ),
    "continental": (b"n\n1.234.567,5\n", {"separator": ";", "decimal": ",", "thousands": "."}, {"n": [1234567.5]}),
    "nulls": (b"n,t\n-99,none\n5,x\n", {"null_values": ["-99", "none"]}, {"n": [None, 5], "t": [None, "x"]}),
    "columns": (b"a,b,c\n1,2,3\n", {"columns": ["c", "a"]}, {"c": [3], "a": [1]}),
    "huge ids": (b"n\n9007199254740993\nNA\n", {"types": {"n": "int"}}, {"n": [9007199254740993, None]}),
    "numbers as said": (b"a,b\n1,2\n,3\n", {"types": {"a": "float", "b": "text"}}, {"a": [1.0, None], "b": ["2", "3"]}),
    "truth values": (b"a\nyes\nNo\n\nNA\n1\n", {"types": {"a": "bool"}}, {"a": [True, False, None, True]}),
    "empty lines": (b"a,b\n1,2\n\n3,4\n\n\n", {}, {"a": [1, 3], "b": [2, 4]}),
    "quotes": (b'a,b\n1,"x,\n\ny"\n2,5" pipe\n3,"q""q"\n', {}, {"a": [1, 2, 3], "b": ["x,\n\ny", '5" pipe', 'q"q']}),
    "names": ('"fl. rate","a""b",سرعة\n1,2,3\n'.encode(), {}, {"fl. rate": [1], 'a"b': [2], "سرعة": [3]}),
    "empty and missing columns": (b"a,b\n,NA\n,\n", {}, {"a": [None, None], "b": [None, None]}),
    "no rows": (b"a,b\n", {}, {"a": [], "b": []}),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("case", READ)
def test_what_read_says_holds_in_every_library(tmp_path: Path, case: str, form: str) -> None:
    content, options, expected = READ[case]
    assert read(written(tmp_path, content), form, **options) == expected


@pytest.mark.parametrize("form", FORMS)
def test_dates_are_read_as_they_are_written(tmp_path: Path, form: str) -> None:
    path = written(tmp_path, b"day,at,iso\n01.02.2024,01.02.2024 03:04,2024-02-01\n,,\n")
    forms = {"day": "%d.%m.%Y", "at": "%d.%m.%Y %H:%M"}
    table = read(path, form, dates=forms, types={"iso": "date"})
    day = dt.datetime(2024, 2, 1) if form == "pandas" else dt.date(2024, 2, 1)  # noqa: DTZ001 - pandas has no dates
    assert [table["day"][0], table["iso"][0]] == [day, day]
    assert table["at"][0] == dt.datetime(2024, 2, 1, 3, 4)  # noqa: DTZ001 - files of text have no zone
    assert [column[1] is None for column in table.values()] == [True] * 3


ONE_TYPE = b"code\n" + b"".join(b"%d\n" % row for row in range(12_000))
REFUSED = {
    "one field more": (b"a,b\n1,2,\n", {}, "line 2 has 3 fields, and its header names 2: a, b", "quote"),
    "one field less": (b"a,b\n1,2\n3\n", {}, "line 3 has 1 field, and its header names 2", "mend"),
    "after a quoted line": (b'a,b\n"x\ny",1\n2,3,4\n', {}, "line 4 has 3 fields", ""),
    "semicolons": (b"id;v\n1;3,5\n", {}, "line 1: the one column `id;v`", 'separator: ";"'),
    "tabs": (b"id\tv\n1\t3\n", {}, "line 1: the one column", 'separator: "\\t"'),
    "Latin-1": (b"id,name\n1,a\n2,Jos\xe9\n", {}, "line 3, column `name`: the byte 0xe9 is not UTF-8", "encoding"),
    "not in it": (b"a\n\x81\n", {"encoding": "cp1252"}, "line 2: the byte 0x81 is not in cp1252", "encoding"),
    "mixed": (ONE_TYPE + b"A-17\n", {}, "line 12002, column `code`: `A-17` is not a whole number", "{code: text}"),
    "fractions": (ONE_TYPE + b"x\n", {"types": {"code": "float"}}, "`x` is not a number", "{code: text}"),
    "mixed by hand": (ONE_TYPE + b"A\n", {"thousands": ","}, "line 12002, column `code`: `A`", "{code: text}"),
    "a whole number": (b"a b\n1\n1.5\n", {"types": {"a b": "int"}}, "line 3, column `a b`: `1.5`", '{"a b": float}'),
    "a date": (b"a\n2024-02-30\n", {"types": {"a": "date"}}, "line 2, column `a`: `2024-02-30` is not a date", "%d"),
    "a date's form": (b"a\n1/2\n", {"dates": {"a": "%d.%m"}}, "line 2, column `a`: `1/2` is not a date", "dates"),
    "twice": (b"a,b,a\n1,2,3\n", {}, "line 1: `a` is there twice", "columns: [b]"),
    "an index": (b",a\n0,5\n", {}, "line 1: column 1 has no name", "columns: [a]"),
    "no such column": (b"a\n1\n", {"types": {"b": "text"}}, "has no column `b`, which `read: types` names", "it has a"),
    "nothing": (b"\n", {}, "is empty", "write a first line that names the columns"),
    "no byte": (b"", {}, "is empty", "write a first line that names the columns"),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("case", REFUSED)
def test_every_library_refuses_in_the_same_words(tmp_path: Path, case: str, form: str) -> None:
    content, options, words, hint = REFUSED[case]
    message, advice = refusal(written(tmp_path, content), form, **options)
    assert message.startswith("`rows.csv` ")
    assert words in message
    assert hint in advice
    assert "\n" not in message


@pytest.mark.parametrize("form", FORMS)
def test_a_header_without_rows_is_a_table_without_rows(tmp_path: Path, form: str) -> None:
    assert read(written(tmp_path, b"a,b\n"), form) == {"a": [], "b": []}


def test_a_line_without_end_is_not_read_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.import_module("falaj_step.csv_survey"), "MAX_LINE_BYTES", 1 << 20)
    path = tmp_path / "rows.csv"
    with path.open("wb") as file:
        file.write(b"a\n1\n")
        file.truncate(2 << 30)  # 2 GB without another line, which take no room on the disk
    tracemalloc.start()
    message, advice = refusal(path, "polars")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert message == "`rows.csv` line 3 is longer than 1 MiB" and "a line for each row" in advice
    assert peak < 16 << 20


@pytest.mark.parametrize("form", FORMS)
def test_what_is_packed_is_read_in_the_same_way(tmp_path: Path, form: str) -> None:
    path = written(tmp_path, gzip.compress("z;n\n01;é\n".encode("latin-1")), "rows.csv.gz")
    options = {"separator": ";", "encoding": "latin-1", "types": {"z": "text"}}
    assert read(path, form, **options) == {"z": ["01"], "n": ["é"]}


@pytest.mark.parametrize("form", FORMS)
def test_lines_of_json_are_read_by_column_and_refused_by_line(tmp_path: Path, form: str) -> None:
    path = written(tmp_path, b'{"a": 1, "b": "x"}\n{"a": 2, "b": "y"}\n', "rows.jsonl")
    assert read(path, form, columns=["b"]) == {"b": ["x", "y"]}
    message, _ = refusal(written(tmp_path, b'{"a": 1}\n{"a": \n', "broken.jsonl"), form)
    assert message.startswith("`broken.jsonl` line 2 is not JSON")


@pytest.mark.parametrize("form", FORMS)
def test_an_index_of_pandas_is_no_column(tmp_path: Path, form: str) -> None:
    import pandas as pd

    table = pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "z"]}, index=[7, 9, 11])
    table.to_parquet(tmp_path / "data.parquet")
    assert read(tmp_path / "data.parquet", form) == {"a": [1, 2, 3], "b": ["x", "y", "z"]}
    table.groupby("b").sum().to_parquet(tmp_path / "named.parquet")
    if form == "pandas":
        assert read(tmp_path / "named.parquet", form) == {"a": [1, 2, 3]}
        return
    message, hint = refusal(tmp_path / "named.parquet", form)
    assert "`named.parquet` has the pandas index `b`" in message
    assert "columns: [a, b]" in hint
    assert read(tmp_path / "named.parquet", form, columns=["a", "b"])["b"] == ["x", "y", "z"]


FIELD = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=6)


@given(table=st.integers(1, 4).flatmap(lambda width: st.lists(st.lists(FIELD, min_size=width, max_size=width))))
def test_text_comes_back_as_it_was_written(table: list[list[str]], tmp_path_factory: pytest.TempPathFactory) -> None:
    import csv

    width = len(table[0]) if table else 1
    names = [f"c{place}" for place in range(width)]
    path = tmp_path_factory.mktemp("text") / "rows.csv"
    with path.open("w", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([names, *table])
    expected = {name: [row[place] for row in table] for place, name in enumerate(names)}
    options = {"types": dict.fromkeys(names, "text"), "null_values": ["\x00"], "separator": ","}
    for form in ("polars", "pandas", "arrow"):
        assert read(path, form, **options) == expected


def test_arrow_keeps_no_memory_of_python(tmp_path: Path) -> None:
    """Its threads let go of it after the table is there: a step that has ended meanwhile was aborted by that."""
    readable = importlib.import_module("falaj_step.csv_arrow").readable
    source = written(tmp_path, b"id\n1\n").read_bytes()
    before = sys.getrefcount(source)
    reader = readable(source)
    assert sys.getrefcount(source) == before and reader.read() == source
