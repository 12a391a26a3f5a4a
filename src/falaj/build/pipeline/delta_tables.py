"""Data sources that are Delta tables: one version becomes one Parquet file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, DeltaProtocolError, TableNotFoundError

from falaj.build.pipeline.connections import OpenConnection
from falaj.build.pipeline.errors import SourceError
from falaj.build.pipeline.lakes import TablePlace, TableVersion, keep, place_of, unreadable
from falaj.build.pipeline.sources import SourceChangedError, SourceSnapshot, pinned, unchanged
from falaj.config.spec import SourceSpec
from falaj.core.errors import FalajError

if TYPE_CHECKING:
    from falaj.supply_chain.artifacts import ArtifactStore


def snapshot(
    source: SourceSpec, connection: OpenConnection | None, worktree: Path, store: ArtifactStore
) -> SourceSnapshot:
    """Pin the version that `at` names, or the newest; one that was read before is not read again.

    Args:
        source: `delta://CONNECTION/PATH`.
        connection: To the lake.
        worktree: Not needed.
        store: Where the snapshot goes.

    Raises:
        SourceError: There is no such table or version, or its files are gone.
    """
    del worktree
    place = place_of(source, connection)

    def attempt() -> SourceSnapshot:
        try:
            table = _open(source, place)
            return pinned(store, source.source, _state(table), lambda: _read(source, table, place, store))
        except (FalajError, SourceChangedError):
            raise
        except (DeltaError, pa.ArrowException, OSError, ValueError) as error:
            raise unreadable(source, place, error) from error

    return unchanged(source, attempt)


def state_of(source: SourceSpec, connection: OpenConnection | None) -> str:
    """A text that changes with every version of a table.

    Raises:
        SourceError: There is no such table.
    """
    return _state(_open(source, place_of(source, connection)))


def _open(source: SourceSpec, place: TablePlace) -> DeltaTable:
    try:
        return DeltaTable(place.url, version=source.at, storage_options=_options(place))
    except TableNotFoundError:
        raise SourceError(
            f"data source `{source.name}`: there is no Delta table", where=place.url, hint="check path and connection"
        ) from None
    except (DeltaError, OSError, ValueError) as error:
        if source.at is not None and "version" in str(error).lower():
            raise SourceError(
                f"data source `{source.name}`: the table has no version {source.at} any more, or not yet",
                where=place.url, hint="another `at`, or none for the newest",
            ) from None  # fmt: skip
        raise unreadable(source, place, error) from error


def _options(place: TablePlace) -> dict[str, str]:
    if place.bucket is None:
        return {}
    options = {"AWS_REGION": place.bucket.region, "max_retries": "2"}
    if place.bucket.endpoint:
        options |= {"AWS_ENDPOINT_URL": place.bucket.endpoint, "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "false"}
        options |= {"AWS_ALLOW_HTTP": "true"} if place.bucket.endpoint.startswith("http://") else {}
    if place.keys:
        options |= {"AWS_ACCESS_KEY_ID": place.keys[0], "AWS_SECRET_ACCESS_KEY": place.keys[1]}
    return options


def _state(table: DeltaTable) -> str:
    """A table that was made anew has another id, whatever its version is."""
    return f"{table.metadata().id} {table.version()}"


def _read(source: SourceSpec, table: DeltaTable, place: TablePlace, store: ArtifactStore) -> SourceSnapshot:
    place.require_inside(table.file_uris(), source.name)
    schema, batches = _rows(table)
    return keep(source, TableVersion("delta", place, table.version(), schema, batches), store)


def _rows(table: DeltaTable) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """The rows, file by file in the order of their names, so that copies elsewhere are the same bytes.

    Tables with deletion vectors or renamed columns are read by the format's own engine, which keeps no order.
    """
    try:
        dataset = table.to_pyarrow_dataset()
    except DeltaProtocolError:
        reader = pa.RecordBatchReader.from_stream(table.scan())
        return reader.schema, iter(reader)
    fragments = sorted(dataset.get_fragments(), key=lambda each: str(each.path))
    batches = (batch for each in fragments for batch in each.to_batches(schema=dataset.schema))
    return dataset.schema, batches
