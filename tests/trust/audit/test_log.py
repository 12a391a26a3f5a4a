from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from falaj.core.errors import FalajError
from falaj.storage import Database, EventRow
from falaj.storage.audit_tables import AuditDetailRow, AuditLeafRow
from falaj.supply_chain.attestations import SigningRole, envelope_digest, open_keyring
from falaj.supply_chain.attestations.checkpoint import parse_checkpoint, verify_checkpoint
from falaj.supply_chain.attestations.logproof import check_log, not_in_log
from falaj.supply_chain.attestations.merkle import leaf_hash, root
from falaj.trust import audit
from falaj.trust.audit.log import hidden

pytestmark = pytest.mark.integration

NOW = 1_800_000_000.0


def envelope(number: int) -> dict[str, Any]:
    return {"payload": f"p{number}", "payloadType": "t", "signatures": []}


def fill(database: Database, count: int, start: int = 0) -> None:
    for number in range(start, start + count):
        with database.transaction() as session:
            audit.append(
                session, audit.AuditEntry("thing.done", "user:ana", f"thing/{number}", {"n": number}), NOW + number
            )


def test_entries_stand_in_order_and_the_checkpoint_is_of_all_of_them(database: Database, tmp_path: Path) -> None:
    signer = open_keyring(tmp_path / "keys").signer(SigningRole.LOG)
    fill(database, 5)
    with database.transaction() as session:
        indices = audit.append(session, [audit.AuditEntry("a.b", "service:home", "x", {}) for _ in range(4)], NOW)
        signed = audit.checkpoint(session, signer, NOW)
    assert indices == [5, 6, 7, 8]
    with database.reading() as session:
        leaves = list(session.scalars(text("SELECT text FROM audit_leaves ORDER BY 1")).all())
        rows = session.query(AuditLeafRow).order_by(AuditLeafRow.index).all()
        assert audit.newest_checkpoint(session) == signed
    assert len(leaves) == 9
    verified_checkpoint = verify_checkpoint(signed, signer.public_pem)
    assert (verified_checkpoint.size, verified_checkpoint.root) == (
        9,
        root([leaf_hash(row.text.encode()) for row in rows]),
    )


def test_a_log_that_did_not_grow_keeps_its_checkpoint(database: Database, tmp_path: Path) -> None:
    signer = open_keyring(tmp_path / "keys").signer(SigningRole.LOG)
    with database.transaction() as session:
        first = audit.checkpoint(session, signer, NOW)
        assert audit.checkpoint(session, signer, NOW + 9) == first
        assert parse_checkpoint(first).size == 0
        assert parse_checkpoint(first).root == audit.root_at(session, 0)


def test_a_verifier_believes_the_proofs_at_every_size(database: Database, tmp_path: Path) -> None:
    signer = open_keyring(tmp_path / "keys").signer(SigningRole.LOG)
    last = None
    for round_ in range(7):
        with database.transaction() as session:
            audit.append_evidence(session, [envelope(round_)], "release/m@1", "workload:worker/local", NOW)
            newest = audit.checkpoint(session, signer, NOW)
        with database.reading() as session:
            log = audit.proofs_for(session, [envelope(n) for n in range(round_ + 1)], newest)
            sizes = (round_, round_ + 1)
            proof, problems = check_log(
                {**log, "consistency": audit.consistency(session, *sizes)}, signer.public_pem, last
            )
        assert problems == []
        assert proof is not None
        assert [not_in_log(envelope_digest(envelope(n)), proof) for n in range(round_ + 1)] == [""] * (round_ + 1)
        assert not_in_log(envelope_digest(envelope(99)), proof) != ""
        last = newest


def test_a_proof_for_an_older_checkpoint_leaves_out_what_came_later(database: Database, tmp_path: Path) -> None:
    signer = open_keyring(tmp_path / "keys").signer(SigningRole.LOG)
    with database.transaction() as session:
        audit.append_evidence(session, [envelope(0)], "x", "service:home", NOW)
        older = audit.checkpoint(session, signer, NOW)
        audit.append_evidence(session, [envelope(1)], "x", "service:home", NOW)
        audit.checkpoint(session, signer, NOW)
        log = audit.proofs_for(session, [envelope(0), envelope(1)], older)
    assert list(log["inclusion"]) == [envelope_digest(envelope(0))]


def test_people_stand_in_it_under_pseudonyms_and_can_be_forgotten(database: Database) -> None:
    with database.transaction() as session:
        audit.append(session, audit.AuditEntry("account.locked", "user:ana", "account/ben", {"why": "left"}), NOW)
        audit.append(session, audit.AuditEntry("run.started", "service:home", "run/1"), NOW)
    with database.reading() as session:
        first, second = session.query(AuditLeafRow).order_by(AuditLeafRow.index).all()
        people = audit.names_of(session, [first.actor, first.subject])
    assert (people[first.actor], people[first.subject]) == ("user:ana", "account/ben")
    assert "ana" not in first.text
    assert "ben" not in first.text
    assert "left" not in first.text
    assert json.loads(second.text)["actor"] == "service:home"
    with database.transaction() as session:
        assert audit.forget(session, "user:ana")
        assert not audit.forget(session, "user:ana")
    with database.reading() as session:
        people = audit.names_of(session, [first.actor, first.subject])
        assert first.actor not in people
        assert people[first.subject] == "account/ben"


def test_details_can_be_checked_while_they_are_there(database: Database) -> None:
    details = {"text": 'a "quoted"\nline \u202e', "deep": [[[1]]], "n": None}
    with database.transaction() as session:
        audit.append(session, audit.AuditEntry("thing.done", "service:home", "x\ny", details), NOW)
    with database.reading() as session:
        leaf, row = session.get_one(AuditLeafRow, 0), session.get_one(AuditDetailRow, 0)
        assert json.loads(leaf.text)["details"] == hidden(row.salt, row.details)
        assert row.details == details
        assert "\n" not in leaf.text


def test_what_is_recorded_is_not_done_when_the_log_cannot_be_written(database: Database) -> None:
    with database.transaction() as session:
        session.execute(text("DROP TABLE audit_nodes"))
    with pytest.raises(Exception, match="audit_nodes"), database.transaction() as session:
        session.add(EventRow(at=NOW, subject="x", kind="y", data={}))
        audit.append(session, [audit.AuditEntry("a", "b", "c"), audit.AuditEntry("a", "b", "d")], NOW)
    with database.reading() as session:
        assert session.query(EventRow).count() == 0
        assert audit.size_of(session) == 0


def test_threads_that_append_at_once_leave_no_gap_and_no_fork(database: Database) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda part: fill(database, 10, part * 10), range(4)))
    with database.reading() as session:
        rows = session.query(AuditLeafRow).order_by(AuditLeafRow.index).all()
        assert [row.index for row in rows] == list(range(40))
        assert audit.root_at(session, 40) == root([row.hash for row in rows])


def test_a_transaction_that_is_undone_leaves_nothing_in_the_log(database: Database) -> None:
    with pytest.raises(FalajError), database.transaction() as session:
        audit.append(session, audit.AuditEntry("a.b", "user:eve", "x"), NOW)
        raise FalajError("no")
    with database.reading() as session:
        assert audit.size_of(session) == 0
