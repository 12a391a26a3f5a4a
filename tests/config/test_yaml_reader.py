from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falaj.config import Issue, ProjectError
from falaj.config.yaml_reader import MAX_BYTES, SourcePosition, read_document


def fails(text: str | bytes) -> ProjectError:
    data = text if isinstance(text, bytes) else text.encode()
    with pytest.raises(ProjectError) as raised:
        read_document(data, "falaj.yaml")
    return raised.value


def issues_of(data: bytes) -> tuple[Issue, ...]:
    try:
        read_document(data, "f")
    except ProjectError as error:
        return error.issues
    return ()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: no", "no"),
        ("a: 12:30", "12:30"),
        ("a: 2026-12-01", "2026-12-01"),
        ("a: true", True),
        ("a: ~", None),
        ("a:", None),
        ("a: 0x1F", 31),
        ("a: -3", -3),
        ("a: 1e3", 1000.0),
        ("a: .5", 0.5),
        ("a: '5'", "5"),
        ("a: 1_000", "1_000"),
        ("\ufeffa: 1", 1),
        ("a: [1, x]", [1, "x"]),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, value: object) -> None:
    scalar = read_document(text.encode(), "f").value["a"]
    assert scalar == value
    assert type(scalar) is type(value)


def test_on_is_a_key() -> None:
    assert read_document(b"{on: drift, 1: x}", "f").value == {"on": "drift", "1": "x"}


def test_places_of_keys_and_values() -> None:
    document = read_document("ä: {b: [1, zwei]}\n".encode(), "f")
    assert document.place(("ä", "b", 1)) == SourcePosition(1, 12)
    assert document.place(("ä", "b"), of_key=True) == SourcePosition(1, 5)
    assert document.place(("ä", "missing")) == SourcePosition(1, 4)


@pytest.mark.parametrize(
    ("text", "place", "part"),
    [
        ("a: 1\nb: 2\na: 3", "3:1", "stands here and in line 1"),
        ("a: {b: [}", "1:9", "broken YAML"),
        ("a: b: c", "1:5", "mapping values"),
        ("a:\n\tb: 1", "2:1", "broken YAML"),
        ("a: !!python/object:os.system x", "1:4", "tag"),
        ("a: *x", "1:4", "anchor"),
        ("a: &x [*x]", "1:8", "anchor"),
        ("<<: {a: 1}", "1:1", "merge"),
        ("? [a]\n: 1", "1:3", "a key must be a word"),
        ("a: 1\n---\nb: 1", "2:1", "second document"),
        ("a: .nan", "1:4", "finite"),
        ("a: 1e999", "1:4", "too large"),
        ("a: 9007199254740992", "1:4", "beyond"),
        ("a: " + "9" * 5000, "1:4", "beyond"),
        ("a: 1\nb: \x00", "2:4", "control characters"),
        ("", "1:1", "empty"),
        ("# only a comment", "1:1", "empty"),
    ],
)
def test_what_is_not_allowed(text: str, place: str, part: str) -> None:
    error = fails(text)
    assert part in error.message
    assert error.where == f"falaj.yaml:{place}"


def test_bytes_that_are_not_text() -> None:
    assert fails(b"a: 1\nb: \xff").where == "falaj.yaml:2:4"


def test_a_huge_file_is_not_parsed() -> None:
    assert "bytes" in fails(b"a: 1\n" * MAX_BYTES).message


def test_nested_brackets_do_not_reach_the_recursion_limit() -> None:
    assert "nested" in fails("[" * 100_000 + "]" * 100_000).message


def test_a_bomb_of_aliases_is_bounded() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    assert "aliases" in fails("\n".join(lines)).message  # written out, it would fill any memory


def test_an_alias_repeats_a_value() -> None:
    assert read_document(b"a: &x {b: 1}\nc: *x", "f").value == {"a": {"b": 1}, "c": {"b": 1}}


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        data = text.encode()
    except UnicodeEncodeError:
        return
    assert all(issue.line >= 1 for issue in issues_of(data))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    assert all(issue.column >= 1 for issue in issues_of(data))
