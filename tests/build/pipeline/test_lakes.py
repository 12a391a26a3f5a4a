"""Data sources that are tables of a lake, made by the formats' own libraries, in folders and in a real S3 server."""

from __future__ import annotations

import base64
import json
import shutil
import struct
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake
from pyiceberg.catalog.sql import SqlCatalog

from falaj.build.pipeline import SourceSnapshot, lakes, resolve
from falaj.build.pipeline.connections import OpenConnection
from falaj.build.pipeline.errors import SourceError
from falaj.build.pipeline.sources import fingerprint
from falaj.config import SourceSpec, StepSpec
from falaj.config.connections import BucketAddress, ConnectionSpec
from tests.build.pipeline.conftest import Project
from tests.servers import BUCKET, S3Server, s3_server

__all__ = ["s3_server"]

pytestmark = pytest.mark.integrations
STEPS = """
    import polars as pl

    def f(flights: pl.DataFrame) -> int:
        return flights["id"].sum()
"""


def rows(*numbers: int, **columns: list[Any]) -> pa.Table:
    return pa.table({"id": pa.array(numbers, pa.int64()), "x": [number / 4 for number in numbers], **columns})


@dataclass
class Lake:
    """A place for tables, who writes to them, and the connection over which they are read."""

    root: str
    connection: OpenConnection
    options: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    catalogue: str = ""

    def delta(self, table: pa.Table, name: str = "bronze/flights", **how: Any) -> DeltaTable:
        write_deltalake(f"{self.root}/{name}", table, storage_options=self.options, **how)
        return DeltaTable(f"{self.root}/{name}", storage_options=self.options)

    def iceberg(self) -> SqlCatalog:
        catalogue = SqlCatalog("lake", uri=self.catalogue, warehouse=self.root, **self.properties)
        catalogue.create_namespace_if_not_exists("bronze")
        return catalogue


@pytest.fixture(params=["folder", "s3"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    catalogue = f"sqlite:///{tmp_path / 'catalogue.db'}"
    if request.param == "folder":
        folder = tmp_path / "lake"
        folder.mkdir()
        return Lake(
            str(folder), OpenConnection(ConnectionSpec("lake", "folder", "AE", folder=str(folder))), catalogue=catalogue
        )
    server: S3Server = request.getfixturevalue("s3_server")
    key, secret = server.environment["AWS_ACCESS_KEY_ID"], server.environment["AWS_SECRET_ACCESS_KEY"]
    spec = ConnectionSpec("lake", "s3", "AE", bucket=BucketAddress(BUCKET, endpoint=server.endpoint))
    options = {
        "AWS_ENDPOINT_URL": server.endpoint, "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_S3_ALLOW_UNSAFE_RENAME": "true",
    }  # fmt: skip
    properties = {
        "s3.endpoint": server.endpoint, "s3.region": "us-east-1",
        "s3.access-key-id": key, "s3.secret-access-key": secret,
    }  # fmt: skip
    root = f"s3://{BUCKET}/{tmp_path.name}"
    return Lake(root, OpenConnection(spec, {"key": key, "secret": secret}), options, properties, catalogue)


def source(lake: Lake, url: str = "delta://lake/bronze/flights", at: int | None = None) -> SourceSpec:
    if lake.connection.spec.bucket:
        url = url.replace("//lake/", f"//lake/{lake.root.rpartition('/')[2]}/")
    return SourceSpec("flights", url, "internal", "AE", at=at)


def snapshot(project: Project, lake: Lake, at: int | None = None, **where: Any) -> SourceSnapshot:
    return resolve(
        source(lake, at=at, **where), project.environment, project.worktree, project.store, lambda _: lake.connection
    )


def content(project: Project, snapshot: SourceSnapshot) -> pa.Table:
    folder = project.root / "fetched"
    shutil.rmtree(folder, ignore_errors=True)
    return pq.read_table(project.store.fetch(snapshot.digest, folder / snapshot.filename))


def ids(project: Project, snapshot: SourceSnapshot) -> list[int]:
    return sorted(content(project, snapshot)["id"].to_pylist())


def test_a_step_reads_a_delta_table(project: Project, lake: Lake) -> None:
    lake.delta(rows(1, 2, 3))
    project.write("steps.py", STEPS)
    step = StepSpec("f", run="steps:f", inputs=("flights",))
    result = project.run(step, sources={"flights": source(lake)}, connect=lambda _: lake.connection)
    assert result.ok, result.steps["f"].error
    assert project.value(result, "f") == 6
    reading = result.snapshots["flights"].table
    assert reading and (reading.kind, reading.version, reading.rows) == ("delta", "0", 3)
    assert reading.columns == {"id": "int64", "x": "double"}


def test_versions_of_a_delta_table(project: Project, lake: Lake) -> None:
    lake.delta(rows(1, 2))
    before = fingerprint(source(lake), lambda _: lake.connection)
    lake.delta(rows(3), mode="append")
    lake.delta(rows(9, new=["a"]), mode="overwrite", schema_mode="overwrite")
    newest = snapshot(project, lake)
    assert (ids(project, newest), newest.description.rpartition("@")[2]) == ([9], "2")
    assert content(project, newest).column_names == ["id", "x", "new"]
    assert ids(project, snapshot(project, lake, at=1)) == [1, 2, 3]
    assert ids(project, snapshot(project, lake, at=0)) == [1, 2]
    assert fingerprint(source(lake), lambda _: lake.connection) not in (before, None)
    with pytest.raises(SourceError, match="no version 7"):
        snapshot(project, lake, at=7)


def test_columns_that_came_later_are_null_before(project: Project, lake: Lake) -> None:
    lake.delta(rows(1, 2))
    lake.delta(rows(3, new=["a"]), mode="append", schema_mode="merge")
    table = content(project, snapshot(project, lake)).sort_by("id")
    assert table["new"].to_pylist() == [None, None, "a"]


def test_partitions_are_columns(project: Project, lake: Lake) -> None:
    lake.delta(rows(1, 2, 3, day=["mon", "tue", "mon"]), partition_by=["day"])
    assert sorted(content(project, snapshot(project, lake))["day"].to_pylist()) == ["mon", "mon", "tue"]


def test_a_version_is_read_once_and_outlives_its_vacuum(
    project: Project, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.delta(rows(1, 2))
    first = snapshot(project, lake)
    table = lake.delta(rows(3), mode="overwrite")
    table.vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False)
    assert snapshot(project, lake, at=0) == first
    other = Project(project.root / "other")
    other.worktree.mkdir(parents=True)
    with pytest.raises(SourceError, match="files of version 0 are gone"):
        snapshot(other, lake, at=0)


def test_copies_elsewhere_are_the_same_bytes(project: Project, lake: Lake) -> None:
    for number in range(4):
        lake.delta(rows(*range(number * 10, number * 10 + 5)), mode="append")
    other = Project(project.root / "other")
    other.worktree.mkdir(parents=True)
    assert snapshot(project, lake).digest == snapshot(other, lake).digest


@pytest.mark.parametrize("lake", ["folder"], indirect=True)  # a log is easier to write in a folder
def test_rows_that_deletion_vectors_took_out_are_not_read(project: Project, lake: Lake) -> None:
    table = lake.delta(rows(*range(10)), configuration={"delta.enableDeletionVectors": "true"})
    log = Path(lake.root, "bronze/flights/_delta_log")
    file = next(
        json.loads(line)["add"]
        for line in (log / f"{0:020}.json").read_text().splitlines()
        if line.startswith('{"add"')
    )
    gone = {"path": file["path"], "dataChange": True, "deletionTimestamp": 1}
    vector = deletion_vector(0, 4, 9)
    (log / f"{1:020}.json").write_text("\n".join(json.dumps(each) for each in (
        {"commitInfo": {"operation": "DELETE"}}, {"remove": gone}, {"add": {**file, "deletionVector": vector}},
    )))  # fmt: skip
    assert table.version() == 0
    pinned = snapshot(project, lake)
    assert ids(project, pinned) == [1, 2, 3, 5, 6, 7, 8]
    assert pinned.table and pinned.table.rows == 7


def deletion_vector(*rows: int) -> dict[str, Any]:
    """Rows of a file that are deleted, as the protocol of Delta writes them into its log.

    Delta-rs copies files instead; Spark writes these.
    """
    roaring = struct.pack("<IIHHI", 12346, 1, 0, len(rows) - 1, 16) + struct.pack(f"<{len(rows)}H", *rows)
    content = struct.pack("<IQI", 1681511377, 1, 0) + roaring
    content += bytes(-len(content) % 4)
    z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
    b85 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"
    text = base64.b85encode(content).decode().translate(str.maketrans(b85, z85))
    return {"storageType": "i", "pathOrInlineDv": text, "sizeInBytes": len(content), "cardinality": len(rows)}


@pytest.mark.parametrize("lake", ["folder"], indirect=True)  # a folder is easier to take away
def test_a_table_made_anew_is_read_anew(project: Project, lake: Lake) -> None:
    lake.delta(rows(1))
    first = snapshot(project, lake)
    shutil.rmtree(Path(lake.root, "bronze"))
    lake.delta(rows(2))
    assert snapshot(project, lake).digest != first.digest


def test_a_writer_who_takes_the_version_away_is_outrun(
    project: Project, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the choice of the version and the reading another one is written and the first is vacuumed."""
    lake.delta(rows(1, 2))
    keep, calls = lakes.keep, []

    def interrupted(*arguments: Any) -> SourceSnapshot:
        if not calls:
            table = lake.delta(rows(7), mode="overwrite")
            table.vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False)
        calls.append(1)
        return keep(*arguments)

    monkeypatch.setattr("falaj.build.pipeline.delta_tables.keep", interrupted)
    newest = snapshot(project, lake)
    assert (ids(project, newest), len(calls)) == ([7], 2)


def test_what_is_not_there_is_said(project: Project, lake: Lake) -> None:
    with pytest.raises(SourceError, match="there is no Delta table"):
        snapshot(project, lake)
    with pytest.raises(SourceError, match="there is no Iceberg table"):
        snapshot(project, lake, url="iceberg://lake/bronze/flights")


@pytest.mark.parametrize("lake", ["s3"], indirect=True)  # a folder has no keys
def test_wrong_keys_are_an_error_without_them(project: Project, lake: Lake) -> None:
    lake.delta(rows(1))
    lake.connection = replace(lake.connection, secrets={**lake.connection.secrets, "secret": "not-the-secret-at-all"})
    for url in ("delta://lake/bronze/flights", "iceberg://lake/bronze/flights"):
        with pytest.raises(SourceError) as error:
            snapshot(project, lake, url=url)
        assert "not-the-secret-at-all" not in str(error.value)


@pytest.mark.parametrize("lake", ["folder"], indirect=True)  # the check is the same
def test_files_outside_of_the_table_are_not_read(project: Project, lake: Lake) -> None:
    table = lake.iceberg().create_table("bronze.flights", rows(1).schema)
    outside = Path(lake.root).parent / "outside.parquet"
    pq.write_table(rows(1, 2), outside)
    table.add_files([str(outside)])
    with pytest.raises(SourceError, match="files outside of its folder"):
        snapshot(project, lake, url="iceberg://lake/bronze/flights")
    with pytest.raises(SourceError, match="leads out of"):
        snapshot(project, lake, url="delta://lake/../outside")


def test_snapshots_of_an_iceberg_table(project: Project, lake: Lake) -> None:
    table = lake.iceberg().create_table("bronze.flights", rows(1).schema)
    where = {"url": "iceberg://lake/bronze/flights"}
    with pytest.raises(SourceError, match="nothing was written"):
        snapshot(project, lake, **where)
    table.append(rows(1, 2))
    first = table.current_snapshot()
    assert first
    before = fingerprint(source(lake, **where), lambda _: lake.connection)
    table.append(rows(3))
    table.delete("id = 1")
    with table.update_schema() as schema:
        schema.rename_column("x", "y")
    newest = snapshot(project, lake, **where)
    assert newest.table and (newest.table.kind, newest.table.rows) == ("iceberg", 2)
    assert (ids(project, newest), content(project, newest).column_names) == ([2, 3], ["id", "y"])
    assert ids(project, snapshot(project, lake, at=first.snapshot_id, **where)) == [1, 2]
    assert fingerprint(source(lake, **where), lambda _: lake.connection) not in (before, None)
    with pytest.raises(SourceError, match="no snapshot 12"):
        snapshot(project, lake, at=12, **where)


@pytest.mark.parametrize("lake", ["folder"], indirect=True)  # a file is easier to take away from a folder
def test_iceberg_overwritten_and_expired(project: Project, lake: Lake) -> None:
    where = {"url": "iceberg://lake/bronze/flights"}
    table = lake.iceberg().create_table("bronze.flights", rows(1).schema)
    table.append(rows(1, 2))
    first = table.current_snapshot()
    assert first
    lost = [task.file.file_path for task in table.scan().plan_files()]
    table.overwrite(rows(5))
    assert ids(project, snapshot(project, lake, **where)) == [5]
    for each in lost:
        Path(each.removeprefix("file://")).unlink()
    with pytest.raises(SourceError, match="are gone"):
        snapshot(project, lake, at=first.snapshot_id, **where)


@pytest.mark.parametrize("lake", ["folder"], indirect=True)  # the check is the same
def test_two_metadata_files_of_one_number_are_not_chosen_between(project: Project, lake: Lake) -> None:
    table = lake.iceberg().create_table("bronze.flights", rows(1).schema)
    table.append(rows(1))
    newest = Path(table.metadata_location.removeprefix("file://"))
    newest.with_name(f"{newest.name.partition('-')[0]}-{'0' * 8}-0000-0000-0000-{'0' * 12}.metadata.json").write_bytes(
        newest.read_bytes()
    )
    with pytest.raises(SourceError, match="two metadata files"):
        snapshot(project, lake, url="iceberg://lake/bronze/flights")
