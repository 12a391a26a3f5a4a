from __future__ import annotations

import stat
from pathlib import Path

import pytest

from falaj.core.errors import ConflictError
from falaj.core.principal import PrincipalKind
from falaj.trust.identity import (
    Authenticator,
    FirstAdministrator,
    Proof,
    accounts,
    administration,
    authenticate,
    make_first_administrator,
    offer_setup,
    roles,
)
from falaj.trust.identity.errors import IdentityInputError, RefusedError
from falaj.trust.identity.one_time_links import SETUP_LIFE_S
from falaj.trust.policy import Role
from tests.trust.identity.conftest import NOW, PASSWORD

pytestmark = pytest.mark.integration

URL = "http://127.0.0.1:8470"
ROOT = FirstAdministrator("root", "root@example.org", PASSWORD)


def offered(keeper: Authenticator, folder: Path, now: float = NOW) -> str:
    path = offer_setup(keeper.database, folder, URL, now)
    assert path is not None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    return path.read_text()


def test_a_new_installation_offers_a_link_that_makes_its_administrator(keeper: Authenticator, tmp_path: Path) -> None:
    link = offered(keeper, tmp_path)
    assert link.startswith(f"{URL}/setup#falaj-link.")
    administrator = make_first_administrator(keeper.database, keeper.passwords, link, ROOT, NOW)
    assert administrator.id == "user:root"
    secret = keeper.log_in("root", Proof(PASSWORD), NOW)
    with keeper.database.reading() as session:
        assert authenticate(session, secret, NOW) is not None
        assert [each.role for each in roles.roles_of(session, administrator)] == [Role.ADMIN]


def test_no_account_and_no_password_is_there_before(keeper: Authenticator, tmp_path: Path) -> None:
    offered(keeper, tmp_path)
    with keeper.database.reading() as session:
        assert accounts.everyone(session) == []


def test_a_restart_keeps_the_link_and_the_first_administrator_ends_it(keeper: Authenticator, tmp_path: Path) -> None:
    link = offered(keeper, tmp_path)
    assert offered(keeper, tmp_path, NOW + 60) == link
    make_first_administrator(keeper.database, keeper.passwords, link, ROOT, NOW)
    assert offer_setup(keeper.database, tmp_path, URL, NOW) is None
    assert not (tmp_path / "setup-link").exists()


def test_an_expired_or_garbled_link_is_replaced_at_the_next_start(keeper: Authenticator, tmp_path: Path) -> None:
    old = offered(keeper, tmp_path)
    late = NOW + SETUP_LIFE_S
    new = offered(keeper, tmp_path, late)
    assert new != old
    (tmp_path / "setup-link").write_text("?")
    newest = offered(keeper, tmp_path, late)
    with pytest.raises(RefusedError):
        make_first_administrator(keeper.database, keeper.passwords, new, ROOT, late)
    make_first_administrator(keeper.database, keeper.passwords, newest, ROOT, late)


def test_the_owner_gets_back_in_when_no_administrator_is_left(keeper: Authenticator, tmp_path: Path) -> None:
    make_first_administrator(keeper.database, keeper.passwords, offered(keeper, tmp_path), ROOT, NOW)
    with keeper.database.transaction() as session:
        administration.lock(session, accounts.find(session, "user:root"), "left", "user:other", NOW)
    second = FirstAdministrator("root2", "root2@example.org", PASSWORD)
    make_first_administrator(keeper.database, keeper.passwords, offered(keeper, tmp_path), second, NOW)


def test_a_refused_newcomer_does_not_use_up_the_link(keeper: Authenticator, tmp_path: Path) -> None:
    link = offered(keeper, tmp_path)
    for wrong in (
        FirstAdministrator("Root", "r@example.org", PASSWORD),
        FirstAdministrator("root", "r@example.org", "short"),
    ):
        with pytest.raises(IdentityInputError):
            make_first_administrator(keeper.database, keeper.passwords, link, wrong, NOW)
    make_first_administrator(keeper.database, keeper.passwords, link, ROOT, NOW)


def test_a_link_makes_nobody_while_there_is_an_administrator(keeper: Authenticator, tmp_path: Path) -> None:
    link = offered(keeper, tmp_path)
    with keeper.database.transaction() as session:
        other = accounts.create(
            session, accounts.NewAccount(PrincipalKind.USER, "boss", "local", "b@example.org"), "user:boss", NOW
        )
        roles.grant_first(session, other, NOW)
    with pytest.raises(ConflictError) as caught:
        make_first_administrator(keeper.database, keeper.passwords, link, ROOT, NOW)
    assert caught.value.code == "identity.set-up"
