"""The keys of facts in an installation's folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from falaj.storage.facts.fact_store import FactStore
from falaj.storage.facts.signatures import Seals, SealSigner
from falaj.storage.facts.version_file import FactVersions
from falaj.supply_chain.attestations import Keyring, TrustedKey, open_keyring

FILE = "facts.db"


def fact_keys(keyring: Keyring) -> Mapping[str, TrustedKey]:
    """Whom an installation believes about facts, from its own disk."""
    return keyring.trusted()


def open_fact_store(root: Path, keys: Path, signer_for: SealSigner | None = None) -> FactStore:
    """Open the facts of an installation.

    Args:
        root: Folder of the installation; the file of the highest numbers is there.
        keys: Folder of its keys.
        signer_for: Gives the signer of a type of facts; by default from the keys in the folder, each when it is needed.
    """
    keyring = open_keyring(keys)
    return FactStore(Seals(signer_for or keyring.signer_for, fact_keys(keyring)), FactVersions(root / FILE))
