"""Signing keys and the keys that a verifier trusts.

Signatures are Ed25519 (RFC 8032). A key's id is the SHA-256 of its DER public key, so anyone can recompute it:
`openssl pkey -pubin -in KEY.pub -outform DER | sha256sum`.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from falaj.supply_chain.attestations.canonical import parse
from falaj.supply_chain.attestations.errors import EvidenceError

ANY_TYPE = "*"
"""In a list of predicate types: this key may sign every type."""


@dataclass(frozen=True)
class Signer:
    """Something that signs; where the private key lives is its own affair.

    Args:
        key_id: 64 hex digits.
        public_pem: The public key that verifies what it signs.
        sign: Message in, raw signature out.
    """

    key_id: str
    public_pem: str
    sign: Callable[[bytes], bytes]


@dataclass(frozen=True)
class TrustedKey:
    """A public key and the predicate types that it is believed about.

    Args:
        pem: SubjectPublicKeyInfo in PEM.
        types: Predicate types; `*` stands for all.
    """

    pem: str
    types: frozenset[str]

    def may_sign(self, predicate_type: str) -> bool:
        """Tell whether this key is believed about this type."""
        return ANY_TYPE in self.types or predicate_type in self.types


def load_or_create_key(path: Path) -> Signer:
    """Load a private key, or make one the first time.

    Args:
        path: PEM file (PKCS#8), kept at mode 0600; the public key is written beside it with the suffix `.pub`.

    Raises:
        EvidenceError: `evidence.key`, when the file is no Ed25519 key or others may read it.
    """
    signer = signer_of(create_once(path, _new_key), where=str(path))
    public = path.with_name(f"{path.name}.pub")
    if not public.exists():
        public.write_text(signer.public_pem)
    return signer


def signer_of(private_pem: bytes, *, where: str = "") -> Signer:
    """Make a signer of a PKCS#8 PEM.

    Raises:
        EvidenceError: `evidence.key`.
    """
    try:
        key = serialization.load_pem_private_key(private_pem, password=None)
    except (ValueError, TypeError) as error:
        raise EvidenceError("this file holds no private key", where=where, code="evidence.key") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise EvidenceError("this private key is not Ed25519", where=where, code="evidence.key")
    pem = _public_pem(key.public_key())
    return Signer(key_id_of(pem), pem, key.sign)


def key_id_of(pem: str) -> str:
    """Return the id of a public key: SHA-256 of its DER form, in hex.

    Raises:
        EvidenceError: `evidence.key`, when the PEM holds no Ed25519 public key.
    """
    der = public_key(pem).public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def public_key(pem: str) -> Ed25519PublicKey:
    """Load a public key.

    Raises:
        EvidenceError: `evidence.key`, when the PEM holds no Ed25519 public key.
    """
    try:
        key = serialization.load_pem_public_key(pem.encode())
    except ValueError as error:
        raise EvidenceError("this is not a public key in PEM", code="evidence.key") from error
    if not isinstance(key, Ed25519PublicKey):
        raise EvidenceError("this public key is not Ed25519", code="evidence.key")
    return key


def trust(pem: str, types: Iterable[str] = (ANY_TYPE,)) -> dict[str, TrustedKey]:
    """Return the mapping from key id to trusted key that holds one key."""
    return {key_id_of(pem): TrustedKey(pem, frozenset(types))}


def read_trusted_keys(path: Path) -> Mapping[str, TrustedKey]:
    """Read which keys a verifier believes, and about what.

    Args:
        path: A `.pub` PEM file (believed about every type), or JSON
            `{"keys": [{"pem": "-----BEGIN PUBLIC KEY-----...", "types": ["https://falaj.dev/evidence/eval/v1"]}]}`.

    Returns:
        Keys by id; ids are computed, never read.

    Raises:
        EvidenceError: `evidence.key`, when the file is neither or names the same key twice.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise EvidenceError(
            f"cannot read the trusted keys: {error.strerror}", where=str(path), code="evidence.key"
        ) from error
    if data.startswith(b"-----BEGIN"):
        return trust(data.decode(errors="replace"))
    keys: dict[str, TrustedKey] = {}
    for entry in _key_entries(parse(data, where=str(path)), str(path)):
        if entry.keys() & keys.keys():
            raise EvidenceError("the same key is listed twice", where=str(path), code="evidence.key")
        keys |= entry
    return keys


def _key_entries(value: object, where: str) -> Iterable[dict[str, TrustedKey]]:
    match value:
        case {"keys": list(entries)} if entries:
            return [_key_entry(entry, where) for entry in entries]
        case _:
            raise EvidenceError(
                'expected {"keys": [{"pem", "types"}]} with at least one key', where=where, code="evidence.key"
            )


def _key_entry(entry: object, where: str) -> dict[str, TrustedKey]:
    match entry:
        case {"pem": str(pem), "types": list(types)} if all(isinstance(kind, str) for kind in types):
            return trust(pem, types)
        case _:
            raise EvidenceError('a key is {"pem": text, "types": [predicate types]}', where=where, code="evidence.key")


def create_once(path: Path, make: Callable[[], bytes]) -> bytes:
    """Return the content of a private key file, which is made the first time.

    Two processes that start at once agree: the file is linked into place complete, and the loser reads the winner's.

    Args:
        path: Kept at mode 0600.
        make: Gives the content of a new file.

    Raises:
        EvidenceError: `evidence.key`, when others may read the file.
    """
    if not path.exists():
        _write_once(path, make())
    if path.stat().st_mode & 0o077:
        raise EvidenceError(
            "other users may read this private key", where=str(path), hint=f"chmod 600 {path}", code="evidence.key"
        )
    return path.read_bytes()


def replace_private(path: Path, content: bytes) -> None:
    """Replace a file that the owner alone may read, complete or not at all."""
    fresh = _write_fresh(path, content)
    fresh.replace(path)


def _new_key() -> bytes:
    return _private_pem(Ed25519PrivateKey.generate())


def _write_once(path: Path, data: bytes) -> None:
    fresh = _write_fresh(path, data)
    try:
        path.hardlink_to(fresh)
    except FileExistsError:
        pass  # another process was first; its key is the key
    finally:
        fresh.unlink()


def _write_fresh(path: Path, data: bytes) -> Path:
    """Write beside a path, for the owner alone."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
    return fresh


def _private_pem(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _public_pem(key: Ed25519PublicKey) -> str:
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
