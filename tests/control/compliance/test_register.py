"""Records, incidents and requests, on both databases."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from falaj.config.uae_pack import DAY_S
from falaj.control import compliance
from falaj.control.compliance import ComplianceRecord, dsar_requests, incidents
from falaj.core.errors import FalajError
from falaj.storage import Database
from falaj.storage.privacy_tables import PrivacyRecordRow
from falaj.supply_chain.attestations import Keyring, open_keyring
from falaj.trust import audit
from tests.control.compliance.cases import ASSESSED, NOW, basis
from tests.databases import migrated_sqlite

pytestmark = pytest.mark.integration


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return open_keyring(tmp_path / "keys")


def registered(database: Database, keyring: Keyring, record: ComplianceRecord) -> ComplianceRecord:
    with database.transaction() as session:
        return compliance.register(session, keyring, record, NOW)


def believed(database: Database, keyring: Keyring, model: str | None = None) -> tuple[ComplianceRecord, ...]:
    with database.reading() as session:
        return compliance.believed(session, keyring, model)


def kinds(database: Database) -> list[str]:
    with database.reading() as session:
        return [each.kind for each in reversed(audit.entries(session, audit.EntryFilter()))]


def test_a_record_is_signed_logged_believed_and_withdrawn(database: Database, keyring: Keyring) -> None:
    signed_record = registered(database, keyring, basis())
    assert believed(database, keyring) == (signed_record,) and signed_record.made_at == NOW and signed_record.id
    assert believed(database, keyring, "churn") == (signed_record,) and believed(database, keyring, "fraud") == ()
    with database.transaction() as session:
        compliance.withdraw(session, signed_record.id, "user:noor", "the contract ended", NOW + 1)
    assert believed(database, keyring) == ()
    assert kinds(database) == ["privacy.recorded", "evidence.signed", "privacy.withdrawn"]
    with database.transaction() as session, pytest.raises(FalajError, match="was withdrawn before"):
        compliance.withdraw(session, signed_record.id, "user:noor", "again", NOW + 2)
    with database.transaction() as session, pytest.raises(FalajError, match="there is no record"):
        compliance.withdraw(session, "nothing", "user:noor", "again", NOW + 2)


@pytest.mark.parametrize(
    "wrong",
    [
        basis(document="sha256:abc"), basis(expires_at=NOW), basis(regime="government"), basis(mechanism="hope"),
        basis(destination=""), basis(purpose=""), replace(ASSESSED, model=""),
        basis(regime="health", mechanism="exception", note="MD 51"),
        basis(regime="health", mechanism="exception", authority="DoH 1"),
        basis(regime="cbuae", mechanism="approval", authority="CBUAE 1"),
    ],
)  # fmt: skip
def test_a_record_that_says_too_little_is_not_signed(tmp_path: Path, keyring: Keyring, wrong: ComplianceRecord) -> None:
    database = migrated_sqlite(tmp_path / "falaj.db")
    with pytest.raises(compliance.BadRecordError):
        registered(database, keyring, wrong)
    assert believed(database, keyring) == () and kinds(database) == []


def test_a_row_that_was_changed_is_believed_by_nobody(tmp_path: Path, keyring: Keyring) -> None:
    database = migrated_sqlite(tmp_path / "falaj.db")
    signed_record, other = registered(database, keyring, basis()), registered(database, keyring, ASSESSED)
    with database.transaction() as session:
        row, donor = session.get_one(PrivacyRecordRow, signed_record.id), session.get_one(PrivacyRecordRow, other.id)
        row.envelope = dict(donor.envelope)
        row.model = ""
    assert [each.id for each in believed(database, keyring)] == [other.id]
    stranger = open_keyring(tmp_path / "others")
    assert believed(database, stranger) == ()


def test_an_incident_has_a_clock(database: Database) -> None:
    with database.transaction() as session:
        row = incidents.open_incident(
            session, incidents.Breach("a lost laptop", NOW - DAY_S), 3 * DAY_S, "user:noor", NOW
        )
        opened = row.id
        assert row.notify_by == NOW + 2 * DAY_S
        assert not incidents.overdue(row, NOW + 2 * DAY_S) and incidents.overdue(row, NOW + 2 * DAY_S + 1)
        with pytest.raises(compliance.PrivacyStateError, match="is open"):
            incidents.close(session, opened, "nothing", "user:noor", NOW)
    with database.transaction() as session:
        row = incidents.notify(session, opened, "UAE Data Office", "user:noor", NOW + 3 * DAY_S)
        assert incidents.overdue(row, NOW + 9 * DAY_S) and row.notified_at == NOW + 3 * DAY_S
        incidents.notify(session, opened, "the customers", "user:noor", NOW + 4 * DAY_S)
    with database.transaction() as session:
        row = incidents.close(session, opened, "encrypted", "user:noor", NOW + 5 * DAY_S)
        assert row.notified_at == NOW + 3 * DAY_S and len(row.data["notified"]) == 2
        with pytest.raises(compliance.PrivacyStateError):
            incidents.notify(session, opened, "nobody", "user:noor", NOW)
    assert kinds(database) == ["incident.opened", "incident.notified", "incident.notified", "incident.closed"]


def test_a_breach_is_not_learned_of_in_the_future(database: Database) -> None:
    with database.transaction() as session, pytest.raises(compliance.BadRecordError):
        incidents.open_incident(session, incidents.Breach("x", NOW + 1), DAY_S, "user:noor", NOW)


def test_a_request_is_due(database: Database) -> None:
    with database.transaction() as session:
        request_id = dsar_requests.receive(session, "access", 30 * DAY_S, "user:noor", NOW, NOW - DAY_S)
        row = dsar_requests.find(session, request_id)
        assert row.due_at == NOW + 29 * DAY_S and dsar_requests.overdue(row, NOW + 30 * DAY_S)
        dsar_requests.advance(session, request_id, dsar_requests.CLOSED, {"answer": "sent"}, "user:noor", NOW + 1)
        assert not dsar_requests.overdue(row, NOW + 30 * DAY_S)
        assert [each.id for each in dsar_requests.requests(session)] == [request_id]
        with pytest.raises(compliance.PrivacyStateError):
            dsar_requests.advance(session, request_id, dsar_requests.CLOSED, {}, "user:noor", NOW + 2)
    assert kinds(database) == ["subject-request.received", "subject-request.closed"]
