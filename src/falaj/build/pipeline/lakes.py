"""Where a table of a lake is, and how it is asked for: what readers of all its formats share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from falaj.build.pipeline.connections import OpenConnection, TableReading
from falaj.build.pipeline.errors import SourceError
from falaj.build.pipeline.sources import SourceChangedError, SourceSnapshot
from falaj.build.pipeline.tables import Bounds, columns_of, write_parquet
from falaj.config.connections import BucketAddress
from falaj.config.spec import SourceSpec

if TYPE_CHECKING:
    from falaj.supply_chain.artifacts import ArtifactStore

_MOST_ROWS = 2**62
_GONE = ("no such file", "not found", "notfound", "does not exist", "nosuchkey", "no such key")


@dataclass(frozen=True)
class TablePlace:
    """Where a table is.

    Attributes:
        url: `s3://BUCKET/PATH`, or the path of a folder.
        bucket: The bucket with its region and server; None for a folder.
        keys: What the bucket is asked with; empty for what the machine itself may read.
        versions: Of the keys that a store keeps: which version.
    """

    url: str
    bucket: BucketAddress | None
    keys: tuple[str, str] | None
    versions: Mapping[str, str] = field(default_factory=dict)

    def require_inside(self, files: Iterable[str], name: str) -> None:
        """Refuse a table that has files elsewhere: its connection was permitted, and nothing else was.

        Raises:
            SourceError: One is.
        """
        base = f"{self.url.rstrip('/')}/"
        for each in files:
            path = each.removeprefix("file://")
            if not path.startswith(base) or ".." in path.split("/"):
                raise SourceError(
                    f"data source `{name}`: the table has files outside of its folder, such as {path}",
                    hint="read the table that has them",
                )


def place_of(source: SourceSpec, connection: OpenConnection | None) -> TablePlace:
    """Where the table of a source is.

    Raises:
        SourceError: Its path leads out of the connection's folder.
    """
    assert connection is not None
    path = source.source.partition("://")[2].partition("/")[2].strip("/")
    secrets = connection.secrets
    if (bucket := connection.spec.bucket) is not None:
        keys = (secrets["key"], secrets["secret"]) if secrets else None
        return TablePlace(f"s3://{bucket.bucket}/{path}", bucket, keys, connection.versions)
    root = Path(connection.spec.folder).resolve()
    folder = (root / path).resolve()
    if not folder.is_relative_to(root):
        raise SourceError(f"data source `{source.name}`: the path leads out of {root}", where=source.source)
    return TablePlace(str(folder), None, None)


@dataclass(frozen=True)
class TableVersion:
    """A version of a table, ready to be read.

    Attributes:
        kind: `delta` or `iceberg`.
        place: Where the table is.
        number: Version or id of the snapshot.
        schema: Of its rows.
        batches: The rows.
    """

    kind: str
    place: TablePlace
    number: int
    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]


def keep(source: SourceSpec, version: TableVersion, store: ArtifactStore) -> SourceSnapshot:
    """Copy a version into the store.

    Raises:
        SourceChangedError: The newest version went away while it was read.
        SourceError: The version asked for has lost its files.
    """
    with TemporaryDirectory(prefix="falaj-source-") as scratch:
        target = Path(scratch, source.filename)
        counted = _Counted(version.batches)
        write_parquet(_until_gone(source, counted, version), version.schema, target, Bounds(source.name, _MOST_ROWS))
        digest = store.put(target).digest
        columns = columns_of(pq.read_schema(target))
    place, number = version.place, str(version.number)
    reading = TableReading(version.kind, place.url, number, "", counted.rows, columns, place.versions)
    return SourceSnapshot(digest, f"{version.place.url}@{version.number}", target.name, "file", reading)


class _Counted:
    """Batches, and how many rows went by."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches
        self.rows = 0

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for batch in self._batches:
            self.rows += batch.num_rows
            yield batch


def _until_gone(
    source: SourceSpec, batches: Iterable[pa.RecordBatch], version: TableVersion
) -> Iterator[pa.RecordBatch]:
    try:
        yield from batches
    except Exception as error:  # readers of lakes have no base of their own
        if is_gone(error) and source.at is None:
            raise SourceChangedError(source.source) from error
        if is_gone(error):
            raise SourceError(
                f"data source `{source.name}`: files of version {version.number} are gone, as after a vacuum",
                where=version.place.url,
                hint="another `at`, or the newest; what an earlier run has read is in the store",
            ) from error
        raise


def is_gone(error: Exception) -> bool:
    """Whether a reader says that a file is not there."""
    return isinstance(error, FileNotFoundError) or any(words in str(error).lower() for words in _GONE)


def unreadable(source: SourceSpec, place: TablePlace, error: Exception) -> SourceError:
    """What a reader said, on one line and without what the bucket was asked with."""
    reason = (str(error).splitlines() or [type(error).__name__])[0][:500]
    for key in place.keys or ():
        reason = reason.replace(key, "***")
    return SourceError(
        f"data source `{source.name}`: {reason}", where=place.url, hint="check the path and the connection"
    )
