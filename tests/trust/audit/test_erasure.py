from __future__ import annotations

from pathlib import Path

import pytest

from falaj.storage import Database
from falaj.storage.audit_tables import AuditDetailRow
from falaj.supply_chain.attestations import SigningRole, open_keyring
from falaj.trust import audit

pytestmark = pytest.mark.integration

NOW = 1_800_000_000.0
ENTRIES = [
    audit.AuditEntry("account.locked", "user:ana", "account/ben", {"why": "left"}),
    audit.AuditEntry("account.locked", "user:root", "account/ana", {"why": "ill"}),
    audit.AuditEntry("change.asked", "user:ben", "change/1", {"reason": "better"}),
    audit.AuditEntry("run.queued", "service:home", "run/1", {"trigger": "push"}),
]


def shown(database: Database) -> list[tuple[str, str, object]]:
    with database.reading() as session:
        audit_entries = audit.entries(session, audit.EntryFilter())
    return [(each.actor, each.subject, each.details) for each in reversed(audit_entries)]


def test_erased_details_leave_every_proof_as_it_was(database: Database, tmp_path: Path) -> None:
    signer = open_keyring(tmp_path / "keys").signer(SigningRole.LOG)
    with database.transaction() as session:
        audit.append(session, ENTRIES, NOW)
        before = audit.checkpoint(session, signer, NOW), audit.root_at(session, 3)
    with database.transaction() as session:
        assert audit.erase_details(session, [0, 2, 99]) == 2
        assert audit.erase_details(session, [0]) == 0
    with database.transaction() as session:
        assert (audit.checkpoint(session, signer, NOW + 1), audit.root_at(session, 3)) == before
        assert [row.index for row in session.query(AuditDetailRow)] == [1, 3]
    assert [details for _, _, details in shown(database)] == [None, {"why": "ill"}, None, {"trigger": "push"}]


def test_a_forgotten_person_is_neither_named_nor_told_of(database: Database) -> None:
    with database.transaction() as session:
        audit.append(session, ENTRIES, NOW)
        assert not audit.forget(session, "user:nobody")
        assert audit.forget(session, "user:ana")
        assert not audit.forget(session, "user:ana")
    by_ana, about_ana, *others = shown(database)
    assert by_ana[0].startswith("person:") and by_ana[1:] == ("account/ben", None)
    assert about_ana[1] == f"account/{by_ana[0]}" and about_ana[2] is None
    assert others == [("user:ben", "change/1", {"reason": "better"}), ("service:home", "run/1", {"trigger": "push"})]


def test_a_forgotten_person_comes_back_as_somebody_else(database: Database) -> None:
    with database.transaction() as session:
        audit.append(session, ENTRIES[0], NOW)
        audit.forget(session, "user:ana")
        audit.append(session, ENTRIES[0], NOW)
    (first, _, _), (second, _, _) = shown(database)
    assert first.startswith("person:") and second == "user:ana"
    with database.reading() as session:
        assert [each.index for each in audit.entries(session, audit.EntryFilter(actor="user:ana"))] == [1]
