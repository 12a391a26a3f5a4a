"""The keys of an installation: one signer a role, and which role is believed about what.

A key that signs scans cannot sign an approval, and whoever steals it cannot either. People's approval keys are in no
keyring: they are believed through identity statements.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from falaj.supply_chain.attestations.decisions import ADMISSION, IDENTITY, PRIVACY, SETTINGS
from falaj.supply_chain.attestations.errors import EvidenceError
from falaj.supply_chain.attestations.keys import Signer, TrustedKey, key_id_of, load_or_create_key, read_trusted_keys
from falaj.supply_chain.attestations.mlbom import MLBOM
from falaj.supply_chain.attestations.predicates import COMPARISON, DATASET, EVAL, PROVENANCE, SCAN, TESTS, TRAIN
from falaj.supply_chain.attestations.rollouts import ROLLOUT

CHECKPOINT = "https://c2sp.org/tlog-checkpoint"
"""What the log's key is believed about: no evidence, only the size and root of the audit log."""

FACT = "https://falaj.dev/fact/v1"
"""Rows of the control plane's database that permit something: accounts, roles, keys, settings, endpoints."""

MODEL_OWNER = "https://falaj.dev/fact/model-owner/v1"
"""The row that says which project a model belongs to; it is made where releases are."""

TRUSTED = "trusted.json"
_FIRST_KEY = "evidence.pem.pub"
_FIRST_TYPES = frozenset({DATASET, PROVENANCE, TRAIN, EVAL, TESTS, SCAN})


class SigningRole(StrEnum):
    """Who signs."""

    BUILDER = "builder"
    CHECKER = "checker"
    SCANNER = "scanner"
    IDENTITY = "identity"
    ADMISSION = "admission"
    PLATFORM = "platform"
    LOG = "log"


SIGNS: Mapping[SigningRole, frozenset[str]] = {
    SigningRole.BUILDER: frozenset({DATASET, PROVENANCE, TRAIN, MLBOM, MODEL_OWNER}),
    SigningRole.CHECKER: frozenset({EVAL, TESTS, COMPARISON}),
    SigningRole.SCANNER: frozenset({SCAN}),
    SigningRole.IDENTITY: frozenset({IDENTITY, FACT}),
    SigningRole.ADMISSION: frozenset({ADMISSION, ROLLOUT}),
    SigningRole.PLATFORM: frozenset({SETTINGS, PRIVACY}),
    SigningRole.LOG: frozenset({CHECKPOINT}),
}
"""The predicate types of each role; no type has two roles."""


@dataclass(frozen=True)
class Keyring:
    """The signing keys in a folder, made at first use.

    Args:
        folder: Readable by the owner alone.
    """

    folder: Path

    def signer(self, role: SigningRole) -> Signer:
        """Return the signer of a role.

        Raises:
            EvidenceError: `evidence.key`, when the file is no key or others may read it.
        """
        return load_or_create_key(self.folder / f"{role}.pem")

    def signer_for(self, predicate_type: str) -> Signer:
        """Return the signer of the role that may say this."""
        return self.signer(next(role for role, types in SIGNS.items() if predicate_type in types))

    def trusted(self) -> Mapping[str, TrustedKey]:
        """Return whom this installation believes about what.

        Raises:
            EvidenceError: `evidence.key`.
        """
        return read_trusted_keys(self.folder / TRUSTED)


@dataclass(frozen=True)
class PublicKeyring(Keyring):
    """The public halves alone: of a process that believes signatures and makes none."""

    def signer(self, role: SigningRole) -> Signer:
        """Return a signer of a role that cannot sign.

        Raises:
            EvidenceError: `evidence.key`, when there is no public key of the role.
        """
        path = self.folder / f"{role}.pem.pub"
        try:
            pem = path.read_text()
        except OSError as error:
            message = f"cannot read a public key: {error.strerror}"
            raise EvidenceError(message, where=str(path), code="evidence.key") from error
        return Signer(key_id_of(pem), pem, _refuse)


def _refuse(_message: bytes) -> bytes:
    raise EvidenceError("this process has no signing keys", hint="the notary signs", code="evidence.no-signing-key")


def open_keyring(folder: Path) -> Keyring:
    """Open the keys of an installation; the first time they are made, and trusted.

    What `trusted.json` says stands once it is there: trust is given and taken away by whoever may write that file. A
    single key of an earlier version stays believed about what it could sign then.

    Args:
        folder: `keys/` of the installation.

    Raises:
        EvidenceError: `evidence.key`.
    """
    keyring = Keyring(folder)
    if not (folder / TRUSTED).exists():
        entries = [(str(role), keyring.signer(role).public_pem, types) for role, types in SIGNS.items()]
        if (folder / _FIRST_KEY).exists():
            entries.append(("evidence", (folder / _FIRST_KEY).read_text(), _FIRST_TYPES))
        write_trusted_keys(folder / TRUSTED, entries)
    return keyring


def write_trusted_keys(path: Path, entries: Iterable[tuple[str, str, Iterable[str]]]) -> None:
    """Write whom to believe about what, complete or not at all.

    Args:
        path: As `read_trusted_keys` reads it.
        entries: Role (for people), public key in PEM, predicate types.
    """
    keys = [{"role": role, "pem": pem, "types": sorted(types)} for role, pem, types in entries]
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    fresh.write_text(json.dumps({"keys": keys}, indent=2) + "\n")
    fresh.replace(path)


def log_key_of(keys: Mapping[str, TrustedKey]) -> str | None:
    """Return the public key of the audit log in PEM, when one is trusted; the first by id when there are several."""
    log_keys = sorted((key_id, key.pem) for key_id, key in keys.items() if CHECKPOINT in key.types)
    return log_keys[0][1] if log_keys else None
