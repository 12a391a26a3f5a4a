"""What the installation's signing keys are, so that a key that was replaced is noticed and accepted by an apply."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from falaj.trust.settings.differences import SettingDifference

_PRIVATE = ".pem"
_TRUSTED = "trusted.json"


def fingerprints(folder: Path) -> dict[str, str]:
    """Return `sha256:` of every public key and of the list of trusted keys, by file name.

    Args:
        folder: `keys/` of the installation; one that does not exist has none.
    """
    key_files = [*folder.glob("*.pem.pub"), *folder.glob(_TRUSTED)]
    return {path.name: "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(key_files)}


def key_differences(recorded_keys: Mapping[str, str], current_keys: Mapping[str, str]) -> tuple[SettingDifference, ...]:
    """Compare the keys of the last apply with those that are there.

    A key that is new changes nothing by itself: it is made when it is first needed, and believed only when the list
    of trusted keys names it.
    """
    return tuple(
        _difference(name, was, current_keys.get(name))
        for name, was in recorded_keys.items()
        if current_keys.get(name) != was
    )


def exposed(folder: Path) -> Iterator[str]:
    """Yield the names of private keys that others than the owner may read or replace."""
    for path in sorted(folder.glob(f"*{_PRIVATE}")):
        if path.stat().st_mode & 0o077:
            yield path.name


def _difference(name: str, was: str, now: str | None) -> SettingDifference:
    return SettingDifference("changed" if now else "removed", f"keys.{name}", was, now, loosens=True)
