"""Reading a segment in columns."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from falaj.core.errors import FalajError
from falaj.dataplane.prediction_log.columnar.decoding import RowGroup
from falaj.dataplane.prediction_log.columnar.layout import ID, OFFSET, Layout, arrow_and_parquet
from falaj.dataplane.prediction_log.format import LogFormatError, Raw
from falaj.dataplane.prediction_log.segment_encryption import LogKeys
from falaj.dataplane.prediction_log.segment_paths import SEALED_COLUMNS
from falaj.dataplane.prediction_log.wal_segment import require_clear, require_keys
from falaj.supply_chain.encryption.sealed_file import SealedFile

_AT_ONCE, _AROUND = 1_000, 64
"""So many records are made at once: of those that follow each other, and of those around one that is asked for."""


class ColumnarSegment:
    """A Parquet file that was made of a segment; see `Segment`. One row group is held in memory.

    Args:
        path: Of the file.
        file: Its descriptor, which is closed with this.
        keys: For encrypted segments.
        sealed: Whether it is encrypted; by default its name says so.

    Raises:
        LogFormatError: It is none, or is damaged.
        LogSealedError: As for `open_segment`.
        DamagedCiphertextError: It is not what was written under this name.
        KeyGoneError: Its data key was destroyed.
        MissingExtraError: Parquet cannot be read here.
    """

    def __init__(self, path: Path, file: int, keys: LogKeys | None, *, sealed: bool | None = None) -> None:
        _, parquet = arrow_and_parquet()
        self._path, self._file = path, file
        sealed = path.suffix == SEALED_COLUMNS if sealed is None else sealed
        source = _sealed(path, file, keys) if sealed else _clear(path, file, keys)
        with self._undamaged():
            self._parquet = parquet.ParquetFile(source, page_checksum_verification=True, pre_buffer=False)
            self._layout = Layout.from_metadata(self._parquet.schema_arrow.metadata or {})
            self._firsts = self._first_places()
        self.header, self.start = self._layout.header, self._layout.start
        if sealed != (self.header.seal is not None):
            raise LogFormatError("the segment's form is not that of its records", where=str(path))
        self._cached: tuple[int, RowGroup] | None = None
        self._near: dict[int, Raw] = {}

    @property
    def newest_ns(self) -> int:
        """Time of the newest record, Unix nanoseconds; 0 when there is none."""
        return self._layout.newest_ns

    def __enter__(self) -> ColumnarSegment:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def records(self, place: int) -> Iterator[Raw]:
        """See `Segment`."""
        for index in range(self._index(place), len(self._firsts)):
            group = self._group(index)
            number = group.number(place)
            while group.place(number) >= 0:
                yield from self._records(group, number, _AT_ONCE).values()
                number += _AT_ONCE

    def read(self, place: int) -> Raw | None:
        """See `Segment`."""
        if place not in self._near:
            if not self._firsts:
                return None
            group = self._group(self._index(place))
            number = group.number(place)
            if group.place(number) != place:
                return None
            self._near = self._records(group, number - number % _AROUND, _AROUND)
        return self._near[place]

    def find(self, request_id: str) -> Iterator[Raw]:
        """See `Segment`."""
        for index in reversed(range(len(self._firsts))):
            for place in reversed(self._places_of(index, request_id)):
                if (raw := self.read(place)) is not None:
                    yield raw

    def gone(self) -> bool:
        """See `Segment`."""
        return os.fstat(self._file).st_nlink == 0

    def forget(self) -> None:
        """See `Segment`."""
        self._cached, self._near = None, {}

    def close(self) -> None:
        """See `Segment`."""
        self.forget()
        self._parquet.close()
        os.close(self._file)

    def _places_of(self, index: int, request_id: str) -> list[int]:
        """Where the records of a request lie in a row group."""
        import pyarrow.compute as compute

        with self._undamaged():
            ids = self._parquet.read_row_group(index, columns=[ID], use_threads=False)[ID]
            mine = compute.indices_nonzero(compute.equal(ids, request_id)).to_pylist()
            return self._group(index).places_of(mine) if mine else []

    def _records(self, group: RowGroup, number: int, count: int) -> dict[int, Raw]:
        with self._undamaged():
            return group.records(number, count)

    def _index(self, place: int) -> int:
        """The row group that a place is in, or is behind."""
        return max(0, bisect_right(self._firsts, place) - 1)

    def _group(self, index: int) -> RowGroup:
        if self._cached is None or self._cached[0] != index:
            self._cached = None  # before the next one is read, so that there are never two
            end = self._firsts[index + 1] if index + 1 < len(self._firsts) else self._layout.end
            with self._undamaged():
                table = self._parquet.read_row_group(index, use_threads=False)
                group = RowGroup(self._layout, table, end)
            if group.place(0) != self._firsts[index]:
                raise LogFormatError("the segment's index is damaged", where=str(self._path))
            self._cached = index, group
        return self._cached[1]

    def _first_places(self) -> list[int]:
        """Where the first record of each row group lies."""
        metadata, column = self._parquet.metadata, self._parquet.schema_arrow.get_field_index(OFFSET)
        groups = (metadata.row_group(index) for index in range(metadata.num_row_groups))
        return [group.column(column).statistics.min for group in groups]

    @contextmanager
    def _undamaged(self) -> Iterator[None]:
        """What breaks the decoding of a file is damage to it, whatever the library calls it."""
        try:
            yield
        except (FalajError, MemoryError):
            raise
        except Exception as error:
            raise LogFormatError(f"the segment's columns are damaged: {error}", where=str(self._path)) from error


def sealed_name(path: Path) -> str:
    """The name under which the columns of a segment are encrypted."""
    return f"prediction-log/{path.name.partition('.')[0]}"


def _sealed(path: Path, file: int, keys: LogKeys | None) -> Any:
    return SealedFile(file, require_keys(keys, path).find, sealed_name(path))


def _clear(path: Path, file: int, keys: LogKeys | None) -> Any:
    require_clear(keys, path)
    return os.fdopen(file, "rb", closefd=False)
