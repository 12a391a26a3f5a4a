"""Secrets of steps: kept encrypted, told to runs of their project alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from falaj.core.errors import NotFoundError
from falaj.core.home import Home
from falaj.storage import Database, ProjectRow
from falaj.storage.key_tables import SecretRow
from falaj.supply_chain.encryption import DamagedCiphertextError, KeyScope, open_chest
from falaj.trust import secrets
from falaj.trust.secrets import BadSecretError, SecretNote, UnknownSecretError, Vault

pytestmark = pytest.mark.integration

VALUE = "correct horse battery staple"


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(open_chest(Home(tmp_path / "home", {}).prepare()), KeyScope())


@pytest.fixture(autouse=True)
def projects(database: Database) -> None:
    with database.transaction() as session:
        for name in ("flights", "loans"):
            session.add(ProjectRow(name=name, repository=f"/{name}.git", branch="main", created_at=1.0))


def note(project: str = "flights", name: str = "DB_PASSWORD") -> SecretNote:
    return SecretNote(project, name, 5.0, "user:maryam")


def test_a_run_of_the_project_gets_it_and_lists_show_that_it_is_there(database: Database, vault: Vault) -> None:
    with database.transaction() as session:
        secrets.set_secret(session, vault, note(), "another value")
        secrets.set_secret(session, vault, note(), VALUE)
        assert secrets.secret_values(session, vault, "flights", {"DB_PASSWORD", "UNSET"}) == {"DB_PASSWORD": VALUE}
        assert secrets.secret_values(session, vault, "flights", ()) == {}
        assert secrets.secret_values(session, vault, "loans", {"DB_PASSWORD"}) == {}
        assert secrets.list_secrets(session, "flights") == [note()]
        assert VALUE not in session.scalars(select(SecretRow)).one().sealed


@pytest.mark.parametrize("value", ["", "short12", "x" * 40_000, "with\0zero byte"])
def test_what_could_not_be_hidden_is_not_taken(database: Database, vault: Vault, value: str) -> None:
    with pytest.raises(BadSecretError) as raised, database.transaction() as session:
        secrets.set_secret(session, vault, note(), value)
    assert value not in str(raised.value) or not value


def test_a_project_that_does_not_exist_has_none(database: Database, vault: Vault) -> None:
    with pytest.raises(NotFoundError) as raised, database.transaction() as session:
        secrets.set_secret(session, vault, note("nowhere"), VALUE)
    assert raised.value.code == "project.unknown"


def test_it_can_be_forgotten_once(database: Database, vault: Vault) -> None:
    with database.transaction() as session:
        secrets.set_secret(session, vault, note(), VALUE)
        secrets.remove_secret(session, "flights", "DB_PASSWORD")
        assert secrets.list_secrets(session, "flights") == []
        with pytest.raises(UnknownSecretError):
            secrets.remove_secret(session, "flights", "DB_PASSWORD")


@pytest.mark.parametrize("target", [("loans", "DB_PASSWORD"), ("flights", "API_TOKEN")])
def test_a_row_copied_to_another_project_or_name_does_not_open(
    database: Database, vault: Vault, target: tuple[str, str]
) -> None:
    with database.transaction() as session:
        secrets.set_secret(session, vault, note(), VALUE)
        sealed = session.scalars(select(SecretRow)).one().sealed
        project, name = target
        session.add(SecretRow(project=project, name=name, sealed=sealed, updated_at=1.0, updated_by="thief"))
        session.flush()
        with pytest.raises(DamagedCiphertextError):
            secrets.secret_values(session, vault, project, {name})


def test_a_secret_whose_key_was_destroyed_is_not_set(database: Database, vault: Vault) -> None:
    with database.transaction() as session:
        secrets.set_secret(session, vault, note(), VALUE)
        vault.chest.change(lambda own: [key.destroyed(1.0) for key in own])
        assert secrets.secret_values(session, vault, "flights", {"DB_PASSWORD"}) == {}


def test_texts_from_before_are_told_apart(vault: Vault) -> None:
    assert secrets.is_sealed(vault.seal("x", "c")) and not secrets.is_sealed("a plain webhook secret")
    assert vault.open(vault.seal("x", "c"), "c") == "x"
