"""People, a doorkeeper with cheap hashes, and keys, for tests of identities."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from falaj.core.home import Home
from falaj.core.principal import Principal, PrincipalKind
from falaj.schemas.identity import key_proof
from falaj.storage import Database
from falaj.supply_chain.attestations import Signer, load_or_create_key
from falaj.supply_chain.encryption import home_scope, open_chest
from falaj.trust.identity import Authenticator, NewAccount, Passwords, accounts
from falaj.trust.secrets import Vault

PASSWORD = "correct horse battery"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
NOW = 1_800_000_000.0


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(open_chest(Home(tmp_path / "home", {}).prepare()), home_scope({}))


@pytest.fixture
def keeper(database: Database, vault: Vault) -> Authenticator:
    return Authenticator(database, Passwords(CHEAP), vault)


@pytest.fixture
def person(database: Database) -> Callable[..., Principal]:
    """Make an account with a password; return its principal, freshly authenticated."""

    def make(name: str, password: str | None = PASSWORD) -> Principal:
        with database.transaction() as session:
            new_account = NewAccount(PrincipalKind.USER, name, accounts.LOCAL, f"{name}@example.org")
            row = accounts.create(session, new_account, "user:root", NOW)
            row.password_hash = CHEAP.hash(password) if password else None
            return accounts.principal_of(row, authenticated_at=NOW, step_up_at=NOW, step_up_method="login")

    return make


@pytest.fixture
def authority(tmp_path: Path) -> Signer:
    return load_or_create_key(tmp_path / "identity.pem")


def proof_of(signer: Signer, person: str) -> str:
    """The signature that shows that a key is a person's."""
    return base64.b64encode(signer.sign(key_proof(person, signer.key_id))).decode()
