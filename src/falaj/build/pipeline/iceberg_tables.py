"""Data sources that are Iceberg tables: one snapshot becomes one Parquet file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.fs as pafs
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.io.pyarrow import ArrowScan, schema_to_pyarrow
from pyiceberg.table import DataScan, FileScanTask, StaticTable

from falaj.build.pipeline.connections import OpenConnection
from falaj.build.pipeline.errors import SourceError
from falaj.build.pipeline.lakes import TablePlace, TableVersion, keep, place_of, unreadable
from falaj.build.pipeline.sources import SourceChangedError, SourceSnapshot, pinned, unchanged
from falaj.config.spec import SourceSpec
from falaj.core.errors import FalajError

if TYPE_CHECKING:
    from falaj.supply_chain.artifacts import ArtifactStore

_FILE_IO = "pyiceberg.io.pyarrow.PyArrowFileIO"
_METADATA = re.compile(r"v?(\d+)(-[0-9a-f-]+)?\.metadata\.json")


def snapshot(
    source: SourceSpec, connection: OpenConnection | None, worktree: Path, store: ArtifactStore
) -> SourceSnapshot:
    """Pin the snapshot that `at` names, or the current one; one that was read before is not read again.

    Args:
        source: `iceberg://CONNECTION/PATH`, the folder that has `metadata/`.
        connection: To the lake.
        worktree: Not needed.
        store: Where the snapshot goes.

    Raises:
        SourceError: There is no such table or snapshot, or its files are gone.
    """
    del worktree
    place = place_of(source, connection)

    def attempt() -> SourceSnapshot:
        try:
            table = _open(source, place)
            number = _number(source, table, place)
            return pinned(
                store, source.source, _state(source, table, number), lambda: _read(source, table, place, number, store)
            )
        except (FalajError, SourceChangedError):
            raise
        except Exception as error:  # the library's errors have no base of their own
            raise unreadable(source, place, error) from error

    return unchanged(source, attempt)


def state_of(source: SourceSpec, connection: OpenConnection | None) -> str:
    """A text that changes with every snapshot of a table.

    Raises:
        SourceError: There is no such table.
    """
    place = place_of(source, connection)
    table = _open(source, place)
    return _state(source, table, _number(source, table, place))


def _state(source: SourceSpec, table: StaticTable, number: int) -> str:
    """The newest snapshot is read with the columns as they are called now, an older one as they were."""
    schema = table.metadata.current_schema_id if source.at is None else ""
    return f"{table.metadata.table_uuid} {number} {schema}"


def _open(source: SourceSpec, place: TablePlace) -> StaticTable:
    """The table by its newest metadata."""
    try:
        return StaticTable.from_metadata(_newest_metadata(source, place), _properties(place))
    except (NoSuchTableError, OSError, pa.ArrowException) as error:
        raise unreadable(source, place, error) from error


def _newest_metadata(source: SourceSpec, place: TablePlace) -> str:
    """The metadata file with the highest number; two of them are what a writer left that did not commit."""
    filesystem, folder = _filesystem(place)
    selector = pafs.FileSelector(f"{folder}/metadata", allow_not_found=True)
    numbered = [
        (int(match.group(1)), each.base_name)
        for each in filesystem.get_file_info(selector)
        if (match := _METADATA.fullmatch(each.base_name))
    ]
    if not numbered:
        raise SourceError(
            f"data source `{source.name}`: there is no Iceberg table",
            where=place.url,
            hint="the folder with `metadata/`",
        )
    newest = [name for number, name in numbered if number == max(numbered)[0]]
    if len(newest) > 1:
        raise SourceError(
            f"data source `{source.name}`: two metadata files have the number {max(numbered)[0]}",
            where=place.url, hint="remove the one that the catalogue does not name",
        )  # fmt: skip
    return f"{place.url}/metadata/{newest[0]}"


def _filesystem(place: TablePlace) -> tuple[pafs.FileSystem, str]:
    if place.bucket is None:
        return pafs.LocalFileSystem(), place.url
    key, secret = place.keys or (None, None)
    options = {"endpoint_override": place.bucket.endpoint} if place.bucket.endpoint else {}
    filesystem = pafs.S3FileSystem(access_key=key, secret_key=secret, region=place.bucket.region, **options)
    return filesystem, place.url.removeprefix("s3://")


def _properties(place: TablePlace) -> dict[str, str]:
    if place.bucket is None:
        return {"py-io-impl": _FILE_IO}
    values = {"s3.region": place.bucket.region, "s3.endpoint": place.bucket.endpoint}
    if place.keys:
        values |= {"s3.access-key-id": place.keys[0], "s3.secret-access-key": place.keys[1]}
    return {"py-io-impl": "pyiceberg.io.pyarrow.PyArrowFileIO"} | {
        name: value for name, value in values.items() if value
    }


def _number(source: SourceSpec, table: StaticTable, place: TablePlace) -> int:
    """The id of the snapshot to read."""
    chosen = table.current_snapshot() if source.at is None else table.snapshot_by_id(source.at)
    if chosen is None:
        what = "nothing was written to the table" if source.at is None else f"the table has no snapshot {source.at}"
        newest = ", ".join(str(each.snapshot_id) for each in table.metadata.snapshots[-5:])
        raise SourceError(
            f"data source `{source.name}`: {what}", where=place.url, hint=f"its newest are {newest}" if newest else ""
        )
    return int(chosen.snapshot_id)


def _read(
    source: SourceSpec, table: StaticTable, place: TablePlace, number: int, store: ArtifactStore
) -> SourceSnapshot:
    scan = table.scan(snapshot_id=source.at)
    tasks = [*scan.plan_files()]
    files = [task.file.file_path for task in tasks] + [each.file_path for task in tasks for each in task.delete_files]
    place.require_inside(files, source.name)
    schema = schema_to_pyarrow(scan.projection())
    reader = pa.RecordBatchReader.from_batches(schema, _batches(scan, tasks)).cast(schema)
    return keep(source, TableVersion("iceberg", place, number, reader.schema, iter(reader)), store)


def _batches(scan: DataScan, tasks: Iterable[FileScanTask]) -> Iterator[pa.RecordBatch]:
    """The rows, file by file in the order of their names; the scan's own reader would read all files ahead."""
    reader = ArrowScan(scan.table_metadata, scan.io, scan.projection(), scan.row_filter)
    for task in sorted(tasks, key=lambda each: str(each.file.file_path)):
        yield from reader.to_record_batches([task])
