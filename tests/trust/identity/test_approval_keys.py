from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from falaj.core.principal import Principal
from falaj.storage import Database
from falaj.supply_chain.attestations import IDENTITY, Signer, load_or_create_key, trust, verify_envelope
from falaj.trust.identity import identity_envelopes, keys_of, register, revoke_key
from falaj.trust.identity.approval_keys import KEY_LIFE_S
from falaj.trust.identity.errors import IdentityInputError, UnknownIdentityError
from tests.trust.identity.conftest import NOW, proof_of

pytestmark = pytest.mark.integration

Person = Callable[..., Principal]


@pytest.fixture
def key(tmp_path: Path) -> Signer:
    return load_or_create_key(tmp_path / "approval.pem")


def registered(database: Database, authority: Signer, who: Principal, key: Signer, now: float = NOW) -> None:
    with database.transaction() as session:
        register(session, authority, who, key.public_pem, proof_of(key, who.id), now)


def test_the_platform_signs_whose_a_key_is(database: Database, person: Person, authority: Signer, key: Signer) -> None:
    ana = person("ana")
    registered(database, authority, ana, key)
    with database.reading() as session:
        envelopes = identity_envelopes(session, frozenset({ana.id}), NOW + 1)
    [key_statement] = [verify_envelope(envelope, trust(authority.public_pem, [IDENTITY])) for envelope in envelopes]
    assert key_statement.predicate["person"] == "user:ana"
    assert key_statement.predicate["email"] == "ana@example.org"
    assert key_statement.predicate["key_id"] == key.key_id
    assert key_statement.predicate["not_after"] - key_statement.predicate["not_before"] == KEY_LIFE_S


def test_registering_a_key_again_renews_it_and_old_approvals_still_count(
    database: Database, person: Person, authority: Signer, key: Signer
) -> None:
    ana = person("ana")
    registered(database, authority, ana, key)
    later = NOW + 1000
    registered(database, authority, replace(ana, step_up_at=later), key, later)
    with database.reading() as session:
        [row] = keys_of(session, ana.id, later)
    assert (row.not_before, row.not_after) == (NOW, later + KEY_LIFE_S)


def test_a_key_is_good_for_its_time_and_until_it_is_revoked(
    database: Database, person: Person, authority: Signer, key: Signer
) -> None:
    ana = person("ana")
    registered(database, authority, ana, key)
    with database.transaction() as session:
        assert keys_of(session, ana.id, NOW - 1) == []
        assert keys_of(session, ana.id, NOW + KEY_LIFE_S) == []
        revoke_key(session, key.key_id, NOW + 5, person=ana.id)
        revoke_key(session, key.key_id, NOW + 9, person=ana.id)
        session.flush()
        assert keys_of(session, ana.id, NOW + 10) == []
        assert identity_envelopes(session, frozenset({ana.id}), NOW + 10) == []


def test_nobody_revokes_the_key_of_another(database: Database, person: Person, authority: Signer, key: Signer) -> None:
    registered(database, authority, person("ana"), key)
    with pytest.raises(UnknownIdentityError), database.transaction() as session:
        revoke_key(session, key.key_id, NOW, person="user:bo")


def test_a_person_has_a_handful_of_keys(database: Database, person: Person, authority: Signer, tmp_path: Path) -> None:
    ana = person("ana")
    for number in range(10):
        registered(database, authority, ana, load_or_create_key(tmp_path / f"{number}.pem"))
    with pytest.raises(IdentityInputError):
        registered(database, authority, ana, load_or_create_key(tmp_path / "11.pem"))


@pytest.mark.parametrize("pem", ["", "-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----\n"])
def test_what_is_no_key_is_refused(database: Database, person: Person, authority: Signer, pem: str) -> None:
    ana = person("ana")
    with pytest.raises(IdentityInputError) as caught, database.transaction() as session:
        register(session, authority, ana, pem, "", NOW)
    assert caught.value.code == "identity.key"
