"""Secrets of the platform: as well kept as those of steps, and never given to one."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from falaj.core.home import Home
from falaj.storage import Database, ProjectRow
from falaj.storage.key_tables import PlatformSecretRow, SecretRow
from falaj.supply_chain.encryption import DamagedCiphertextError, KeyScope, open_chest
from falaj.trust import secrets
from falaj.trust.secrets import BadSecretError, SecretNote, Vault

pytestmark = pytest.mark.integration

VALUE = "correct horse battery staple"
NOTE = SecretNote(secrets.PLATFORM, "TICKETS", 5.0, "user:maryam")


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(open_chest(Home(tmp_path / "home", {}).prepare()), KeyScope())


def test_it_is_kept_sealed_replaced_and_found(database: Database, vault: Vault) -> None:
    with database.transaction() as session:
        secrets.set_platform_secret(session, vault, NOTE, "an older value")
        secrets.set_platform_secret(session, vault, NOTE, VALUE)
        assert secrets.list_platform_secrets(session) == [NOTE]
        assert secrets.platform_secret(session, vault, "TICKETS") == VALUE
        assert secrets.platform_secret(session, vault, "OTHER") is None
        assert VALUE not in session.scalars(select(PlatformSecretRow)).one().sealed
        with pytest.raises(BadSecretError):
            secrets.set_platform_secret(session, vault, NOTE, "short")


def test_neither_a_step_nor_another_name_opens_it(database: Database, vault: Vault) -> None:
    with database.transaction() as session:
        session.add(ProjectRow(name="flights", repository="/f.git", branch="main", created_at=1.0))
        secrets.set_platform_secret(session, vault, NOTE, VALUE)
        sealed = session.scalars(select(PlatformSecretRow)).one().sealed
        about = {"sealed": sealed, "updated_at": 1.0, "updated_by": "thief"}
        session.add(SecretRow(project="flights", name="TICKETS", **about))
        session.add(PlatformSecretRow(name="OTHER", **about))
        session.flush()
        with pytest.raises(DamagedCiphertextError):
            secrets.secret_values(session, vault, "flights", {"TICKETS"})
        with pytest.raises(DamagedCiphertextError):
            secrets.platform_secret(session, vault, "OTHER")


def test_one_whose_key_was_destroyed_is_not_set(database: Database, vault: Vault) -> None:
    with database.transaction() as session:
        secrets.set_platform_secret(session, vault, NOTE, VALUE)
        vault.chest.change(lambda own: [key.destroyed(1.0) for key in own])
        assert secrets.platform_secret(session, vault, "TICKETS") is None
