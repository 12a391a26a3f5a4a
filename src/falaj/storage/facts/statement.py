"""What is signed of a fact, and the text that its row keeps of the signature (pure)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from falaj.supply_chain.attestations.envelope import pae

_MAX_SEAL = 300


@dataclass(frozen=True)
class FactSubject:
    """What a fact is about.

    Args:
        kind: The table.
        name: The primary key, its parts joined.
    """

    kind: str
    name: str

    def __str__(self) -> str:
        """Return it as people read it: `accounts/user:ana`."""
        return f"{self.kind}/{self.name}"

    @property
    def digest(self) -> str:
        """SHA-256 in hex: what is kept of it outside of the database names nobody."""
        return hashlib.sha256(f"{self.kind}\n{self.name}".encode()).hexdigest()


@dataclass(frozen=True)
class Fact:
    """One statement about a subject; a later one has a higher number.

    Args:
        subject: What it is about.
        number: From 1 on.
        content: JSON values by name of the column.
    """

    subject: FactSubject
    number: int
    content: Mapping[str, object]

    def message(self, fact_type: str) -> bytes:
        """Return the bytes that the seal covers: the DSSE encoding of sorted JSON."""
        document = {
            "kind": self.subject.kind,
            "subject": self.subject.name,
            "number": self.number,
            "fact": self.content,
        }
        return pae(fact_type, json.dumps(document, sort_keys=True, separators=(",", ":")).encode())


def parse_fact(message: bytes, fact_type: str) -> Fact | None:
    """Read what a seal would cover; None when it is not exactly the message of a fact of this type."""
    before = b"DSSEv1 %d %b " % (len(fact_type), fact_type.encode())
    try:
        document = json.loads(message.removeprefix(before).partition(b" ")[2])
        fact = Fact(FactSubject(document["kind"], document["subject"]), document["number"], document["fact"])
        return fact if fact.message(fact_type) == message else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


@dataclass(frozen=True)
class FactSignature:
    """A signature as a row keeps it.

    Args:
        number: Of the fact.
        key_id: Of the key that signed.
        signature: Ed25519, 64 bytes.
    """

    number: int
    key_id: str
    signature: bytes

    def __str__(self) -> str:
        """Return the text of the column."""
        return f"{self.number}.{self.key_id}.{base64.b64encode(self.signature).decode()}"


def parse_seal(text: object) -> FactSignature | None:
    """Read a seal; None when it is none."""
    if not isinstance(text, str) or len(text) > _MAX_SEAL or not text.isascii():
        return None
    match text.split("."):
        case [number, key_id, signature] if number.isdigit() and len(number) < 16:
            try:
                return FactSignature(int(number), key_id, base64.b64decode(signature, validate=True))
            except binascii.Error:
                return None
        case _:
            return None
