"""Tokens are spent once, for their location; who is out is out at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import select
from sqlalchemy.orm import Session

from falaj.core.errors import FalajError
from falaj.storage import Database
from falaj.storage.audit_tables import AuditLeafRow
from falaj.storage.workload_tables import CertificateRow, EnrolmentRow
from falaj.supply_chain.certificates import workload_certificates as certificates
from falaj.supply_chain.certificates.authority import CertificateAuthority, open_authority
from falaj.supply_chain.certificates.errors import PeerRefusedError
from falaj.supply_chain.certificates.workload_certificates import Peer
from falaj.trust.pki import agent_certificates, enrolment
from falaj.trust.pki.errors import EnrolmentError, UnknownLocationError
from tests.agents_port import name_locations

pytestmark = pytest.mark.integration

NOW = 1_800_000_000.0
KEY = certificates.new_key()


@pytest.fixture
def authority(tmp_path: Path) -> CertificateAuthority:
    return open_authority(tmp_path / "keys", lambda: NOW)


@pytest.fixture
def named(database: Database) -> Database:
    name_locations(database)
    return database


def invited(database: Database, location: str = "edge-1", now: float = NOW) -> str:
    with database.transaction() as session:
        return enrolment.invite(session, location, "user:root", now).token


def come_in(database: Database, authority: CertificateAuthority, now: float = NOW, token: str = "") -> Peer:
    spent = token or invited(database, now=now)
    with database.transaction() as session:
        row = enrolment.accept(session, spent, "edge-1", now)
        issued = agent_certificates.certify(session, authority, row, KEY.public_key(), now)
    return authority.check(x509.load_pem_x509_certificate(issued.certificate.encode()).public_bytes(Encoding.DER), now)


def refused(database: Database, what: Callable[[Session], object]) -> str:
    with pytest.raises(FalajError) as caught, database.transaction() as session:
        what(session)
    return caught.value.code


def states(database: Database, now: float = NOW) -> dict[str, str]:
    with database.reading() as session:
        return {each.location: each.state for each in agent_certificates.members(session, now)}


def test_a_token_is_spent_once(named: Database, authority: CertificateAuthority) -> None:
    token = invited(named)
    assert states(named) == {"local": "own", "edge-1": "invited", "edge-2": "not-enrolled"}
    with named.reading() as session:
        assert token.rpartition(".")[2] not in repr(vars(session.scalars(select(EnrolmentRow)).one()))
    peer = come_in(named, authority, token=token)
    assert states(named)["edge-1"] == "enrolled" and states(named, NOW + 600)["edge-1"] == "silent"
    with named.reading() as session:
        agent_certificates.require_standing(session, peer)
    assert refused(named, lambda s: enrolment.accept(s, token, "edge-1", NOW)) == "workload.token-used"


@pytest.mark.parametrize(
    ("spend", "code"),
    [
        (lambda s, token: enrolment.accept(s, token, "edge-2", NOW), "workload.token"),
        (lambda s, token: enrolment.accept(s, token, "edge-1", NOW + 3600), "workload.token"),
        (lambda s, token: enrolment.accept(s, token + "x", "edge-1", NOW), "workload.token"),
        (lambda s, token: enrolment.accept(s, token.replace("enrol", "link", 1), "edge-1", NOW), "workload.token"),
        (lambda s, token: enrolment.accept(s, "", "edge-1", NOW), "workload.token"),
    ],
)
def test_a_token_is_good_for_one_place_and_time(
    named: Database, spend: Callable[[Session, str], object], code: str
) -> None:
    token = invited(named)
    assert refused(named, lambda s: spend(s, token)) == code
    with named.transaction() as session:  # and was not spent by the attempt
        enrolment.accept(session, token, "edge-1", NOW)


def test_a_second_token_voids_the_first(named: Database) -> None:
    first, _ = invited(named), invited(named)
    assert refused(named, lambda s: enrolment.accept(s, first, "edge-1", NOW)) == "workload.token"


def test_only_configured_locations_elsewhere_are_invited(named: Database) -> None:
    with pytest.raises(UnknownLocationError), named.transaction() as session:
        enrolment.invite(session, "edge-9", "user:root", NOW)
    with pytest.raises(EnrolmentError), named.transaction() as session:
        enrolment.invite(session, "local", "user:root", NOW)


def test_a_new_agent_puts_the_one_before_out(named: Database, authority: CertificateAuthority) -> None:
    first, second = come_in(named, authority), come_in(named, authority, NOW + 1)
    with named.reading() as session:
        agent_certificates.require_standing(session, second)
        with pytest.raises(PeerRefusedError):
            agent_certificates.require_standing(session, first)


def test_who_was_forgotten_is_out_for_good(named: Database, authority: CertificateAuthority) -> None:
    peer, waiting = come_in(named, authority), invited(named)
    with named.transaction() as session:
        agent_certificates.forget(session, "edge-1", "user:root", NOW)
    assert refused(named, lambda s: agent_certificates.require_standing(s, peer)) == "workload.certificate"
    assert refused(named, lambda s: agent_certificates.renewing(s, "edge-1")) == "workload.enrolment"
    assert refused(named, lambda s: agent_certificates.returning(s, KEY.public_key(), NOW)) == "workload.certificate"
    assert refused(named, lambda s: enrolment.accept(s, waiting, "edge-1", NOW)) == "workload.token"
    assert refused(named, lambda s: agent_certificates.forget(s, "edge-1", "user:root", NOW)) == "workload.enrolment"
    come_in(named, authority, NOW + 1)  # a new one does not bring the old certificate back
    assert refused(named, lambda s: agent_certificates.require_standing(s, peer)) == "workload.certificate"


def test_a_certificate_that_was_never_issued_here_is_refused(named: Database, authority: CertificateAuthority) -> None:
    peer = come_in(named, authority)
    other = Peer(peer.workload, "0" * 40, peer.issued_at, peer.expires_at)
    assert refused(named, lambda s: agent_certificates.require_standing(s, other)) == "workload.certificate"


def test_an_agent_returns_with_its_newest_key_alone(named: Database, authority: CertificateAuthority) -> None:
    come_in(named, authority)
    later = NOW + 86_400
    with named.transaction() as session:
        assert agent_certificates.returning(session, KEY.public_key(), later).location == "edge-1"
        row = agent_certificates.renewing(session, "edge-1")
        agent_certificates.certify(session, authority, row, certificates.new_key().public_key(), later)
    assert refused(named, lambda s: agent_certificates.returning(s, KEY.public_key(), later)) == "workload.certificate"


def test_an_agent_does_not_return_after_a_month(named: Database, authority: CertificateAuthority) -> None:
    come_in(named, authority)
    late = NOW + 600 + agent_certificates.RETURN_WITHIN_S
    assert (
        refused(named, lambda s: agent_certificates.returning(s, KEY.public_key(), late + 1)) == "workload.certificate"
    )


def test_certificates_that_ran_out_are_not_kept_for_ever(named: Database, authority: CertificateAuthority) -> None:
    come_in(named, authority)
    with named.transaction() as session:
        for turn in range(1, 8):
            agent_certificates.certify(
                session, authority, agent_certificates.renewing(session, "edge-1"), KEY.public_key(), NOW + 300 * turn
            )
        assert len(session.scalars(select(CertificateRow)).all()) == 3


def test_everything_is_in_the_audit_log(named: Database, authority: CertificateAuthority) -> None:
    come_in(named, authority)
    with named.transaction() as session:
        agent_certificates.forget(session, "edge-1", "user:root", NOW)
    with named.reading() as session:
        kinds = [leaf.kind for leaf in session.scalars(select(AuditLeafRow).order_by(AuditLeafRow.index))]
    assert [kind for kind in kinds if kind.startswith("workload.")] == [
        "workload.invited",
        "workload.enrolled",
        "workload.certified",
        "workload.forgotten",
    ]
