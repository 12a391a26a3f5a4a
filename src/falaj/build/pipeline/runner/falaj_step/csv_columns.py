"""What `read:` says of the columns of a CSV file, and which value is not what it should be."""

from __future__ import annotations

import re

from .csv_survey import rows
from .problem import Problem

TYPE_CHECKING = False  # `typing` takes longer to import than Python to start
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

INFERRED_FROM = 10_000
"""Rows that tell of which type a column is where `read:` does not say it."""

TRUE, FALSE = ("true", "1", "yes"), ("false", "0", "no")
_SPACES = "[ \u00a0\u202f]"
_CLOCK = re.compile(r"%[HIMSfXcTpsR]")


class Columns:
    """The columns to read and how.

    Attributes:
        header: Names of all columns.
        selected: Those to read, in order; None for all.
        types: `text`, `int`, `float`, `bool`, `date` or `datetime` by column, where `read:` says it.
        formats: The form of dates by column.
        number: How numbers are written.
        by_hand: Whether the libraries read text only, because not each of them knows how numbers are written here.
    """

    def __init__(self, header: list[str], read: dict[str, Any], name: str) -> None:
        self.header = header
        self.selected: list[str] | None = read.get("columns")
        self.types: dict[str, str] = dict(read.get("types") or {})
        self.formats: dict[str, str] = dict(read.get("dates") or {})
        for column, form in self.formats.items():
            self.types.setdefault(column, "datetime" if _CLOCK.search(form) else "date")
        self.number = Number(read.get("decimal") or ".", read.get("thousands") or "")
        self.by_hand = bool(read.get("thousands")) or self.number.decimal != "."
        for option, names in (("columns", self.selected or ()), ("types", self.types), ("dates", self.formats)):
            _require(names, header, name, option)
        if self.selected is not None:
            self.types = {column: kind for column, kind in self.types.items() if column in self.selected}

    @property
    def names(self) -> list[str]:
        """The columns to read."""
        return self.header if self.selected is None else self.selected

    @property
    def as_text(self) -> list[str]:
        """The columns that libraries read as text; `types` or what is in them says what becomes of them."""
        return self.names if self.by_hand else [*self.types]

    @property
    def undeclared(self) -> list[str]:
        """The columns of which `read:` says no type."""
        return [name for name in self.names if name not in self.types]

    def require_one_type(self, name: str, rows: int, first: int, numbers: bool) -> None:
        """Refuse a column that is text only because of a value far down.

        Args:
            name: The column, which came out as text.
            rows: Rows of the table.
            first: Values among the first rows, from which types are inferred.
            numbers: Whether each of those is a number.
        """
        if rows > INFERRED_FROM and first and numbers:
            raise ValueError(f"column {name} begins with numbers and goes on with text")

    def kind(self, column: str, texts: Any) -> str:
        """The type of a column that is read as text.

        Args:
            column: Its name.
            texts: Asks of a pattern whether all values that are there match it.
        """
        if column in self.types:
            return self.types[column]
        patterns = {"int": self.number.whole, "float": self.number.any, "bool": "(?i:true|false)"}
        return next((kind for kind, pattern in patterns.items() if texts(f"^(?:{pattern})$")), "text")


class Number:
    """How numbers are written.

    Attributes:
        decimal: The decimal mark.
        group: Pattern of what stands between groups of three digits; empty for nothing.
        whole: Pattern of a whole number.
        any: Pattern of any number.
        only: Pattern of a text that is a number and nothing else.
    """

    def __init__(self, decimal: str, thousands: str) -> None:
        self.decimal = decimal
        self.group = _SPACES if thousands == " " else re.escape(thousands)
        grouped = rf"\d{{1,3}}(?:{self.group}\d{{3}})+|" if thousands else ""
        mark = re.escape(decimal)
        self.whole = rf"[+-]?(?:{grouped}\d+)"
        self.any = rf"[+-]?(?:(?:{grouped}\d+)(?:{mark}\d*)?|{mark}\d+)(?:[eE][+-]?\d+)?|[+-]?(?i:inf|infinity|nan)"
        self.only = f"^(?:{self.any})$"


def explanation(source: Any, name: str, separator: str, columns: Columns, nulls: list[str]) -> Problem | None:
    """The first value that is not of its column's type; None when each is.

    Args:
        source: A path or the content, in UTF-8.
        name: The file's.
        separator: What stands between fields.
        columns: Columns and their types.
        nulls: Texts that stand for a missing value.
    """
    read = rows(source, separator)
    next(read)
    first, whole = [], False
    for entry in read:
        first.append(entry)
        if len(first) == INFERRED_FROM:
            break
    else:
        whole = True
    tests = _tests(columns, [row for _, row in first], set(nulls), whole)
    for line, row in _chain(first, read):
        for place, (column, kind, pattern) in tests.items():
            value = row[place]
            if value not in nulls and not _matches(value, kind, pattern, columns.formats.get(column)):
                return _misfit(name, line, column, value, kind)
    return None


def _chain(first: Iterable[Any], rest: Iterable[Any]) -> Iterable[Any]:
    yield from first
    yield from rest


def _tests(
    columns: Columns, first: list[list[str]], nulls: set[str], whole: bool
) -> dict[int, tuple[str, str, re.Pattern[str] | None]]:
    """Place of each column whose values are all of one type, its name, the type and the pattern of the values."""
    patterns = {"int": columns.number.whole, "float": columns.number.any, "bool": "(?i:true|false|1|0|yes|no)"}
    column_tests = {}
    for place, column in enumerate(columns.header):
        if column not in columns.names:
            continue
        kind = columns.types.get(column)
        if kind is None and not whole:
            texts = [row[place] for row in first if row[place] not in nulls]
            kind = columns.kind(column, lambda pattern, texts=texts: bool(texts) and _all(pattern, texts))
        if kind not in (None, "text"):
            pattern = patterns.get(kind)
            column_tests[place] = (column, kind, re.compile(f"^(?:{pattern})$") if pattern else None)
    return column_tests


def _all(pattern: str, texts: list[str]) -> bool:
    matches = re.compile(pattern).match
    return all(map(matches, texts))


def _matches(value: str, kind: str, pattern: re.Pattern[str] | None, form: str | None) -> bool:
    if pattern is not None:
        return pattern.match(value) is not None
    from datetime import date, datetime

    try:
        if form is not None:
            datetime.strptime(value, form)  # noqa: DTZ007 - whether it can be read is all that is asked
        elif kind == "date":
            date.fromisoformat(value)
        else:
            datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


_WORDS = {"int": "whole number", "float": "number", "bool": "truth value", "date": "date", "datetime": "time"}


def _misfit(name: str, line: int, column: str, value: str, kind: str) -> Problem:
    shown = value if len(value) <= 40 else value[:37] + "..."
    better = "float" if kind == "int" and re.fullmatch(Number(".", "").any, value) else "text"
    quoted = column if re.fullmatch(r"[A-Za-z_]\w*", column) else '"' + column.replace('"', '\\"') + '"'
    hint = f"`read: {{types: {{{quoted}: {better}}}}}` in falaj.yaml, or mend the line"
    if kind in ("date", "datetime"):
        hint = f'`read: {{dates: {{{quoted}: "%d.%m.%Y"}}}}` in falaj.yaml says how it is written, or mend the line'
    return Problem(
        "step.wrong-input", f"`{name}` line {line}, column `{column}`: `{shown}` is not a {_WORDS[kind]}", hint
    )


def _require(names: Iterable[str], header: list[str], name: str, option: str) -> None:
    for column in names:
        if column not in header:
            shown = ", ".join(header[:12]) + (", ..." if len(header) > 12 else "")
            message = f"`{name}` has no column `{column}`, which `read: {option}` names"
            raise Problem("step.wrong-input", message, f"it has {shown}")
