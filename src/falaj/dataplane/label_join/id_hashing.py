"""Numbers for ids and labels, so that the file of the join holds neither of them."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

_encode = msgspec.msgpack.Encoder().encode


class IdHasher:
    """Numbers that only holders of a secret can compute.

    Args:
        secret: At most 64 bytes.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def prediction(self, endpoint: str, prediction_id: str) -> int:
        """The number of a prediction; a label that was sent to another endpoint is not about it."""
        return self._number(f"{endpoint}\0{prediction_id}".encode("utf-8", "surrogateescape"))

    def label(self, label: Any) -> int:
        """The number of a label's value; 1, 1.0 and true are the same value, and so are 1 and [1]."""
        values = label if isinstance(label, list) else [label]
        return self._number(_encode([_plain(value) for value in values]))

    def _number(self, data: bytes) -> int:
        digest = hashlib.blake2b(data, digest_size=8, key=self._secret).digest()
        return int.from_bytes(digest, "little", signed=True)


def size_of(label: Any) -> int:
    """Of how many rows a label speaks."""
    return len(label) if isinstance(label, list) else 1


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 2**63 else value
    return int(value) if isinstance(value, bool) else value
