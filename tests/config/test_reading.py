"""What `read` of a data source may say, and where it stands when it may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from falaj.config import ProjectError, load_spec

PROJECT = """
model: m
owner: o@example.org
data:
  u: {{source: "{source}", classification: public, origin: AE, read: {{{read}}}}}
pipeline:
  a: {{command: [sh, -c, "exit"], inputs: [u]}}
"""


def written(tmp_path: Path, read: str, source: str = "file://rows.csv") -> Path:
    (tmp_path / "falaj.yaml").write_text(PROJECT.format(read=read, source=source))
    return tmp_path


@pytest.mark.parametrize(
    ("read", "expected"),
    [
        ("types: {code: text, n: int}", {"types": {"code": "text", "n": "int"}}),
        ("encoding: latin-1", {"encoding": "latin-1"}),
        ('separator: ";", decimal: ",", thousands: "."', {"separator": ";", "decimal": ",", "thousands": "."}),
        ('dates: {"flight day": "%d.%m.%Y"}', {"dates": {"flight day": "%d.%m.%Y"}}),
        ('null_values: ["-", "?"], columns: ["a b", c]', {"null_values": ["-", "?"], "columns": ["a b", "c"]}),
    ],
)
def test_it_says_how_a_file_is_read(tmp_path: Path, read: str, expected: dict[str, object]) -> None:
    assert load_spec(written(tmp_path, read)).data["u"].read == expected


@pytest.mark.parametrize(
    ("read", "source", "words", "expected"),
    [
        ("typs: {a: text}", "file://a.csv", "no key `typs`", "separator"),
        ("types: {a: string}", "file://a.csv", "'string' is not known", "text"),
        ("encoding: latin-11", "file://a.csv", "'latin-11' is not an encoding", "latin-1"),
        ('decimal: ","', "file://a.parquet", "`decimal` is of CSV", "columns"),
        ('thousands: "."', "file://a.csv", "`thousands` is the decimal mark", "decimal"),
        ('thousands: ",", decimal: ","', "file://a.csv", "the same mark", "differ"),
        ("separator: ';;'", "file://a.csv", "not valid", "one character"),
        ("columns: [a, a]", "file://a.csv", "named twice", "once"),
        ('types: {a: int}, dates: {a: "%d"}', "file://a.csv", "a form of dates and another type", "date"),
    ],
)
def test_what_cannot_be_is_refused_where_it_stands(
    tmp_path: Path, read: str, source: str, words: str, expected: str
) -> None:
    with pytest.raises(ProjectError) as caught:
        load_spec(written(tmp_path, read, source))
    (issue,) = caught.value.issues
    assert words in issue.message
    assert expected in f"{issue.expected} {issue.suggestion}"
    assert issue.line == 5
    assert issue.field.startswith("data.u")


@pytest.mark.parametrize("name", ["data/with space/naïve file.csv", "o'brien.v1.csv", "data/with%20space.csv"])
def test_names_of_files_may_hold_anything(tmp_path: Path, name: str) -> None:
    assert load_spec(written(tmp_path, "", f"file://{name}")).data["u"].source == f"file://{name}"


@pytest.mark.parametrize("url", ["file:// a.csv", "file://a.csv ", "file://a\\nb.csv"])
def test_but_no_line_breaks_and_no_space_around(tmp_path: Path, url: str) -> None:
    with pytest.raises(ProjectError) as caught:
        load_spec(written(tmp_path, "", url))
    assert "a URL of one of the kinds" in caught.value.issues[0].expected
