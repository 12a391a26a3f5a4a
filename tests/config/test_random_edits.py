"""Any edit of a valid file loads or raises ProjectError, never anything else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from falaj.config import ProjectError, load_project
from falaj.config.yaml_reader import read_document
from tests.config.test_loading import FULL

relaxed = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def attempt(folder: Path, data: bytes) -> None:
    (folder / "falaj.yaml").write_bytes(data)
    try:
        load_project(folder).to_spec().to_json()
    except ProjectError as error:
        for issue in error.issues:
            assert issue.line >= 1
            assert issue.column >= 1
            assert "\n" not in str(issue)


@relaxed
@given(st.data())
def test_characters(project: Path, data: st.DataObject) -> None:
    text = data.draw(st.sampled_from([FULL, TEMPLATE]))
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 12)))
    inserted = data.draw(st.text(alphabet=st.sampled_from("{}[]:,-#&*!|>%@`\"' \n\tab10.~?"), max_size=6))
    attempt(project, (text[:start] + inserted + text[end:]).encode())


@relaxed
@given(st.data())
def test_lines(project: Path, data: st.DataObject) -> None:
    lines = data.draw(st.sampled_from([FULL, TEMPLATE])).splitlines()
    order = data.draw(st.lists(st.sampled_from(range(len(lines))), max_size=len(lines)))
    attempt(project, "\n".join(lines[index] for index in order).encode())


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 2**53), st.floats(-9, 9), st.sampled_from(["", "x", "5%", "1h"])
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abrun"), inner), max_leaves=6
)


@relaxed
@given(st.data())
def test_values(project: Path, data: st.DataObject) -> None:
    import json

    document = read_document(data.draw(st.sampled_from([FULL, TEMPLATE])).encode(), "f")
    path = data.draw(st.sampled_from([path for path in document.values if path]))
    parent: Any = document.value
    for part in path[:-1]:
        parent = parent[part]
    parent[path[-1]] = data.draw(values)
    attempt(project, json.dumps(document.value).encode())


@pytest.mark.parametrize(
    "line", ['model: "a\\0b"', 'owner: "\\uD800"', 'owner: "\\x85"', 'pipeline: {a: {command: ["\\0"]}}']
)
def test_escapes(project: Path, line: str) -> None:
    attempt(project, f"model: a\nowner: b\n{line}".encode())
    attempt(project, line.encode())


_FILE = Path(__file__).parents[2] / "src/falaj/config/templates/binary/falaj.yaml.template"
TEMPLATE = _FILE.read_text().replace("{{name}}", "a").replace("{{package}}", "a")
