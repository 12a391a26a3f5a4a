"""Reading snapshots to find whose data is in them: CSV, TSV and JSON lines, also gzipped or zipped, and Parquet.

Rows are read as a stream. What cannot be read is said, and never taken for a snapshot without people in it.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import PurePosixPath
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Any, BinaryIO

from falaj.control.compliance.errors import UnreadableError

if TYPE_CHECKING:
    from falaj.supply_chain.artifacts import ArtifactStore, Digest

Row = Mapping[str, Any]
_SEPARATORS = ",;\t|"
_TEXT = {".csv", ".tsv", ".txt", ".jsonl", ".ndjson"}
_BROKEN = (ValueError, EOFError, OSError, RuntimeError, zipfile.BadZipFile, zlib.error, csv.Error)
"""What readers raise for bytes that are not what the name says, or that are locked by a password."""


def rows_of(store: ArtifactStore, digest: Digest, filename: str, column: str) -> Iterator[Row]:
    """Every row of a snapshot that has something in a column.

    Args:
        store: Holds it.
        digest: The snapshot.
        filename: Its file name; the suffix says what it is. Files of a folder have their own.
        column: The column that says whose a row is.

    Raises:
        UnreadableError: The format is another one, the bytes are not of it, or there is no such column.
        ArtifactError: The snapshot is gone, erased or damaged.
    """
    for entry in store.manifest(digest).files:
        name = entry.path or filename
        with store.open(digest, entry.path) as file:
            try:
                yield from _rows(file, name, column)
            except _BROKEN as error:
                raise UnreadableError(f"{name} cannot be read: {type(error).__name__}") from error


def subject_of(row: Row, column: str) -> str:
    """Whose a row is, as text; empty when it does not say."""
    value = row.get(column)
    return "" if value is None else str(value).strip()


def _rows(file: BinaryIO, name: str, column: str) -> Iterator[Row]:
    path = PurePosixPath(name)
    match path.suffix.lower():
        case ".gz":
            with gzip.open(file) as inner:
                yield from _rows(inner, path.stem, column)  # type: ignore[arg-type]
        case ".zip":
            with _spooled(file) as whole, zipfile.ZipFile(whole) as archive:
                for member in archive.namelist():
                    if not member.endswith("/"):
                        with archive.open(member) as inner:
                            yield from _rows(inner, member, column)  # type: ignore[arg-type]
        case ".parquet":
            yield from _parquet(file, name, column)
        case suffix if suffix in _TEXT:
            text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
            yield from _json_lines(text, name, column) if suffix in (".jsonl", ".ndjson") else _csv(text, name, column)
        case _:
            hint = "CSV, TSV, JSON lines and Parquet can be searched"
            raise UnreadableError(f"a file of this kind cannot be searched for people: {name}", hint=hint)


def _csv(text: Iterable[str], name: str, column: str) -> Iterator[Row]:
    """Rows by the separator under which the header has the column."""
    lines = iter(text)
    header = next(lines, "")
    separator = next((each for each in _SEPARATORS if column in next(csv.reader([header], delimiter=each), [])), "")
    if not separator:
        raise _without(name, column)
    names = next(csv.reader([header], delimiter=separator))
    for row in csv.DictReader(lines, names, delimiter=separator):
        yield {key: value for key, value in row.items() if key is not None}


def _json_lines(text: Iterable[str], name: str, column: str) -> Iterator[Row]:
    has_column = False
    for line in text:
        row = json.loads(line) if line.strip() else {}
        has_column |= column in row
        yield row
    if not has_column:
        raise _without(name, column)


def _parquet(file: BinaryIO, name: str, column: str) -> Iterator[Row]:
    try:
        import pyarrow.parquet as parquet
    except ModuleNotFoundError:
        raise UnreadableError(
            f"searching {name} needs pyarrow", hint="install pyarrow where the worker and the server run"
        ) from None
    with _spooled(file) as whole:
        table = parquet.ParquetFile(whole)
        if column not in table.schema_arrow.names:
            raise _without(name, column)
        for batch in table.iter_batches():
            yield from batch.to_pylist()


@contextmanager
def _spooled(file: BinaryIO) -> Iterator[IO[bytes]]:
    """A copy that can be read from any place; it has no name, and is gone when it is closed."""
    with TemporaryFile() as whole:
        while chunk := file.read(1 << 20):
            whole.write(chunk)
        whole.seek(0)
        yield whole


def _without(name: str, column: str) -> UnreadableError:
    return UnreadableError(f"{name} has no column `{column}`", hint="`subject_key` in falaj.yaml names the column")
