from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import text

from falaj.core.errors import ConflictError
from falaj.core.principal import HOME, Principal, PrincipalKind
from falaj.storage import Database
from falaj.trust.identity import (
    NewAccount,
    NewToken,
    accounts,
    administration,
    authenticate,
    open_session,
    roles,
    tokens,
)
from falaj.trust.identity.errors import IdentityInputError, IdentityTakenError, RefusedError, UnknownIdentityError
from falaj.trust.policy import Binding, Role
from tests.trust.identity.conftest import NOW

pytestmark = pytest.mark.integration

Person = Callable[..., Principal]
ADMIN = "user:root"


def new_account(name: str = "ana", email: str | None = "ana@example.org") -> NewAccount:
    return NewAccount(PrincipalKind.USER, name, accounts.LOCAL, email)


def oidc(name: str, email: str, *groups: str) -> Principal:
    return Principal(f"user:{name}", PrincipalKind.USER, email=email, groups=frozenset(groups))


def test_an_account_has_no_password_until_its_person_chooses_one(database: Database) -> None:
    with database.transaction() as session:
        account, link = administration.invite(session, new_account(), ADMIN, NOW)
        assert account.password_hash is None and account.totp_sealed is None
        assert link.startswith("falaj-link.")


def test_a_name_is_never_reused_not_even_of_a_locked_account(database: Database, person: Person) -> None:
    person("ana")
    with database.transaction() as session:
        administration.lock(session, accounts.find(session, "user:ana"), "left", ADMIN, NOW)
    with pytest.raises(IdentityTakenError), database.transaction() as session:
        accounts.create(session, new_account(email="other@example.org"), ADMIN, NOW)


def test_one_address_has_one_account(database: Database, person: Person) -> None:
    person("ana")
    with pytest.raises(IdentityTakenError) as caught, database.transaction() as session:
        accounts.create(session, new_account("ana2", "ANA@example.org"), ADMIN, NOW)
    assert caught.value.code == "identity.taken"


def test_the_database_itself_keeps_addresses_unique(database: Database, person: Person) -> None:
    person("ana")
    person("bo")
    with pytest.raises(Exception, match=r"(?i)unique"), database.transaction() as session:
        session.execute(text("UPDATE accounts SET email = 'ana@example.org' WHERE id = 'user:bo'"))


def test_the_homes_name_belongs_to_the_home(database: Database) -> None:
    with pytest.raises(IdentityTakenError), database.transaction() as session:
        accounts.create(session, NewAccount(PrincipalKind.SERVICE, HOME.partition(":")[2], "token"), ADMIN, NOW)


def test_a_person_needs_an_address_and_a_service_has_none(database: Database) -> None:
    with pytest.raises(IdentityInputError), database.transaction() as session:
        accounts.create(session, new_account(email=None), ADMIN, NOW)
    with database.transaction() as session:
        assert accounts.create(session, NewAccount(PrincipalKind.SERVICE, "ci", "token"), ADMIN, NOW).email is None


def test_a_locked_account_comes_back_without_its_sessions(database: Database, person: Person) -> None:
    ana = person("ana")
    with database.transaction() as session:
        secret = open_session(session, ana, "password", NOW)
        administration.lock(session, accounts.find(session, ana.id), "left", ADMIN, NOW)
        assert accounts.find(session, ana.id).locked_reason == "left"
        administration.unlock(session, accounts.find(session, ana.id), ADMIN, NOW)
        assert authenticate(session, secret, NOW) is None


def test_nobody_locks_or_promotes_themselves(database: Database, person: Person) -> None:
    ana = person("ana")
    with database.transaction() as session:
        account = accounts.find(session, ana.id)
        with pytest.raises(ConflictError) as caught:
            administration.lock(session, account, "tired", ana.id, NOW)
        assert caught.value.code == "identity.own-account"
        with pytest.raises(ConflictError):
            roles.set_roles(session, account, [Binding(Role.RELEASE_MANAGER)], ana.id, NOW)


def test_an_unknown_account_is_not_found(database: Database) -> None:
    with pytest.raises(UnknownIdentityError), database.reading() as session:
        accounts.find(session, "user:nobody")


def test_roles_replace_those_before(database: Database, person: Person) -> None:
    ana = person("ana")
    with database.transaction() as session:
        account = accounts.find(session, ana.id)
        roles.set_roles(session, account, [Binding(Role.AUDITOR), Binding(Role.AUDITOR)], ADMIN, NOW)
        assert len(roles.roles_of(session, account)) == 1
        roles.set_roles(session, account, [Binding(Role.RELEASE_MANAGER, environment="prod")], ADMIN, NOW)
        assert [roles.role_text(each) for each in roles.roles_of(session, account)] == ["release-manager:prod"]
        roles.set_roles(session, account, [], ADMIN, NOW)
        assert roles.roles_of(session, account) == ()


def test_an_administrator_who_is_locked_is_none(database: Database, person: Person) -> None:
    ana = person("ana")
    with database.transaction() as session:
        assert not roles.has_administrator(session)
        roles.set_roles(session, accounts.find(session, ana.id), [Binding(Role.ADMIN)], ADMIN, NOW)
        assert roles.has_administrator(session)
        administration.lock(session, accounts.find(session, ana.id), "left", ADMIN, NOW)
        assert not roles.has_administrator(session)


def test_the_first_login_through_a_provider_makes_an_account_and_each_brings_the_groups(database: Database) -> None:
    with database.transaction() as session:
        open_session(session, oidc("ana", "ana@example.org", "ml"), "oidc", NOW)
        secret = open_session(session, oidc("ana", "ana@new.org", "ops", "ml"), "oidc", NOW)
        principal = authenticate(session, secret, NOW)
    assert principal is not None
    assert (principal.groups, principal.email) == ({"ops", "ml"}, "ana@new.org")


def test_a_provider_cannot_take_over_a_local_account(database: Database, person: Person) -> None:
    person("ana")
    for principal in (oidc("ana", "ana@example.org"), oidc("other", "ana@example.org")):
        with pytest.raises(IdentityTakenError), database.transaction() as session:
            open_session(session, principal, "oidc", NOW)


def test_a_provider_cannot_give_one_address_to_two(database: Database) -> None:
    with database.transaction() as session:
        open_session(session, oidc("ana", "ana@example.org"), "oidc", NOW)
        open_session(session, oidc("bo", "bo@example.org"), "oidc", NOW)
    with pytest.raises(IdentityTakenError), database.transaction() as session:
        open_session(session, oidc("bo", "ana@example.org"), "oidc", NOW)


def test_a_locked_person_of_a_provider_stays_out(database: Database) -> None:
    principal = oidc("ana", "ana@example.org")
    with database.transaction() as session:
        open_session(session, principal, "oidc", NOW)
        administration.lock(session, accounts.find(session, principal.id), "left", ADMIN, NOW)
    with pytest.raises(RefusedError), database.transaction() as session:
        open_session(session, principal, "oidc", NOW)


def test_a_password_opens_nothing_for_who_has_no_account(database: Database) -> None:
    with pytest.raises(UnknownIdentityError), database.transaction() as session:
        open_session(session, oidc("ana", "ana@example.org"), "password", NOW)


def test_only_who_has_a_password_gets_a_link_for_one(database: Database) -> None:
    with database.transaction() as session:
        open_session(session, oidc("ana", "ana@example.org"), "oidc", NOW)
        with pytest.raises(IdentityInputError):
            administration.new_link(session, accounts.find(session, "user:ana"), ADMIN, NOW)


def test_a_locked_service_has_no_working_token(database: Database, person: Person) -> None:
    root = replace(person("root"), actions=None)
    with database.transaction() as session:
        account = tokens.service_account(session, "ci", root, NOW)
        assert tokens.service_account(session, "ci", root, NOW) is account
        secret, _ = tokens.issue(session, account, NewToken("ci", frozenset({"read"}), 60.0), root, NOW)
        assert authenticate(session, secret, NOW) is not None
        administration.lock(session, account, "leaked", root.id, NOW)
        assert authenticate(session, secret, NOW) is None
        with pytest.raises(RefusedError):
            tokens.issue(session, account, NewToken("ci", frozenset({"read"}), 60.0), root, NOW)
