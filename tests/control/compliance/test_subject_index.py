"""People in snapshots: found by a hash, whatever the file, and never guessed."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from falaj.api.platform import Platform
from falaj.control import compliance
from falaj.control.compliance import DataClassification
from falaj.core.home import Home
from falaj.storage import Database
from falaj.storage.privacy_tables import LabelledSnapshotRow, SubjectRow, SubjectSecretRow
from falaj.trust import secrets
from tests.control.compliance.people import LABEL, ROWS, learned, released, snapshot
from tests.databases import migrated_sqlite

pytestmark = pytest.mark.integration

NOW = 1_800_000_000.0


@pytest.fixture
def platform(tmp_path: Path, database: Database) -> Platform:
    return Platform(Home(tmp_path / "home", {}).prepare(), database)


@pytest.fixture
def local(tmp_path: Path) -> Platform:
    database = migrated_sqlite(tmp_path / "falaj.db")
    return Platform(Home(tmp_path / "home", {}).prepare(), database)


def person(platform: Platform, name: str) -> str:
    with platform.database.transaction() as session:
        return compliance.hashed(compliance.secret_of(session, platform.vault), name)


def test_a_person_is_found_in_snapshots_and_in_what_came_of_them(platform: Platform, tmp_path: Path) -> None:
    first, second = snapshot(platform), snapshot(platform, "customer,x\nC-1,1\n")
    learned(platform, first, second, now=NOW)
    table, model = released(platform, first, tmp_path, NOW)
    with platform.database.reading() as session:
        digests = compliance.snapshots_of(session, person(platform, "A-17"))
        reach = compliance.reach_of(session, digests)
        assert compliance.snapshots_of(session, person(platform, "D-9")) == []
    assert digests == [first.digest]
    assert (reach.derived, reach.releases, reach.models) == ((str(table),), ("churn@1",), (str(model),))


def test_the_index_names_nobody(platform: Platform) -> None:
    learned(platform, snapshot(platform), now=NOW)
    with platform.database.reading() as session:
        rows = [(row.subject, row.digest) for row in session.query(SubjectRow)]
        sealed = session.get_one(SubjectSecretRow, 1).sealed
    assert len(rows) == 2 and all(len(subject) == 64 and "A-17" not in subject for subject, _ in rows)
    assert sealed.startswith("sealed:")


def test_what_is_known_is_not_searched_again_and_its_label_grows_only_stricter(platform: Platform) -> None:
    source_snapshot = snapshot(platform)
    assert len(learned(platform, source_snapshot, now=NOW)) == 1
    milder = compliance.SourceReading(
        source_snapshot.digest,
        source_snapshot.source,
        source_snapshot.filename,
        DataClassification("customers", "public", "health", "AE"),
    )
    assert learned(platform, source_snapshot, milder, now=NOW + 1) == []
    with platform.database.reading() as session:
        row = session.get_one(LabelledSnapshotRow, (source_snapshot.digest, source_snapshot.source))
        assert (row.classification, row.sector, row.subject_key, row.first_at) == (
            "personal",
            "health",
            "customer",
            NOW,
        )


def test_labels_follow_lineage_to_the_release(platform: Platform, tmp_path: Path) -> None:
    source_snapshot = snapshot(platform)
    learned(platform, source_snapshot, now=NOW)
    table, _ = released(platform, source_snapshot, tmp_path, NOW)
    from falaj.trust.lineage import Node

    with platform.database.reading() as session:
        for node in (
            Node("release", "churn@1"),
            Node("artifact", str(table)),
            Node("artifact", source_snapshot.digest),
        ):
            assert compliance.labels_reaching(session, node) == (LABEL,)
        assert compliance.labels_reaching(session, Node("release", "other@1")) == ()


def packed(kind: str) -> bytes:
    buffer = io.BytesIO()
    match kind:
        case "parquet":
            parquet.write_table(pa.table({"customer": ["A-17", "B-23", None], "late": [1, 0, 0]}), buffer)
        case "zip":
            with zipfile.ZipFile(buffer, "w") as archive:
                archive.writestr("inner/customers.csv", ROWS)
        case "gz":
            return gzip.compress(ROWS.encode())
        case "jsonl":
            return b'{"customer": "A-17"}\n\n{"customer": "B-23", "late": 1}\n'
        case "quoted":
            return b'\xef\xbb\xbf"customer","city"\r\n"A-17","Dubai, ""old"" town"\r\n"B-23",\r\n'
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("parquet", "c.parquet"),
        ("zip", "c.csv.zip"),
        ("gz", "c.csv.gz"),
        ("jsonl", "c.jsonl"),
        ("quoted", "c.CSV"),
    ],
)
def test_people_are_found_in_every_format_that_can_be_searched(local: Platform, kind: str, name: str) -> None:
    digest = local.store.put_bytes(packed(kind)).digest
    source_snapshot = compliance.SourceReading(str(digest), "churn/customers", name, LABEL)
    (search_result,) = learned(local, source_snapshot, now=NOW)
    assert set(search_result.subjects or ()) == {person(local, "A-17"), person(local, "B-23")}, search_result.note


@pytest.mark.parametrize(
    ("content", "name", "why"),
    [
        (b"city\nDubai\n", "c.csv", "no column `customer`"),
        (b"anything", "c.xlsx", "cannot be searched"),
        (b"not a zip", "c.zip", "cannot be read"),
        (b"\xff\xfe\x00", "c.csv", "cannot be read"),
        (b"{broken", "c.jsonl", "cannot be read"),
        (b'["customer"]\n', "c.jsonl", "cannot be read"),
        (b"PAR1 and no more", "c.parquet", "cannot be read"),
    ],
)
def test_what_cannot_be_searched_is_said_and_is_not_empty(local: Platform, content: bytes, name: str, why: str) -> None:
    digest = local.store.put_bytes(content).digest
    source_snapshot = compliance.SourceReading(str(digest), "churn/customers", name, LABEL)
    (search_result,) = learned(local, source_snapshot, now=NOW)
    assert search_result.subjects is None and why in search_result.note
    with local.database.reading() as session:
        row = session.get_one(LabelledSnapshotRow, (source_snapshot.digest, source_snapshot.source))
        assert (row.indexed_at, row.subjects, row.note) == (None, None, search_result.note)


def test_an_export_holds_the_rows_of_one_person(local: Platform) -> None:
    source_snapshot = snapshot(local)
    rows = list(compliance.export(local.store, [source_snapshot], "A-17"))
    assert [each["row"]["late"] for each in rows] == ["1", "0"]
    assert {each["snapshot"] for each in rows} == {source_snapshot.digest}


def test_the_index_outlives_a_rotation_and_begins_again_when_its_key_is_gone(platform: Platform) -> None:
    source_snapshot = snapshot(platform)
    learned(platform, source_snapshot, now=NOW)
    before = person(platform, "A-17")
    old = platform.keys.current(platform.vault.scope).id
    with platform.database.transaction() as session:
        platform.keys.learn(secrets.rotate(session, platform.keys, platform.vault.scope))
    assert person(platform, "A-17") == before
    destroy(platform, old)
    assert person(platform, "A-17") == before
    destroy(platform, platform.keys.current(platform.vault.scope).id)
    assert person(platform, "A-17") != before
    with platform.database.reading() as session:
        assert session.query(SubjectRow).count() == 0
        assert session.get_one(LabelledSnapshotRow, (source_snapshot.digest, source_snapshot.source)).indexed_at is None


def destroy(platform: Platform, key: str) -> None:
    secrets.synchronise(platform.database, platform.keys)
    with platform.database.transaction() as session:
        gone = secrets.destroy(session, key, NOW)
    platform.keys.learn([gone])
