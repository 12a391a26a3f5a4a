"""Secrets of steps: kept encrypted, given to the steps that declare them, shown to nobody."""

from __future__ import annotations

import base64
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from falaj.config.secrets import LEAST_CHARACTERS
from falaj.core.errors import NotFoundError
from falaj.storage import ProjectRow
from falaj.storage.key_tables import SecretRow
from falaj.supply_chain.encryption import KeyGoneError, KeyScope, Keystore, decrypt_value, derive, encrypt_value
from falaj.trust.secrets.errors import BadSecretError, UnknownSecretError

MOST_CHARACTERS = 32_768
_PURPOSE = b"falaj/secret/v1"


@dataclass(frozen=True)
class SecretNote:
    """What may be said of a secret.

    Args:
        project: Whose steps may have it.
        name: Its name.
        updated_at: Unix seconds.
        updated_by: Id of the principal.
    """

    project: str
    name: str
    updated_at: float
    updated_by: str


@dataclass(frozen=True)
class Vault:
    """Encrypts small texts of an installation.

    Args:
        chest: Its data keys.
        scope: Whose data the texts are.
    """

    chest: Keystore
    scope: KeyScope

    def seal(self, text: str, context: str) -> str:
        """Encrypt a text; it opens in this context alone."""
        key = self.chest.current(self.scope)
        sealed = encrypt_value(derive(key.secret, b"", _PURPOSE), text.encode(), f"{context}|{key.id}")
        return f"sealed:{key.id}:{base64.b64encode(sealed).decode()}"

    def open(self, sealed: str, context: str) -> str:
        """Decrypt what `seal` gave.

        Raises:
            DamagedCiphertextError: It was changed, or belongs elsewhere.
            KeyGoneError: Its key was destroyed.
        """
        _, key_id, text = sealed.split(":", 2)
        secret = derive(self.chest.find(key_id).secret, b"", _PURPOSE)
        return decrypt_value(secret, base64.b64decode(text), f"{context}|{key_id}").decode()


def is_sealed(text: str) -> bool:
    """Whether a column holds what `Vault.seal` gave, and not a text from before there was encryption."""
    return text.startswith("sealed:")


def require_value(name: str, value: str) -> None:
    """Refuse what cannot be kept as a secret.

    Raises:
        BadSecretError: The value is shorter than 8 characters, longer than 32,768, or has a zero byte.
    """
    if not LEAST_CHARACTERS <= len(value) <= MOST_CHARACTERS or "\0" in value:
        raise BadSecretError(
            f"a secret has {LEAST_CHARACTERS} to {MOST_CHARACTERS:,} characters and no zero byte",
            where=name,
            hint="a shorter one could not be kept out of logs: it appears everywhere by accident",
        )


def set_secret(session: Session, vault: Vault, note: SecretNote, value: str) -> None:
    """Keep a secret, replacing the one of that name.

    Raises:
        NotFoundError: There is no such project.
        BadSecretError: The value is shorter than 8 characters, longer than 32,768, or cannot be a variable.
    """
    require_value(note.name, value)
    if session.get(ProjectRow, note.project) is None:
        raise NotFoundError(f"there is no project '{note.project}'", hint="falaj project list", code="project.unknown")
    sealed = vault.seal(value, _context(note.project, note.name))
    session.merge(
        SecretRow(
            project=note.project, name=note.name, sealed=sealed, updated_at=note.updated_at, updated_by=note.updated_by
        )
    )
    session.flush()


def list_secrets(session: Session, project: str) -> list[SecretNote]:
    """The secrets of a project, without their values."""
    rows = session.scalars(select(SecretRow).where(SecretRow.project == project).order_by(SecretRow.name))
    return [SecretNote(row.project, row.name, row.updated_at, row.updated_by) for row in rows]


def remove_secret(session: Session, project: str, name: str) -> None:
    """Forget a secret.

    Raises:
        UnknownSecretError: The project has none of that name.
    """
    row = session.get(SecretRow, (project, name))
    if row is None:
        raise UnknownSecretError(
            f"project '{project}' has no secret {name}", hint="falaj project secret list shows them"
        )
    session.delete(row)
    session.flush()


def secret_values(session: Session, vault: Vault, project: str, names: Collection[str]) -> dict[str, str]:
    """The values of those of the named secrets that are set and not erased, for a run that is about to start.

    Raises:
        DamagedCiphertextError: A row was changed, or taken from another secret.
    """
    query = select(SecretRow).where(SecretRow.project == project, SecretRow.name.in_(names))
    values_by_name = {}
    for row in session.scalars(query) if names else ():
        with suppress(KeyGoneError):
            values_by_name[row.name] = vault.open(row.sealed, _context(project, row.name))
    return values_by_name


def _context(project: str, name: str) -> str:
    return f"falaj/secret|{project}|{name}"
