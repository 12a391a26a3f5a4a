"""What an installation is told about encryption."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from falaj.core.errors import UsageError
from falaj.supply_chain.encryption.key_encryption_key import SETTING, open_root
from falaj.supply_chain.encryption.keystore import Keystore
from falaj.supply_chain.encryption.wrapped import KeyScope


class Mode(StrEnum):
    """Whether stores and logs are encrypted."""

    AUTO = "auto"
    """What begins empty is encrypted; what was begun in the clear stays so."""
    ON = "on"
    """Everything is; what holds bytes in the clear is refused."""
    OFF = "off"
    """Nothing new is."""


class Installation(Protocol):
    """What is needed of an installation: its folder of keys and its settings."""

    @property
    def keys(self) -> Path:
        """Folder of its keys."""
        ...

    @property
    def settings(self) -> Mapping[str, str]:
        """Environment variables."""
        ...


def mode(settings: Mapping[str, str]) -> Mode:
    """What `FALAJ_ENCRYPTION` says.

    Raises:
        UsageError: `encryption.bad-mode`.
    """
    text = settings.get("FALAJ_ENCRYPTION") or Mode.AUTO
    try:
        return Mode(text)
    except ValueError:
        hint = "use on, off or auto"
        raise UsageError(
            f"{text!r} is not a way to encrypt", where="FALAJ_ENCRYPTION", hint=hint, code="encryption.bad-mode"
        ) from None


def home_scope(settings: Mapping[str, str]) -> KeyScope:
    """The scope of what an installation keeps: its jurisdiction is what `FALAJ_JURISDICTION` says."""
    return KeyScope(jurisdiction=settings.get("FALAJ_JURISDICTION") or "ZZ")


def open_chest(installation: Installation) -> Keystore:
    """The data keys of an installation; nothing is read or made yet."""
    settings = installation.settings
    root = open_root(settings.get(SETTING, ""), installation.keys, settings)
    return Keystore(installation.keys / "data-keys.json", root)
