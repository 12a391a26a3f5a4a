"""Checkpoints of the audit log: its origin, size and root, signed by the log's key.

Source: C2SP tlog-checkpoint (https://c2sp.org/tlog-checkpoint) and signed-note (https://c2sp.org/signed-note).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature

from falaj.supply_chain.attestations.errors import EvidenceError
from falaj.supply_chain.attestations.keys import Signer, public_key

_ED25519 = b"\x01"
_SIZE = re.compile(r"0|[1-9][0-9]{0,15}")
_ORIGIN = re.compile(r"[^\s+]+")
_MAX_BYTES = 64 * 1024


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint says.

    Args:
        origin: Name of the log, and of the key that signs for it.
        size: Number of leaves.
        root: Root hash, 32 bytes.
        extensions: Further lines, kept as they are.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def body(self) -> str:
        """Return the text that is signed."""
        lines = (self.origin, str(self.size), base64.b64encode(self.root).decode(), *self.extensions)
        return "".join(f"{line}\n" for line in lines)


def sign_checkpoint(checkpoint: Checkpoint, signer: Signer) -> str:
    """Sign a checkpoint with the log's key.

    Raises:
        EvidenceError: `evidence.checkpoint`, when the origin cannot name a key.
    """
    if not _ORIGIN.fullmatch(checkpoint.origin):
        raise _wrong("the origin holds spaces or plus signs")
    body = checkpoint.body()
    signature = key_hash(checkpoint.origin, signer.public_pem) + signer.sign(body.encode())
    return f"{body}\n\u2014 {checkpoint.origin} {base64.b64encode(signature).decode()}\n"


def verify_checkpoint(text: str, public_pem: str) -> Checkpoint:
    """Read a checkpoint that the log's key signed; further signatures, such as of witnesses, are left alone.

    Args:
        text: The signed note.
        public_pem: The log's public key.

    Raises:
        EvidenceError: `evidence.checkpoint`, when it is no checkpoint or the log's signature does not hold.
    """
    checkpoint, signatures = _split(text)
    expected_hash = key_hash(checkpoint.origin, public_pem)
    for name, data in signatures:
        if name == checkpoint.origin and data[:4] == expected_hash:
            try:
                public_key(public_pem).verify(data[4:], checkpoint.body().encode())
            except InvalidSignature:
                break
            return checkpoint
    raise _wrong("the log's signature does not hold")


def parse_checkpoint(text: str) -> Checkpoint:
    """Read a checkpoint without believing it.

    Raises:
        EvidenceError: `evidence.checkpoint`.
    """
    return _split(text)[0]


def key_hash(name: str, public_pem: str) -> bytes:
    """Return the four bytes by which a signed note names an Ed25519 key."""
    raw = public_key(public_pem).public_bytes_raw()
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + raw).digest()[:4]


def _split(text: str) -> tuple[Checkpoint, list[tuple[str, bytes]]]:
    if len(text) > _MAX_BYTES:
        raise _wrong("it is too long")
    body, blank, tail = text.partition("\n\n")
    lines = body.split("\n")
    if not blank or len(lines) < 3 or not lines[0] or not _SIZE.fullmatch(lines[1]):
        raise _wrong("expected origin, size, root and signatures")
    hashed = _base64(lines[2])
    if len(hashed) != hashlib.sha256().digest_size:
        raise _wrong("the root is not a SHA-256 hash")
    return Checkpoint(lines[0], int(lines[1]), hashed, tuple(lines[3:])), _signatures(tail)


def _signatures(tail: str) -> list[tuple[str, bytes]]:
    if not tail.endswith("\n"):
        raise _wrong("the last signature line does not end")
    signatures = []
    for line in tail[:-1].split("\n"):
        dash, _, rest = line.partition(" ")
        name, _, encoded = rest.partition(" ")
        if dash != "\u2014" or not name:
            raise _wrong("a signature line is malformed")
        signatures.append((name, _base64(encoded)))
    return signatures


def _base64(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _wrong("it holds broken base64") from error
    if base64.b64encode(data).decode() != text:
        raise _wrong("it holds base64 with stray bits")
    return data


def _wrong(reason: str) -> EvidenceError:
    return EvidenceError(
        f"this is not a believable checkpoint: {reason}", where="checkpoint", code="evidence.checkpoint"
    )
