"""Attacks on the audit log: attempts that are not to be seen, forged lines, a past that is rewritten."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, text

from falaj.api.platform import Platform
from falaj.core.errors import UsageError
from falaj.core.home import Home
from falaj.storage import Database, EventRow, ProjectRow
from falaj.storage.audit_tables import AuditDetailRow, AuditHeadRow, AuditLeafRow, AuditNodeRow
from falaj.storage.facts import FactMissingError
from falaj.supply_chain.attestations import SigningRole
from falaj.supply_chain.attestations.checkpoint import Checkpoint, sign_checkpoint
from falaj.supply_chain.attestations.merkle import leaf_hash
from falaj.trust import audit
from falaj.trust.audit import record, tree
from falaj.trust.audit.log import LOG
from tests.api.people import acting_as, grant
from tests.apps import app_of

pytestmark = pytest.mark.integration

VERIFIER = Path(__file__).resolve().parents[2] / "auditors" / "verify_log.py"
NOW = 1_800_000_000.0
FORGED = '{"kind":"change.approved"}'
ODD = {
    "newline": f"x\n{FORGED}\n",
    "quotes": 'x"},' + FORGED,
    "bidi": "x\u202ednapxe\u2066",
    "NUL": "x\x00y",
    "half a pair": "x\ud800",
    "long": "x" * 5_000,
    "SQL": "x'; DROP TABLE audit_leaves; --",
    "markup": "<script>alert(1)</script>",
}


@pytest.fixture
def platform(tmp_path: Path, database: Database) -> Platform:
    return Platform(Home(tmp_path / "home", {}).prepare(), database)


@pytest.fixture
def client(platform: Platform) -> Iterator[TestClient]:
    with TestClient(app_of(platform), raise_server_exceptions=False) as http_client:
        yield http_client


@pytest.fixture(scope="module")
def verifier() -> ModuleType:
    spec = importlib.util.spec_from_file_location("verify_log", VERIFIER)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def filled(platform: Platform, count: int = 9) -> str:
    """A log of so many entries; its checkpoint."""
    with platform.database.transaction() as session:
        audit.append(session, [audit.AuditEntry("k", "user:ana", f"x/{n}", {"n": n}) for n in range(count)], NOW)
        return audit.checkpoint(session, platform.keyring.signer(SigningRole.LOG), NOW)


def export(platform: Platform, folder: Path) -> Path:
    folder.mkdir()
    signer = platform.keyring.signer(SigningRole.LOG)
    (folder / "key.pem").write_text(signer.public_pem)
    texts = {"leaves": "", "details": "", "checkpoints": ""}
    with platform.database.transaction() as session:
        newest = audit.checkpoint(session, signer, NOW)
        for file, line in audit.export_lines(session, newest):
            texts[file] += (line if file == "leaves" else json.dumps(line)) + "\n"
    for name, lines in texts.items():
        (folder / f"{name}.jsonl").write_text(lines)
    return folder


def rejected(verifier: ModuleType, folder: Path, earlier: Path | None = None) -> str:
    """Why the auditor's script rejects an export; empty where it accepts it."""
    try:
        verifier.check(folder, folder / "key.pem", earlier)
    except verifier.WrongError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", ODD.values(), ids=ODD.keys())
def test_a_refused_attempt_is_logged_whatever_name_it_carries(
    client: TestClient, platform: Platform, name: str
) -> None:
    grant(platform.database, "lina", "ml-engineer", project="flights")
    body = json.dumps({"project": name, "commit": "1" * 40}).encode()
    lina = acting_as(client.app, "lina")  # type: ignore[arg-type]
    answer = lina.post("/api/v1/runs", content=body, headers={"content-type": "application/json"})
    with platform.database.reading() as session:
        leaves = session.query(AuditLeafRow).all()
    if name != ODD["half a pair"]:  # what no answer can repeat is refused as the caller's mistake
        assert (answer.status_code, answer.json()["code"]) == (403, "auth.forbidden")
    assert answer.status_code in (400, 403)
    assert [json.loads(leaf.text)["subject"] for leaf in leaves] == [f"project/{name}"]
    assert leaves[0].text.isascii() and "\n" not in leaves[0].text
    with platform.database.reading() as session:
        assert len(audit.entries(session, audit.EntryFilter(subject=f"project/{name}"))) == 1


@pytest.mark.parametrize("name", ODD.values(), ids=ODD.keys())
def test_no_text_in_an_entry_forges_another_or_hides_it(platform: Platform, name: str) -> None:
    database = platform.database
    with database.transaction() as session:
        audit.append(session, audit.AuditEntry("k", "service:home", name, {"text": name, name: [name]}), NOW)
        newest = audit.checkpoint(session, platform.keyring.signer(SigningRole.LOG), NOW)
    with database.reading() as session:
        (leaf,) = session.query(AuditLeafRow).all()
        (shown,) = audit.entries(session, audit.EntryFilter())
        lines = [line for file, line in audit.export_lines(session, newest) if file == "leaves"]
    assert lines == [leaf.text] and leaf.text.isascii() and leaf.text.isprintable()
    assert json.loads(leaf.text)["subject"] == name
    assert shown.details == {"text": name, name: [name]}


def test_filters_are_no_sql_and_no_pattern(client: TestClient, platform: Platform) -> None:
    filled(platform)
    client.headers["authorization"] = f"Bearer {platform.home.token}"
    for value in ("' OR 1=1 --", "%", "_", "k' UNION SELECT 1 --", "\\"):
        for field in ("kind", "subject", "actor"):
            answer = client.get("/api/v1/audit/entries", params={field: value})
            assert (answer.status_code, answer.json()) == (200, [])


def test_details_that_are_too_deep_are_refused_with_what_they_tell_of(database: Database) -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(UsageError) as refused, database.transaction() as session:
        session.add(EventRow(at=NOW, subject="x", kind="y", data={}))
        record.write(session, "k", "service:home", "x", NOW, {"deep": deep})
    assert refused.value.code == "audit.entry"
    with database.reading() as session:
        assert (session.query(EventRow).count(), audit.size_of(session)) == (0, 0)
    while deep:  # as deep a thing cannot be freed in one go either
        (deep,) = deep


@pytest.mark.parametrize("table", ["audit_leaves", "audit_details", "audit_head", "audit_pseudonyms"])
def test_nothing_changes_and_nobody_gets_in_when_the_log_cannot_be_written(
    client: TestClient, platform: Platform, table: str
) -> None:
    grant(platform.database, "lina", "ml-engineer")
    with platform.database.transaction() as session:
        session.execute(text(f"ALTER TABLE {table} RENAME TO gone"))
    lina = acting_as(client.app, "lina")  # type: ignore[arg-type]
    answer = lina.post("/api/v1/projects", json={"name": "flights", "repository": "https://git.example.org/f.git"})
    assert answer.status_code >= 500
    refused = acting_as(client.app, "stranger").get("/api/v1/projects/x/secrets")  # type: ignore[arg-type]
    assert (refused.status_code, refused.json()["code"]) == (403, "auth.forbidden")
    with platform.database.reading() as session:
        assert session.query(ProjectRow).count() == 0


def test_an_entry_that_is_changed_in_the_database_is_found(
    platform: Platform, verifier: ModuleType, tmp_path: Path
) -> None:
    filled(platform)
    assert rejected(verifier, export(platform, tmp_path / "true")) == ""
    with platform.database.transaction() as session:
        leaf = session.get_one(AuditLeafRow, 4)
        leaf.text = leaf.text.replace('"done"', '"denied"')
    assert "the first 9 entries are not those of their checkpoint" in rejected(
        verifier, export(platform, tmp_path / "changed")
    )


def test_details_that_are_changed_in_the_database_are_found(
    platform: Platform, verifier: ModuleType, tmp_path: Path
) -> None:
    filled(platform)
    with platform.database.transaction() as session:
        session.get_one(AuditDetailRow, 4).details = {"n": 5}
    assert "the details of entry 4" in rejected(verifier, export(platform, tmp_path / "changed"))


def rewrite(platform: Platform, texts: list[str]) -> None:
    """What someone with the database can do: another past, consistent in itself."""
    leaves = [leaf_hash(each.encode()) for each in texts]
    nodes = tree.grow(0, {}, leaves)
    with platform.database.transaction() as session:
        for table in ("leaves", "details", "nodes", "checkpoints"):
            session.execute(text(f"DELETE FROM audit_{table}"))
        for index, (value, leaf_text) in enumerate(zip(leaves, texts, strict=True)):
            row = {"at": NOW, "kind": "k", "actor": "a", "subject": "s"}
            session.add(AuditLeafRow(index=index, text=leaf_text, hash=value, **row))
        session.add_all(AuditNodeRow(level=at[0], position=at[1], hash=value) for at, value in nodes.items() if at[0])
        head = session.get_one(AuditHeadRow, 1)
        head.size, head.edge = len(leaves), b"".join(nodes[at] for at in tree.frontier(len(leaves)))


def forget_record(platform: Platform) -> None:
    """What someone with the folder of the installation can do besides: nothing tells what the log was."""
    store = platform.database.facts
    assert store is not None
    store.versions._db.execute("DELETE FROM fact_version WHERE kind = ?", (LOG.kind,))
    store.versions._versions.pop(LOG.kind)


@pytest.mark.parametrize(
    ("unchanged", "others", "reason"),
    [(8, 0, "it was longer"), (8, 1, "its end is not"), (5, 4, "its end is not"), (8, 3, "its end is not")],
    ids=["cut off", "the newest replaced", "the newest four replaced", "replaced and continued"],
)
def test_a_log_whose_end_is_another_one_is_neither_continued_nor_signed(
    platform: Platform, unchanged: int, others: int, reason: str
) -> None:
    filled(platform)
    with platform.database.reading() as session:
        texts = list(session.scalars(select(AuditLeafRow.text).order_by(AuditLeafRow.index)))
    rewrite(platform, [*texts[:unchanged], *texts[:others]])
    with pytest.raises(FactMissingError), platform.database.transaction() as session:
        record.write(session, "change.approved", "user:eve", "change/1", NOW, {})
    with pytest.raises(FactMissingError), platform.database.transaction() as session:
        audit.checkpoint(session, platform.keyring.signer(SigningRole.LOG), NOW)
    assert platform.database.facts is not None
    assert [reason in str(each) for each in platform.database.facts.take_refusals()] == [True]
    rewrite(platform, texts)
    with platform.database.transaction() as session:
        assert audit.append(session, audit.AuditEntry("restored", "user:ana", "platform"), NOW) == [len(texts)]


def test_what_was_rolled_back_is_missed_by_nobody(platform: Platform) -> None:
    filled(platform)
    with platform.database.transaction() as session, suppress(ZeroDivisionError), session.begin_nested():
        audit.append(session, audit.AuditEntry("undone", "user:ana", "platform"), NOW)
        raise ZeroDivisionError
    with suppress(ZeroDivisionError), platform.database.transaction() as session:
        audit.append(session, audit.AuditEntry("undone", "user:ana", "platform"), NOW)
        raise ZeroDivisionError
    with platform.database.transaction() as session:
        assert audit.append(session, audit.AuditEntry("done", "user:ana", "platform"), NOW) == [9]


@pytest.mark.parametrize("leaf_count", [9, 12], ids=["as long", "longer"])
def test_a_past_that_was_rewritten_and_signed_again_does_not_hold_a_kept_checkpoint(
    platform: Platform, verifier: ModuleType, tmp_path: Path, leaf_count: int
) -> None:
    earlier = tmp_path / "kept.txt"
    earlier.write_text(filled(platform))
    true = export(platform, tmp_path / "true")
    assert rejected(verifier, true, earlier) == ""
    texts = (true / "leaves.jsonl").read_text().splitlines()
    rewrite(platform, [texts[0], *texts[2:], *texts[:4]][:leaf_count])
    forget_record(platform)
    forged = export(platform, tmp_path / "forged")
    assert rejected(verifier, forged) == ""  # in itself it is a log that the key signed
    assert "its past was replaced" in rejected(verifier, forged, earlier)


def test_a_checkpoint_of_another_key_or_another_log_is_not_believed(
    platform: Platform, verifier: ModuleType, tmp_path: Path
) -> None:
    filled(platform)
    folder = export(platform, tmp_path / "log")
    (line,) = (folder / "checkpoints.jsonl").read_text().splitlines()
    origin = json.loads(line)["text"].split("\n")[0]
    with platform.database.reading() as session:
        true = Checkpoint(origin, 9, audit.root_at(session, 9))
        shorter = Checkpoint("another/log", 5, audit.root_at(session, 5))
    log, other = platform.keyring.signer(SigningRole.LOG), platform.keyring.signer(SigningRole.ADMISSION)

    def with_checkpoints(*texts: str) -> str:
        lines = [json.dumps({"size": 0, "text": each}) + "\n" for each in texts]
        (folder / "checkpoints.jsonl").write_text("".join(lines))
        return rejected(verifier, folder)

    assert with_checkpoints(sign_checkpoint(true, log)) == ""
    assert "is not signed by this key" in with_checkpoints(sign_checkpoint(true, other))
    assert "of different logs" in with_checkpoints(sign_checkpoint(shorter, log), sign_checkpoint(true, log))
    assert "there is no checkpoint" in with_checkpoints()
