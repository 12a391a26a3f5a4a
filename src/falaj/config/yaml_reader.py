"""YAML text to JSON values, with the place of every key and value.

The subset is YAML 1.2's core schema: `on`, `no` and `12:30` are text, dates are text. Duplicate keys, tags, merge
keys and numbers that JSON cannot carry are errors. Depth and size are bounded while events are read, so neither
nested brackets nor aliases of aliases cost more than the bound.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from falaj.config.errors import Issue, ProjectError

MAX_BYTES = 1_000_000
MAX_DEPTH = 32
MAX_NODES = 50_000
MAX_INTEGER = 2**53 - 1
"""The largest whole number that every JSON reader keeps exactly (RFC 8785, section 3.2.2.3)."""

_INTEGER = re.compile(r"[-+]?[0-9]+|0x[0-9a-fA-F]+|0o[0-7]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_CONSTANTS = {"": None, "~": None} | {
    spelling: value
    for word, value in (("null", None), ("true", True), ("false", False))
    for spelling in (word, word.title(), word.upper())
}

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class SourcePosition:
    """Where something stands, from 1."""

    line: int
    column: int


@dataclass(frozen=True)
class Document:
    """A file's content and the places in it.

    Attributes:
        file: The name to print.
        value: The content as JSON values.
        values: Place of each value by its path.
        keys: Place of each mapping key by the path of its value.
    """

    file: str
    value: Any
    values: dict[Path, SourcePosition]
    keys: dict[Path, SourcePosition]

    def place(self, path: Path, *, of_key: bool = False) -> SourcePosition:
        """The place of a value (or its key); of the nearest enclosing one where there is no such value."""
        while path and path not in self.values:
            path = path[:-1]
        if of_key and path in self.keys:
            return self.keys[path]
        return self.values.get(path, SourcePosition(1, 1))

    def issue(
        self, path: Path, message: str, expected: str = "", suggestion: str | None = None, *, of_key: bool = False
    ) -> Issue:
        """An issue at a path of this document."""
        place = self.place(path, of_key=of_key)
        return Issue(self.file, place.line, place.column, dotted(path), message, expected, suggestion)


def dotted(path: Path) -> str:
    """`("a", "b", 0)` as `a.b[0]`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def read_document(data: bytes, file: str) -> Document:
    """Read YAML.

    Args:
        data: The file's bytes, UTF-8.
        file: The name for messages.

    Raises:
        ProjectError: It is not the YAML described above.
    """
    if len(data) > MAX_BYTES:
        raise ProjectError([Issue(file, 1, 1, "", f"the file has {len(data):,} bytes", f"at most {MAX_BYTES:,}")])
    text = _decode(data, file)
    try:
        return _YamlBuilder(file, text).read()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        problem = error.problem or error.context or "unreadable"
        raise ProjectError([Issue(file, line, column, "", f"broken YAML: {problem}", _expected(problem))]) from None
    except yaml.reader.ReaderError as error:
        raise _unreadable(file, text[: _position(error, text)], f"broken YAML: {error.reason}") from None


def _expected(problem: str) -> str:
    if "mapping values are not allowed" in problem:
        return "quotes around a value that contains `: `, or `{key: value}` for a mapping in one line"
    if "cannot start any token" in problem:
        return "spaces instead of tabs, and quotes around a value that starts with a special character"
    return ""


def _position(error: yaml.reader.ReaderError, text: str) -> int:
    """The index of the offending character; the parser counts bytes in some cases, so look for the character."""
    offset = text.find(chr(error.character)) if isinstance(error.character, int) else -1
    return offset if offset >= 0 else min(int(error.position), len(text))


def _decode(data: bytes, file: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8", "replace")
        raise _unreadable(file, before, "this byte is not UTF-8") from None


def _unreadable(file: str, before: str, message: str) -> ProjectError:
    line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
    return ProjectError([Issue(file, line, column, "", message, "a text file in UTF-8")])


@dataclass(frozen=True)
class _Node:
    """A value before aliases are expanded; `value` is a scalar, a list of nodes or (key, place, node) triples."""

    place: SourcePosition
    value: Any
    kind: str


class _YamlBuilder:
    """Builds a document from the parser's events; holds what one reading needs."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.events: Iterator[Any] = yaml.parse(text, Loader=yaml.CSafeLoader)
        self.anchors: dict[str, _Node] = {}
        self.document = Document(file, None, {}, {})

    def read(self) -> Document:
        """The only document of the text."""
        next(self.events)
        event = next(self.events)
        if isinstance(event, yaml.StreamEndEvent):
            raise ProjectError([Issue(self.file, 1, 1, "", "the file is empty", "a mapping: `key: value`")])
        node = self.node(next(self.events), 0)
        next(self.events)
        event = next(self.events)
        if not isinstance(event, yaml.StreamEndEvent):
            raise self.fail(_place(event), "a second document starts here", "one document a file")
        value = self.expand(node, (), 0)
        return Document(self.file, value, self.document.values, self.document.keys)

    def fail(self, place: SourcePosition, message: str, expected: str = "", path: Path = ()) -> ProjectError:
        """The error for one place."""
        return ProjectError([Issue(self.file, place.line, place.column, dotted(path), message, expected)])

    def node(self, event: Any, depth: int) -> _Node:
        """The node that starts with an event, its children included."""
        place = _place(event)
        if depth > MAX_DEPTH:
            raise self.fail(place, f"nested more than {MAX_DEPTH} deep")
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self.anchors:
                raise self.fail(place, f"the anchor {event.anchor!r} is not defined above")
            return self.anchors[event.anchor]
        if event.tag is not None:
            raise self.fail(place, f"the tag {event.tag!r} is not supported", "a value without a tag")
        node = self.untagged(event, place, depth)
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        return node

    def untagged(self, event: Any, place: SourcePosition, depth: int) -> _Node:
        """A scalar, sequence or mapping."""
        if isinstance(event, yaml.SequenceStartEvent):
            return _Node(place, self.items(depth), "list")
        if isinstance(event, yaml.MappingStartEvent):
            return _Node(place, self.pairs(depth), "map")
        return _Node(place, self.scalar(event, place) if event.implicit[0] else event.value, "scalar")

    def items(self, depth: int) -> list[_Node]:
        """The items of a sequence whose start was read."""
        nodes = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            nodes.append(self.node(event, depth + 1))
        return nodes

    def pairs(self, depth: int) -> list[tuple[str, SourcePosition, _Node]]:
        """The pairs of a mapping whose start was read."""
        pairs_by_key: dict[str, tuple[str, SourcePosition, _Node]] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key, place = self.key(event), _place(event)
            if key in pairs_by_key:
                first = pairs_by_key[key][1]
                raise self.fail(place, f"the key {key!r} stands here and in line {first.line}", "each key once")
            pairs_by_key[key] = (key, place, self.node(next(self.events), depth + 1))
        return list(pairs_by_key.values())

    def key(self, event: Any) -> str:
        """The text of a mapping key."""
        place = _place(event)
        if not isinstance(event, yaml.ScalarEvent):
            raise self.fail(place, "a key must be a word")
        if event.value == "<<" and event.implicit[0]:
            raise self.fail(place, "merge keys (`<<`) are not supported", "the keys written out")
        return str(event.value)

    def scalar(self, event: Any, place: SourcePosition) -> Any:
        """The value of an unquoted scalar."""
        text = event.value
        if text in _CONSTANTS:
            return _CONSTANTS[text]
        if _NOT_FINITE.fullmatch(text):
            raise self.fail(place, f"{text} is not a finite number", "a finite number, or text in quotes")
        if _INTEGER.fullmatch(text):
            return self.integer(text, place)
        if _FLOAT.fullmatch(text):
            return self.float(text, place)
        return text

    def integer(self, text: str, place: SourcePosition) -> int:
        """A whole number within JSON's exact range."""
        base = 16 if text.startswith("0x") else 8 if text.startswith("0o") else 10
        value = int(text, base) if len(text) <= 30 else MAX_INTEGER + 1
        if abs(value) > MAX_INTEGER:
            raise self.fail(place, f"the number is beyond {MAX_INTEGER}", "a smaller number, or text in quotes")
        return value

    def float(self, text: str, place: SourcePosition) -> float:
        """A number that is finite."""
        value = float(text)
        if value in (float("inf"), float("-inf")):
            raise self.fail(place, f"{text[:40]} is too large", "a finite number, or text in quotes")
        return value

    def expand(self, node: _Node, path: Path, depth: int) -> Any:
        """The plain value of a node; records places and counts what aliases repeat."""
        if len(self.document.values) >= MAX_NODES or depth > MAX_DEPTH:
            raise self.fail(node.place, f"more than {MAX_NODES:,} values, or {MAX_DEPTH} deep, with aliases expanded")
        self.document.values[path] = node.place
        if node.kind == "list":
            return [self.expand(item, (*path, index), depth + 1) for index, item in enumerate(node.value)]
        if node.kind == "map":
            self.document.keys.update({(*path, key): place for key, place, _ in node.value})
            return {key: self.expand(item, (*path, key), depth + 1) for key, _, item in node.value}
        return node.value


def _place(event: Any) -> SourcePosition:
    return SourcePosition(event.start_mark.line + 1, event.start_mark.column + 1)
