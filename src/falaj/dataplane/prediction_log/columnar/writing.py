"""The bytes of a segment in columns, as they are made."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping

from falaj.dataplane.prediction_log.columnar.encoding import columns_of
from falaj.dataplane.prediction_log.columnar.layout import Layout, arrow_and_parquet, encodings
from falaj.dataplane.prediction_log.columnar.schema_inference import batches
from falaj.dataplane.prediction_log.segment import LogSegment

GROUP_RECORDS, GROUP_BYTES = 8_192, 2 << 20
"""A row group holds so many records at most, and about so many bytes as they were written."""


class _Sink(io.RawIOBase):
    """Where Parquet is written to, and taken from between two row groups."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        self._parts.append(bytes(data))  # type: ignore[call-overload]
        return len(self._parts[-1])

    def take(self) -> bytes:
        chunk, self._parts = b"".join(self._parts), []
        return chunk


def pieces_of(
    segment: LogSegment, layout: Layout, provenance: Mapping[str, str], pause: Callable[[], None] = lambda: None
) -> Iterator[bytes]:
    """A Parquet file of all records of a segment, a row group at a time.

    Args:
        segment: That nothing is added to.
        layout: Of the file.
        provenance: What it says of itself.
        pause: Called after each row group.

    Raises:
        MissingExtraError: Parquet cannot be written here.
    """
    arrow, parquet = arrow_and_parquet()
    schema, sink = layout.schema(provenance), _Sink()
    options = encodings(schema) | {"compression": "zstd", "compression_level": 3, "write_page_checksum": True}
    place = segment.start
    with parquet.ParquetWriter(sink, schema, **options) as writer:
        for group in batches(segment.records(place), GROUP_RECORDS, GROUP_BYTES, place):
            table = columns_of(layout, group, place)
            arrays = [arrow.array(table[field.name], type=field.type, from_pandas=False) for field in schema]
            writer.write_table(arrow.Table.from_arrays(arrays, schema=schema), row_group_size=len(table["row"]) + 1)
            place = group[-1].end
            yield sink.take()
            pause()
    yield sink.take()
