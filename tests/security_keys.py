"""A security key in software: ES256, attestation `none`. It signs what it is asked to sign, as a test wants it."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

_PRESENT, _VERIFIED, _NEW = 0x01, 0x04, 0x40


@dataclass
class SoftwareKey:
    """A key, and what it believes about the page that asks it.

    Attributes:
        origin: Of the page.
        rp_id: Host that the page may ask for.
        count: How often it has signed.
        counts: False for a key that always says 0.
        verified: Whether its person was verified, by PIN or finger.
        id: Of the credential.
    """

    origin: str
    rp_id: str
    count: int = 0
    counts: bool = True
    verified: bool = True
    id: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    def __post_init__(self) -> None:
        self._private = ec.generate_private_key(ec.SECP256R1())

    def create(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Answer `navigator.credentials.create`."""
        assert options["rp"]["id"]
        client = self._client_data("webauthn.create", options["challenge"])
        credential = struct.pack(">16sH", bytes(16), len(self.id)) + self.id + self._cose()
        attestation = {"fmt": "none", "attStmt": {}, "authData": self._data(_NEW) + credential}
        return self._answer({"clientDataJSON": _b64(client), "attestationObject": _b64(cbor2.dumps(attestation))})

    def get(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Answer `navigator.credentials.get`."""
        self.count += self.counts
        client, data = self._client_data("webauthn.get", options["challenge"]), self._data(0)
        signature = self._private.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(SHA256()))
        return self._answer(
            {"clientDataJSON": _b64(client), "authenticatorData": _b64(data), "signature": _b64(signature)}
        )

    def _client_data(self, kind: str, challenge: str) -> bytes:
        client_fields = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        return json.dumps(client_fields).encode()

    def _data(self, flags: int) -> bytes:
        flags |= _PRESENT | (_VERIFIED if self.verified else 0)
        return hashlib.sha256(self.rp_id.encode()).digest() + struct.pack(">BI", flags, self.count)

    def _cose(self) -> bytes:
        numbers = self._private.public_key().public_numbers()
        point = {-2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        return cbor2.dumps({1: 2, 3: -7, -1: 1, **point})

    def _answer(self, response: dict[str, str]) -> dict[str, Any]:
        return {
            "id": _b64(self.id), "rawId": _b64(self.id), "type": "public-key", "response": response,
            "clientExtensionResults": {},
        }  # fmt: skip


def _b64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
