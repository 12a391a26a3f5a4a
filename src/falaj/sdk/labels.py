"""Files of labels: CSV, JSON lines or Parquet with the columns prediction_id, label and, if it is known, at."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from falaj.core.errors import MissingExtraError, UsageError

_LONGEST_ID = 128
_COLUMNS = ("prediction_id", "label", "at")


class LabelFileError(UsageError):
    """A file of labels has a mistake; nothing of it was sent."""

    code = "feedback.file"


@dataclass(frozen=True, slots=True)
class Label:
    """What really happened.

    Args:
        prediction_id: The id of the answer that it is about.
        label: A number, text or truth value; for an answer of several rows a list with one (or None) for each.
        at: When it was known: Unix seconds, or a date and time with an offset as in RFC 3339; None for now.
    """

    prediction_id: str
    label: Any
    at: float | str | None = None

    def to_json(self) -> dict[str, Any]:
        """As an endpoint takes it."""
        document = {"prediction_id": self.prediction_id, "label": self.label}
        return document if self.at is None else document | {"at": self.at}


def read_labels(path: Path) -> Iterator[Label]:
    """Read a file of labels, one after the other.

    Args:
        path: Its ending says what it is: `.csv`, `.jsonl` or `.ndjson`, `.parquet`.

    Raises:
        LabelFileError: Naming line and column of the first mistake.
        MissingExtraError: Parquet cannot be read here.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise LabelFileError(
            f"what is in '{path.name}' cannot be told from its name", hint=f"use one of {', '.join(_READERS)}"
        )
    try:
        for line, row in reader(path):
            yield _label(row, line, path)
    except OSError as error:
        raise LabelFileError(f"cannot read the labels: {error.strerror}", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise LabelFileError("the file is not UTF-8 text", where=str(path)) from error


def batches(labels: Iterable[Label], size: int) -> Iterator[Sequence[Label]]:
    """Labels in groups of at most a size."""
    batch: list[Label] = []
    for label in labels:
        batch.append(label)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _csv(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file, strict=True)
        try:
            _require_columns(reader.fieldnames or (), path)
            for row in reader:
                if None in row or None in row.values():
                    raise _mistake("it has another number of columns than the head", reader.line_num, "", path)
                yield reader.line_num, {name: _value(name, text) for name, text in row.items()}
        except csv.Error as error:
            raise _mistake(f"it is not CSV: {error}", reader.reader.line_num, "", path) from error


def _value(name: str, text: str) -> Any:
    """A label that reads as a JSON number, truth value or list is one; whatever does not is text."""
    if name == "prediction_id":
        return text
    if not text:
        return None
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if name == "at" or isinstance(value, bool | int | float | list) else text


def _json_lines(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    with path.open(encoding="utf-8") as file:
        for number, text in enumerate(file, start=1):
            if not text.strip():
                continue
            try:
                row = json.loads(text)
            except ValueError as error:
                raise _mistake(f"it is not JSON: {error}", number, "", path) from error
            if not isinstance(row, dict):
                raise _mistake("it is not a JSON object", number, "", path)
            if unknown := row.keys() - set(_COLUMNS):
                raise _mistake("there is no such column", number, min(unknown), path)
            yield number, row


def _parquet(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtraError("parquet", "reading labels from Parquet") from error
    from pyarrow.lib import ArrowInvalid

    try:
        file = parquet.ParquetFile(path)
    except ArrowInvalid as error:
        raise LabelFileError(f"it is not Parquet: {error}", where=str(path)) from error
    with file:
        _require_columns(file.schema_arrow.names, path)
        number = 0
        for part in file.iter_batches():
            for row in part.to_pylist():
                number += 1
                yield number, row


_READERS: Mapping[str, Callable[[Path], Iterator[tuple[int, Mapping[str, Any]]]]] = {
    ".csv": _csv,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".parquet": _parquet,
}


def _require_columns(names: Sequence[str], path: Path) -> None:
    for name in _COLUMNS[:2]:
        if name not in names:
            raise _mistake("the column is missing", 1, name, path)
    for name in names:
        if name not in _COLUMNS or list(names).count(name) > 1:
            raise _mistake("there is no such column" if name not in _COLUMNS else "it is there twice", 1, name, path)


def _label(row: Mapping[str, Any], line: int, path: Path) -> Label:
    name, label, at = row.get("prediction_id"), row.get("label"), row.get("at")
    if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_ID:
        raise _mistake(f"an id is a text of 1 to {_LONGEST_ID} characters", line, "prediction_id", path)
    values = label if isinstance(label, list) else [label]
    if all(value is None for value in values):
        raise _mistake("there is no label", line, "label", path)
    if not all(value is None or isinstance(value, bool | int | float | str) for value in values):
        raise _mistake("a label is a number, text, truth value, or a list of them", line, "label", path)
    if any(isinstance(value, float) and value - value != 0 for value in values):
        raise _mistake("a label is a finite number", line, "label", path)
    return Label(name, label, _time(at, line, path))


def _time(at: Any, line: int, path: Path) -> float | str | None:
    problem = "it is neither Unix seconds nor a date and time with an offset, such as 2026-12-05T09:00:00+04:00"
    if isinstance(at, str):
        try:
            at = datetime.fromisoformat(at)
        except ValueError as error:
            raise _mistake(problem, line, "at", path) from error
    if isinstance(at, datetime):
        if at.tzinfo is None:
            raise _mistake(problem, line, "at", path)
        return at.timestamp()
    if at is not None and (isinstance(at, bool) or not isinstance(at, int | float) or not 0 <= at < 1e11):
        raise _mistake(problem, line, "at", path)
    return None if at is None else float(at)


def _mistake(what: str, line: int, column: str, path: Path) -> LabelFileError:
    place = f"{path}:{line}" + (f", column {column}" if column else "")
    return LabelFileError(what, where=place, hint="correct it and import the file again; nothing of it was sent")
