"""Data sources in a real S3 server."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

import pytest

from falaj.build.pipeline import SourceSnapshot, buckets, resolve
from falaj.build.pipeline.connections import OpenConnection
from falaj.build.pipeline.errors import SourceError
from falaj.build.pipeline.sources import fingerprint
from falaj.config import SourceSpec, StepSpec
from falaj.config.connections import BucketAddress, ConnectionSpec
from tests.build.pipeline.conftest import Project
from tests.servers import BUCKET, Bucket, S3Server, s3_server

__all__ = ["s3_server"]

pytestmark = pytest.mark.e2e
SUM = """
    from pathlib import Path
    import polars as pl

    def table(raw: pl.DataFrame) -> int:
        return raw["x"].sum()

    def folder(raw: Path) -> list[str]:
        return sorted(str(each.relative_to(raw)) for each in raw.rglob("*") if each.is_file())
"""


@pytest.fixture
def bucket(s3_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    return Bucket(s3_server, f"sources/{tmp_path.name}")


def snapshot(project: Project, url: str) -> SourceSnapshot:
    return resolve(SourceSpec("raw", url, "public", "AE"), project.environment, project.worktree, project.store)


def test_one_object_is_a_table(project: Project, bucket: Bucket) -> None:
    bucket.put("a.csv", "x\n1\n2\n")
    bucket.put("a.csv.bak", "not this one")
    project.write("steps.py", SUM)
    result = project.run(StepSpec("table", run="steps:table", inputs=("raw",)), data={"raw": bucket.url("a.csv")})
    assert result.ok, result.steps["table"].error
    assert project.value(result, "table") == 3
    assert (result.snapshots["raw"].filename, result.snapshots["raw"].kind) == ("a.csv", "file")


def test_a_prefix_is_a_folder(project: Project, bucket: Bucket) -> None:
    bucket.put("days/one.csv", "x\n1\n")
    bucket.put("days/deep/two.csv", "x\n2\n")
    bucket.put("days-of-others/three.csv", "x\n3\n")
    project.write("steps.py", SUM)
    result = project.run(StepSpec("folder", run="steps:folder", inputs=("raw",)), data={"raw": bucket.url("days")})
    assert result.ok, result.steps["folder"].error
    assert project.value(result, "folder") == ["deep/two.csv", "one.csv"]


def test_objects_are_read_again_only_when_they_changed(
    project: Project, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put("a.csv", "x\n1\n")
    read: list[str] = []
    download = buckets._download
    monkeypatch.setattr(buckets, "_download", lambda *how: (read.append(how[1]), download(*how)))
    first = snapshot(project, bucket.url("a.csv"))
    assert snapshot(project, bucket.url("a.csv")) == first
    assert len(read) == 1
    bucket.put("a.csv", "x\n2\n")  # the same size
    assert snapshot(project, bucket.url("a.csv")).digest != first.digest
    assert len(read) == 2


def test_an_object_that_changes_between_list_and_read_is_not_remembered_under_its_old_tag(
    project: Project, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put("days/a.csv", "x\n1\n")
    objects, listed = buckets._objects, 0

    def list_and_change(*how: Any) -> Any:
        nonlocal listed
        listing, listed = objects(*how), listed + 1
        if listed == 1:
            bucket.put("days/a.csv", "x\n2\n")
        return listing

    monkeypatch.setattr(buckets, "_objects", list_and_change)
    data_snapshot = snapshot(project, bucket.url("days"))
    assert (listed, project.store.open(data_snapshot.digest, "a.csv").read()) == (2, b"x\n2\n")
    bucket.put("days/a.csv", "x\n1\n")  # the tag of its first content
    assert project.store.open(snapshot(project, bucket.url("days")).digest, "a.csv").read() == b"x\n1\n"


def test_a_source_that_never_rests_fails_its_reader(
    project: Project, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put("a.csv", "0")
    objects, written = buckets._objects, count(1)
    monkeypatch.setattr(buckets, "_objects", lambda *how: (objects(*how), bucket.put("a.csv", f"{next(written)}"))[0])
    with pytest.raises(SourceError, match="changed during each of 3 attempts"):
        snapshot(project, bucket.url("a.csv"))
    assert not [*project.store.refs("sources/")]


def test_what_cannot_be_read_says_so(project: Project, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SourceError, match="there is nothing below"):
        snapshot(project, bucket.url("nothing"))
    with pytest.raises(SourceError, match="raw"):
        snapshot(project, bucket.url("a.csv").replace(BUCKET, "no-such-bucket"))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(SourceError, match="raw"):
        snapshot(project, bucket.url("a.csv"))


def test_a_connection_says_which_bucket_and_by_which_keys(
    project: Project, bucket: Bucket, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put("a.csv", "x\n1\n")
    keys = {"key": s3_server.environment["AWS_ACCESS_KEY_ID"], "secret": s3_server.environment["AWS_SECRET_ACCESS_KEY"]}
    spec = ConnectionSpec("lake", "s3", "AE", bucket=BucketAddress(BUCKET, endpoint=s3_server.endpoint))
    for name in s3_server.environment:
        monkeypatch.delenv(name)
    source = SourceSpec("raw", f"s3://lake/{bucket.url('a.csv').split('/', 3)[3].partition('?')[0]}", "public", "AE")

    def read(secrets: dict[str, str]) -> SourceSnapshot:
        connection = OpenConnection(spec, secrets)
        return resolve(source, project.environment, project.worktree, project.store, lambda _: connection)

    first = read(keys)
    assert first.filename == "a.csv"
    with pytest.raises(SourceError, match="data source `raw`") as error:
        read({**keys, "secret": "not-the-secret-at-all"})
    assert error.value.hint == "check the connection `lake`"
    assert "not-the-secret-at-all" not in str(error.value)
    state = fingerprint(source, lambda _: OpenConnection(spec, keys))
    bucket.put("a.csv", "x\n2\n")
    assert fingerprint(source, lambda _: OpenConnection(spec, keys)) not in (state, None)
