"""Looks over a CSV file before a library reads it, so that every library refuses the same files with the same words.

pandas takes a row that is too long for one with an index, polars and pandas fill a row that is too short, and each
renames a column that is there twice. Here every row is counted once; the file itself stays with the library.
"""

# pathlib and typing take longer to import than a small step takes to run.
# ruff: noqa: PTH123

from __future__ import annotations

import csv
import io
import re
import sys

from .problem import Problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

MAX_LINE_BYTES = 64 << 20
"""A longer line is no row that anybody meant, and would be held in memory as a whole."""
_GUESSES = (";", "\t", "|")


class Survey:
    """What there is to know about the rows of a CSV file.

    Attributes:
        header: Names of the columns, in order.
        plain: Whether every library splits the file in the same way; otherwise `rewritten` makes it so.
    """

    def __init__(self, header: list[str], plain: bool) -> None:
        self.header = header
        self.plain = plain


def survey(source: Any, name: str, separator: str, read: dict[str, Any]) -> Survey:
    """Count the fields of every row.

    Args:
        source: A path or the content, in UTF-8.
        name: The file's, for messages.
        separator: What stands between fields.
        read: Options of the source.

    Raises:
        Problem: A row has more or fewer fields than the header, a byte is no UTF-8, a column has no name of its own.
    """
    with _opened(source) as lines:
        records = _records(_bounded(lines, name), name, separator)
        header = next(((fields, odd) for _, fields, odd in records if fields), None)
        if header is None:
            raise Problem(
                "step.wrong-input",
                f"`{name}` is empty",
                "write a first line that names the columns, or name the file that has rows as `source`",
            )
        names = _names(header[0], name, separator, read)
        plain = not header[1]
        for line, fields, odd in records:
            if fields != len(names):
                if fields:
                    raise _miscounted(name, line, fields, names, separator)
                plain = False  # an empty line, which polars takes for a row
            plain = plain and not odd
    return Survey(names, plain)


def rewritten(source: Any, separator: str) -> bytes:
    """The same rows without empty lines and with quotes around every field that needs them."""
    target = io.StringIO()
    writer = csv.writer(target, delimiter=separator, lineterminator="\n")
    with _opened(source) as lines:
        writer.writerows(row for row in _rows((line.decode("utf-8-sig") for line in lines), separator) if row)
    return target.getvalue().encode()


def rows(source: Any, separator: str) -> Iterator[tuple[int, list[str]]]:
    """The rows of a file, header first, each with the number of its line."""
    with _opened(source) as lines:
        reader = _rows((line.decode("utf-8-sig") for line in lines), separator)
        start = 1
        for row in reader:
            if row:
                yield start, row
            start = reader.line_num + 1


def _bounded(lines: Any, name: str) -> Iterator[bytes]:
    """The lines of a file; one that does not end is not read into memory.

    Raises:
        Problem: A line is longer than any that a person could mean.
    """
    number = 0
    while line := lines.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(line) > MAX_LINE_BYTES:
            message = f"`{name}` line {number} is longer than {MAX_LINE_BYTES >> 20} MiB"
            raise Problem("step.wrong-input", message, "is it a CSV file, with a line for each row?")
        yield line


def _opened(source: Any) -> Any:
    return io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb")


def _rows(lines: Iterable[str], separator: str) -> Any:
    csv.field_size_limit(sys.maxsize)
    return csv.reader(lines, delimiter=separator)


def _records(lines: Iterable[bytes], name: str, separator: str) -> Iterator[tuple[int, Any, bool]]:
    """Line, fields and whether its quotes are unusual, of each row; the fields of the first by name, then their count.

    Most lines have no quotes, and their fields are counted without being made.
    """
    numbered = _Numbered(lines, name, separator)
    reader = _rows(numbered, separator)
    mark, sound = separator.encode(), _sound(separator)
    for line in numbered.raw():
        start = numbered.line
        if start > 1 and b'"' not in line:
            yield start, (line.count(mark) + 1 if line.strip(b"\r\n") else 0), False
            continue
        numbered.again(line)
        row = next(reader)
        text = numbered.decoded_as().rstrip("\r\n")
        numbered.header = numbered.header or row
        yield start, (row if start == 1 else len(row)), '"' in text and not sound.fullmatch(text)


def _sound(separator: str) -> re.Pattern[str]:
    """A row whose quotes stand around whole fields only."""
    field = f'(?:"(?:[^"]|"")*"|[^"{re.escape(separator)}]*)'
    return re.compile(f"{field}(?:{re.escape(separator)}{field})*")


class _Numbered:
    """Lines with their number; those of one row can be had as text once more."""

    def __init__(self, lines: Iterable[bytes], name: str, separator: str) -> None:
        self._lines = iter(lines)
        self._name, self._separator = name, separator
        self._pending: list[bytes] = []
        self._texts: list[str] = []
        self.line = 0
        self.header: list[str] = []

    def raw(self) -> Iterator[bytes]:
        for line in self._lines:
            self.line += 1
            if not line.isascii():
                self._decoded(line)
            yield line

    def again(self, line: bytes) -> None:
        self._pending.append(line)

    def decoded_as(self) -> str:
        texts, self._texts = self._texts, []
        return "".join(texts)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._pending:
            line = self._pending.pop()
        else:
            line = next(self._lines)
            self.line += 1
        text = self._decoded(line)
        self._texts.append(text)
        return text

    def _decoded(self, line: bytes) -> str:
        try:
            return line.decode("utf-8-sig" if self.line == 1 else "utf-8")
        except UnicodeDecodeError as error:
            before = line[: error.start].count(self._separator.encode())
            column = f"`{self.header[before]}`" if before < len(self.header) else str(before + 1)
            raise Problem(
                "step.wrong-input",
                f"`{self._name}` line {self.line}, column {column}: the byte 0x{line[error.start]:02x} is not UTF-8",
                "`read: {encoding: latin-1}` in falaj.yaml, or what it was written in",
            ) from None


def _names(header: list[str], name: str, separator: str, read: dict[str, Any]) -> list[str]:
    """The names in the header, each there once where it is read."""
    if len(header) == 1 and not read.get("separator"):
        guess = next((mark for mark in _GUESSES if mark in header[0] and mark != separator), "")
        if guess:
            shown = "\\t" if guess == "\t" else guess
            message = f"`{name}` line 1: the one column `{header[0]}`"
            raise Problem("step.wrong-input", message, f'`read: {{separator: "{shown}"}}` in falaj.yaml splits it')
    column_names = read.get("columns") or header
    for place, column in enumerate(header, 1):
        if column in column_names and (not column.strip() or header.count(column) > 1):
            what = f"`{column}` is there twice" if column.strip() else f"column {place} has no name"
            once = [each for each in header if each.strip() and header.count(each) == 1]
            hint = "give each column a name of its own in the file"
            if once:
                hint += f", or leave it out by `read: {{columns: [{', '.join(once)}]}}` in falaj.yaml"
            raise Problem("step.wrong-input", f"`{name}` line 1: {what}", hint)
    return header


def _miscounted(name: str, line: int, fields: int, names: list[str], separator: str) -> Problem:
    shown = ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")
    count = f"{fields} field{'s' if fields > 1 else ''}"
    guess = next((mark for mark in _GUESSES if mark != separator and any(mark in each for each in names)), "")
    hint = f"quote fields that hold `{separator}`, or mend the line"
    if guess:
        hint = f'`read: {{separator: "{guess}"}}` in falaj.yaml, if that stands between the fields'
    return Problem(
        "step.wrong-input", f"`{name}` line {line} has {count}, and its header names {len(names)}: {shown}", hint
    )
