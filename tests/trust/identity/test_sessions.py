from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import select

from falaj.core.principal import Principal
from falaj.storage import Database
from falaj.storage.identity_tables import SessionRow, TokenRow
from falaj.trust.identity import (
    NewToken,
    accounts,
    authenticate,
    close_session,
    open_session,
    record_step_up,
    session_of,
    tokens,
)
from falaj.trust.identity.errors import IdentityInputError, RefusedError, UnknownIdentityError
from falaj.trust.identity.sessions import SESSION_S
from falaj.trust.identity.tokens import MAX_LIFE_S, NEVER_BY_TOKEN
from falaj.trust.policy import Action
from tests.trust.identity.conftest import NOW

pytestmark = pytest.mark.integration

Person = Callable[..., Principal]
READ = NewToken("nightly", frozenset({"read"}), 3600.0)


def test_a_session_is_its_person_with_the_step_up_of_the_login(database: Database, person: Person) -> None:
    ana = person("ana")
    with database.transaction() as session:
        secret = open_session(session, ana, "login", NOW)
    with database.reading() as session:
        assert authenticate(session, secret, NOW + 1) == ana


def test_a_session_lasts_a_working_day(database: Database, person: Person) -> None:
    ana = person("ana")
    with database.transaction() as session:
        secret = open_session(session, ana, "login", NOW)
        assert authenticate(session, secret, NOW + SESSION_S - 1) is not None
        assert authenticate(session, secret, NOW + SESSION_S) is None


def test_a_session_that_was_closed_proves_nothing(database: Database, person: Person) -> None:
    ana = person("ana")
    with database.transaction() as session:
        live_secret, closed = (open_session(session, ana, "login", NOW) for _ in range(2))
        close_session(session, closed, NOW)
        assert authenticate(session, closed, NOW) is None
        assert authenticate(session, live_secret, NOW) is not None
        with pytest.raises(RefusedError):
            close_session(session, closed, NOW)


def test_no_secret_is_in_the_database(database: Database, person: Person) -> None:
    ana = person("ana")
    with database.transaction() as session:
        opened = open_session(session, ana, "login", NOW)
        issued, _ = tokens.issue(session, accounts.find(session, ana.id), READ, ana, NOW)
        rows = [*session.scalars(select(SessionRow)), *session.scalars(select(TokenRow))]
        database_text = " ".join(str(value) for row in rows for value in vars(row).values())
    for secret in (opened, issued):
        assert secret.rpartition(".")[2] not in database_text


def test_old_sessions_go_when_a_new_one_opens(database: Database, person: Person) -> None:
    ana = person("ana")
    with database.transaction() as session:
        open_session(session, ana, "login", NOW)
        open_session(session, ana, "login", NOW + SESSION_S + 1)
        assert len(list(session.scalars(select(SessionRow)))) == 1


def test_groups_are_those_of_now_and_not_of_the_login(database: Database, person: Person) -> None:
    ana = person("ana")
    with database.transaction() as session:
        secret = open_session(session, ana, "login", NOW)
        accounts.find(session, ana.id).groups = ["ops"]
        session.flush()
        principal = authenticate(session, secret, NOW)
    assert principal is not None and principal.groups == {"ops"}


def test_a_step_up_belongs_to_its_session(database: Database, person: Person) -> None:
    ana = replace(person("ana"), step_up_at=None, step_up_method=None)
    with database.transaction() as session:
        first, second = (open_session(session, ana, "password", NOW) for _ in range(2))
        record_step_up(session, first, "webauthn", NOW + 10)
        one, other = authenticate(session, first, NOW + 11), authenticate(session, second, NOW + 11)
    assert one is not None and (one.step_up_at, one.step_up_method) == (NOW + 10, "webauthn")
    assert other is not None and other.step_up_at is None


def test_a_session_from_the_future_proves_nothing(database: Database, person: Person) -> None:
    ana = person("ana")
    with database.transaction() as session:
        secret = open_session(session, ana, "login", NOW + 3600)
        assert authenticate(session, secret, NOW) is None


def test_a_token_acts_as_its_account_within_its_scope(database: Database, person: Person) -> None:
    ana = person("ana")
    with database.transaction() as session:
        secret, row = tokens.issue(session, accounts.find(session, ana.id), READ, ana, NOW)
        principal = authenticate(session, secret, NOW + 1)
        assert session.scalars(tokens.tokens_of(ana.id)).all() == [row]
        assert session.scalars(tokens.tokens_of()).all() == []
    assert principal is not None
    assert (principal.id, principal.actions, principal.step_up_at) == (ana.id, {"read"}, None)


def test_tokens_of_services_are_listed_by_themselves(database: Database, person: Person) -> None:
    root = person("root")
    with database.transaction() as session:
        _, row = tokens.issue(session, tokens.service_account(session, "ci", root, NOW), READ, root, NOW)
        assert session.scalars(tokens.tokens_of()).all() == [row]


def test_a_token_is_revoked_by_its_owner_and_by_nobody_else(database: Database, person: Person) -> None:
    ana, bo = person("ana"), person("bo")
    with database.transaction() as session:
        secret, row = tokens.issue(session, accounts.find(session, ana.id), READ, ana, NOW)
        with pytest.raises(UnknownIdentityError):
            tokens.revoke(session, row.id, bo.id, NOW, account=bo.id)
        assert authenticate(session, secret, NOW) is not None
        tokens.revoke(session, row.id, ana.id, NOW, account=ana.id)
        tokens.revoke(session, row.id, ana.id, NOW + 5, account=ana.id)
        assert row.revoked_at == NOW


@pytest.mark.parametrize("life_s", [0.0, -1.0, MAX_LIFE_S + 1])
def test_a_token_expires_within_a_year(database: Database, person: Person, life_s: float) -> None:
    ana = person("ana")
    with pytest.raises(IdentityInputError) as caught, database.transaction() as session:
        tokens.issue(session, accounts.find(session, ana.id), replace(READ, life_s=life_s), ana, NOW)
    assert caught.value.code == "identity.token-scope"


def test_what_no_token_may_do_are_actions_that_exist() -> None:
    assert {Action(name).value for name in NEVER_BY_TOKEN} == NEVER_BY_TOKEN


def test_a_link_or_token_is_no_session(database: Database, person: Person) -> None:
    ana = person("ana")
    with database.transaction() as session:
        issued, _ = tokens.issue(session, accounts.find(session, ana.id), READ, ana, NOW)
        for other in (issued, issued.replace("falaj-token", "falaj-session"), "", "Bearer x"):
            with pytest.raises(RefusedError):
                session_of(session, other, NOW)
