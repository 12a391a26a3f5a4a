"""Secrets of the platform itself: kept encrypted, used by what the platform file names, out of reach of every step."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from falaj.storage.key_tables import PlatformSecretRow
from falaj.supply_chain.encryption import KeyGoneError
from falaj.trust.secrets.errors import UnknownSecretError
from falaj.trust.secrets.secrets import SecretNote, Vault, require_value

PLATFORM = ""
"""What a note of such a secret has for its project."""


def set_platform_secret(session: Session, vault: Vault, note: SecretNote, value: str) -> None:
    """Keep a secret, replacing the one of that name.

    Raises:
        BadSecretError: The value is shorter than 8 characters, longer than 32,768, or has a zero byte.
    """
    require_value(note.name, value)
    sealed = vault.seal(value, _context(note.name))
    session.merge(
        PlatformSecretRow(name=note.name, sealed=sealed, updated_at=note.updated_at, updated_by=note.updated_by)
    )
    session.flush()


def list_platform_secrets(session: Session) -> list[SecretNote]:
    """The secrets of the platform, without their values."""
    rows = session.scalars(select(PlatformSecretRow).order_by(PlatformSecretRow.name))
    return [SecretNote(PLATFORM, row.name, row.updated_at, row.updated_by) for row in rows]


def remove_platform_secret(session: Session, name: str) -> None:
    """Forget a secret.

    Raises:
        UnknownSecretError: There is none of that name.
    """
    row = session.get(PlatformSecretRow, name)
    if row is None:
        raise UnknownSecretError(f"the platform has no secret {name}", hint="falaj platform secret list")
    session.delete(row)
    session.flush()


def platform_secret(session: Session, vault: Vault, name: str) -> str | None:
    """The value of a secret; None when it is not set, or was erased with its key.

    Raises:
        DamagedCiphertextError: The row was changed, or taken from another secret.
    """
    row = session.get(PlatformSecretRow, name)
    try:
        return None if row is None else vault.open(row.sealed, _context(name))
    except KeyGoneError:
        return None


def _context(name: str) -> str:
    return f"falaj/platform-secret|{name}"
