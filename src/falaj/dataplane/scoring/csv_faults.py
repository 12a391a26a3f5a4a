"""Which line and column of a CSV file is to blame: a second, slow look at a part that could not be read."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from falaj.dataplane.scoring.errors import ScoringInputError
from falaj.dataplane.scoring.records import CsvLayout, RowBatch
from falaj.models.signature import ModelFeature

NULLS = ("", "NA")
"""Texts that stand for a missing value, as in the sources of a project."""
TRUE, FALSE = ("true", "True", "TRUE", "1"), ("false", "False", "FALSE", "0")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?(?i:inf|infinity|nan)")


def csv_fault(
    path: Path, layout: CsvLayout, part: RowBatch, features: Mapping[str, ModelFeature]
) -> ScoringInputError | None:
    """The first fault of a part, as one line with file, line and column; None where each field can be read.

    Args:
        path: The file.
        layout: Its columns.
        part: The rows to look at.
        features: The model's columns by name.
    """
    for line, fields in _rows(path, layout, part):
        if isinstance(fields, ScoringInputError):
            return fields
        if len(fields) != len(layout.header):
            message = f"{_counted(len(fields), 'field')}, and the header names {len(layout.header)} columns"
            hint = f"quote fields that hold {layout.separator!r} or quotes, or mend the line"
            return ScoringInputError(message, where=f"{path}:{line}", hint=hint)
        for name, text in zip(layout.header, fields, strict=True):
            if name in features and (wrong := _misfit(text, features[name])):
                return ScoringInputError(f"column {name!r}: {wrong}", where=f"{path}:{line}")
    return None


def line_of_row(path: Path, layout: CsvLayout, part: RowBatch, row: int) -> int:
    """The line of a row of a part."""
    lines = (line for line, _ in _rows(path, layout, part))
    return next((line for number, line in enumerate(lines) if number == row), 0)


def _rows(path: Path, layout: CsvLayout, part: RowBatch) -> Iterator[tuple[int, list[str] | ScoringInputError]]:
    """The rows of a part with the lines on which they begin."""
    with path.open("rb") as file:
        first, data = _line_at(path, part.start), _span(file, part)
    texts = _Lines(path, layout, first, data)
    reader = csv.reader(texts, delimiter=layout.separator)
    try:
        for fields in reader:
            if fields:
                yield texts.started, fields
            texts.started = texts.line + 1
    except ScoringInputError as error:
        yield texts.line, error


class _Lines:
    """The lines of a part as text, with their numbers."""

    def __init__(self, path: Path, layout: CsvLayout, first: int, data: bytes) -> None:
        self._path, self._layout = path, layout
        self._lines = iter(data.splitlines(keepends=True))
        self.line, self.started = first - 1, first

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.line += 1
        try:
            return line.decode()
        except UnicodeDecodeError as error:
            place = line[: error.start].count(self._layout.separator.encode())
            name = self._layout.header[min(place, len(self._layout.header) - 1)]
            message = f"column {name!r}: the byte 0x{line[error.start]:02x} is not UTF-8"
            where = f"{self._path}:{self.line}"
            raise ScoringInputError(message, where=where, hint="write the file in UTF-8") from None


def _span(file: object, part: RowBatch) -> bytes:
    file.seek(part.start)  # type: ignore[attr-defined]
    data: bytes = file.read(part.end - part.start)  # type: ignore[attr-defined]
    return data


def _line_at(path: Path, offset: int) -> int:
    """The number of the line that begins at an offset."""
    line, remaining = 1, offset
    with path.open("rb") as file:
        while remaining and (block := file.read(min(remaining, 1 << 22))):
            line += block.count(b"\n")
            remaining -= len(block)
    return line


def _misfit(text: str, feature: ModelFeature) -> str:
    """Why a text is no value of a feature; empty when it is one."""
    if text in NULLS:
        return "a value is missing, and the model needs one" if feature.required else ""
    if feature.kind == "string":
        return ""
    shown = repr(text if len(text) <= 40 else text[:37] + "...")
    if feature.kind == "boolean":
        return "" if text in (*TRUE, *FALSE) else f"{shown} is neither true nor false"
    return "" if _NUMBER.fullmatch(text) else f"{shown} is not a number"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
