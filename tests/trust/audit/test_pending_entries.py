from __future__ import annotations

import threading
from pathlib import Path

import pytest
from sqlalchemy import text

from falaj.core.errors import FalajError
from falaj.storage import Database, EventRow
from falaj.supply_chain.attestations import SigningRole, open_keyring
from falaj.supply_chain.attestations.checkpoint import parse_checkpoint
from falaj.trust import audit
from falaj.trust.audit import record
from tests.waiting import HANGS_AFTER_S

pytestmark = pytest.mark.integration

NOW = 1_800_000_000.0


def kinds(database: Database) -> list[str]:
    with database.reading() as session:
        return [each.kind for each in audit.entries(session, audit.EntryFilter())][::-1]


def test_entries_are_written_in_order_when_the_transaction_ends(database: Database) -> None:
    with database.transaction() as session:
        record.write(session, "first", "user:ana", "x", NOW)
        with session.begin_nested():
            record.write(session, "second", "user:ana", "x", NOW)
        record.write_evidence(session, {"payload": "p"}, "x", "user:ana", NOW + 1)
        assert audit.size_of(session) == 0
    assert kinds(database) == ["first", "second", "evidence.signed"]


def test_what_a_savepoint_undoes_is_not_logged(database: Database) -> None:
    with database.transaction() as session:
        record.write(session, "first", "user:ana", "x", NOW)
        with pytest.raises(FalajError), session.begin_nested():
            record.write(session, "undone", "user:ana", "x", NOW)
            with session.begin_nested():
                record.write(session, "undone too", "user:ana", "x", NOW)
            raise FalajError("no")
        record.write(session, "last", "user:ana", "x", NOW)
    assert kinds(database) == ["first", "last"]


def test_a_checkpoint_covers_what_waits(database: Database, tmp_path: Path) -> None:
    signer = open_keyring(tmp_path / "keys").signer(SigningRole.LOG)
    with database.transaction() as session:
        record.write(session, "first", "user:ana", "x", NOW)
        assert parse_checkpoint(audit.checkpoint(session, signer, NOW)).size == 1
        with pytest.raises(RuntimeError), session.begin_nested():
            audit.checkpoint(session, signer, NOW)
    assert kinds(database) == ["first"]


def test_nothing_is_done_that_cannot_be_logged(database: Database) -> None:
    with database.transaction() as session:
        session.execute(text("DROP TABLE audit_details"))
    with pytest.raises(Exception, match="audit_details"), database.transaction() as session:
        session.add(EventRow(at=NOW, subject="x", kind="y", data={}))
        record.write(session, "first", "user:ana", "x", NOW)
    with database.reading() as session:
        assert session.query(EventRow).count() == 0


def test_transactions_that_log_early_and_lock_late_do_not_wait_for_each_other_in_a_circle(database: Database) -> None:
    """One logs and then changes a row that the other one changed before it logs."""
    with database.transaction() as session:
        session.add(EventRow(id=1, at=NOW, subject="x", kind="y", data={}))
    both, failures = threading.Barrier(2, timeout=HANGS_AFTER_S), []
    at_once = database.engine.dialect.name != "sqlite"  # on SQLite one transaction begins when the other has ended

    def change(log_first: bool) -> None:
        try:
            with database.transaction() as session:
                steps = [
                    lambda: record.write(session, "k", "user:ana", "x", NOW),
                    lambda: session.execute(text("UPDATE events SET at = at + 1 WHERE id = 1")),
                ]
                first, second = steps if log_first else reversed(steps)
                first()
                if at_once:
                    both.wait()
                second()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=change, args=(each,)) for each in (True, False)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert kinds(database) == ["k", "k"]
