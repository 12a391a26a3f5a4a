"""Where the rows of a CSV file lie, found in the same pass that digests it, so that parts are read side by side.

A row ends at a line feed that is not between quotes (RFC 4180). A quote in the middle of a field would shift all that
follows; whoever reads a part counts its rows again and refuses such a file.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from falaj.dataplane.scoring.errors import ScoringInputError
from falaj.dataplane.scoring.records import CsvLayout, CsvSpan

_BLOCK_BYTES = 4 << 20
_LINE_FEED, _QUOTE, _RETURN = 10, 34, 13
_BOM = b"\xef\xbb\xbf"
_MAX_HEADER_BYTES = 1 << 20
_OTHER_SEPARATORS = (";", "\t", "|")


def digest_of(path: Path) -> str:
    """SHA-256 of a file in hex."""
    hasher = hashlib.sha256()
    for block in _blocks(path):
        hasher.update(block)
    return hasher.hexdigest()


def read_layout(path: Path, separator: str, part_rows: int) -> tuple[CsvLayout, str]:
    """The layout of a CSV file in UTF-8, and the SHA-256 of its bytes in hex.

    Args:
        path: The file.
        separator: What stands between fields.
        part_rows: Most rows of a span.

    Raises:
        ScoringInputError: There is no header, or it does not name each column once.
    """
    rows, hasher = _RowEnds(part_rows), hashlib.sha256()
    for block in _blocks(path):
        hasher.update(block)
        rows.add(block)
    header_end, spans = rows.finish()
    header = _header(path, header_end, separator)
    return CsvLayout(header, separator, rows.quoted, spans), hasher.hexdigest()


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb", buffering=0) as file:
        while block := file.read(_BLOCK_BYTES):
            yield block


class _RowEnds:
    """Follows the ends of rows through the blocks of a file, and cuts it every so many rows.

    Args:
        part_rows: Most rows of a span.
    """

    def __init__(self, part_rows: int) -> None:
        self._part_rows = part_rows
        self._spans: list[CsvSpan] = []
        self._header_end = -1
        self._start = self._rows = 0
        self._offset = self._last_end = 0
        self._last_byte = _LINE_FEED
        self._inside = 0
        self.quoted = False

    def add(self, block: bytes) -> None:
        """Take the next block."""
        data = np.frombuffer(block, np.uint8)
        ends = self._ends(data, block)
        if len(ends):
            self._take(ends, data)
        self._offset += len(block)
        self._last_byte = block[-1]

    def finish(self) -> tuple[int, tuple[CsvSpan, ...]]:
        """The end of the header, and the spans of all rows behind it."""
        if self._offset > self._last_end:  # the last line has no end
            self._count(np.array([self._offset]))
        if self._rows:
            self._spans.append(CsvSpan(self._start, self._offset, self._rows))
        return max(self._header_end, 0), tuple(self._spans)

    def _ends(self, data: np.ndarray[Any, Any], block: bytes) -> np.ndarray[Any, Any]:
        """Places of the line feeds that end a row."""
        if b'"' not in block:
            return np.flatnonzero(data == _LINE_FEED) if not self._inside else np.empty(0, np.intp)
        self.quoted = True
        inside = (np.cumsum(data == _QUOTE, dtype=np.int64) + self._inside) & 1
        self._inside = int(inside[-1])
        return np.flatnonzero((data == _LINE_FEED) & (inside == 0))

    def _take(self, ends: np.ndarray[Any, Any], data: np.ndarray[Any, Any]) -> None:
        """Leave out empty lines, and count the others."""
        before = np.where(ends > 0, data[ends - 1], self._last_byte)
        behind = ends + self._offset + 1
        lengths = np.diff(behind, prepend=self._last_end)
        empty = (lengths == 1) | ((lengths == 2) & (before == _RETURN))
        self._last_end = int(behind[-1])
        self._count(behind[~empty])

    def _count(self, behind: np.ndarray[Any, Any]) -> None:
        if self._header_end < 0 and len(behind):
            self._header_end = self._start = int(behind[0])
            behind = behind[1:]
        while len(behind) >= (free := self._part_rows - self._rows):
            end = int(behind[free - 1])
            self._spans.append(CsvSpan(self._start, end, self._part_rows))
            self._start, self._rows, behind = end, 0, behind[free:]
        self._rows += len(behind)


def _header(path: Path, end: int, separator: str) -> tuple[str, ...]:
    with path.open("rb") as file:
        data = file.read(min(end, _MAX_HEADER_BYTES))
    try:
        text = data.removeprefix(_BOM).decode()
    except UnicodeDecodeError:
        raise ScoringInputError("the header is not UTF-8", where=f"{path}:1", hint="write the file in UTF-8") from None
    names = next((row for row in csv.reader(text.splitlines(keepends=True), delimiter=separator) if row), [])
    if not names:
        raise ScoringInputError("the file is empty; its first line names the columns", where=str(path))
    guess = next((mark for mark in _OTHER_SEPARATORS if len(names) == 1 and mark in names[0]), "")
    if guess:
        shown = "'\\t'" if guess == "\t" else f"'{guess}'"
        raise ScoringInputError(
            f"the header is one column, {names[0]!r}", where=f"{path}:1", hint=f"--separator {shown}"
        )
    return tuple(names)
