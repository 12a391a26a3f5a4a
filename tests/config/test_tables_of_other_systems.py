"""Sources in databases and lakes in falaj.yaml: what is read, and what is refused when the file is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from falaj.config import Issue, load_project

BEFORE = 'source: "file://data/tumours.csv",'
QUERY = 'source: "sql://dwh", query: sql/tumours.sql, key: [radius],'


def test_a_query_and_a_version_are_read(project: Path) -> None:
    (project / "sql").mkdir()
    (project / "sql" / "tumours.sql").write_text("select 1 as radius")
    file, text = project / "falaj.yaml", (project / "falaj.yaml").read_text()
    file.write_text(text.replace(BEFORE, f"{QUERY} watch: select 1,"))
    source = load_project(project).to_spec().data["tumours"]
    assert (source.query, source.key, source.watch) == ("sql/tumours.sql", ("radius",), "select 1")
    assert source.filename == "tumours.parquet"


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (QUERY, "there is no file 'sql/tumours.sql'"),
        ('source: "sql://dwh",', "read by a query and a key"),
        ('source: "sql://dwh", query: sql/tumours.sql,', "read by a query and a key"),
        ('source: "sql://dwh", query: ../tumours.sql, key: [radius],', "not valid"),
        ('source: "sql://dwh", query: sql/../../t.sql, key: [radius],', "leads out of the project"),
        ('source: "sql://falaj:secret@db.example.org/dwh", query: t.sql, key: [a],', "not a connection alone"),
        (f"{BEFORE} query: sql/tumours.sql, key: [radius],", "are of a database"),
        (f"{BEFORE} at: 4,", "`at` is of a table of a lake"),
        ('source: "delta://lake", at: 4,', "not a connection and the path"),
        ('source: "delta://lake/a/../b",', "not a connection and the path"),
        ('source: "delta://lake/a", at: latest,', "not valid"),
        ('source: "delta://lake/a", at: -1,', "not valid"),
        ('source: "delta://lake/a", read: {separator: ";"},', "`separator` is of CSV"),
        ('source: "feast://flights",', "not valid"),
    ],
)
def test_what_cannot_be_read_is_refused(issues: Callable[..., tuple[Issue, ...]], written: str, message: str) -> None:
    assert any(message in str(issue) for issue in issues((BEFORE, written)))
