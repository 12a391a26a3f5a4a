"""Ids of predictions of a file: the same for the same input, release and row, whoever scores it and how often.

The form is that of a UUID of version 8 (RFC 9562): 74 bits of a digest of input and release, then the number of the row
in the last group, in hex.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

_DIGITS = np.frombuffer(b"0123456789abcdef", np.uint8)
_ROW_DIGITS = 12
MAX_ROWS = 1 << (4 * _ROW_DIGITS)


def id_prefix(input_digest: str, release: str) -> str:
    """The 24 characters that all ids of a file have in common.

    Args:
        input_digest: SHA-256 of the input in hex.
        release: `model@number`.
    """
    text = hashlib.blake2b(f"{input_digest}\n{release}".encode(), digest_size=16).hexdigest()
    variant = "89ab"[int(text[16], 16) & 3]
    return f"{text[:8]}-{text[8:12]}-8{text[13:16]}-{variant}{text[17:20]}-"


def prediction_id(prefix: str, row: int) -> str:
    """The id of one row."""
    return f"{prefix}{row:012x}"


def id_bytes(prefix: str, first_row: int, rows: int) -> NDArray[np.generic]:
    """The ids of consecutive rows as an array `[rows, 36]` of ASCII."""
    id_matrix = np.empty((rows, len(prefix) + _ROW_DIGITS), np.uint8)
    id_matrix[:, : len(prefix)] = np.frombuffer(prefix.encode(), np.uint8)
    numbers = np.arange(first_row, first_row + rows, dtype=np.uint64)
    for place in range(_ROW_DIGITS):
        shift = np.uint64(4 * (_ROW_DIGITS - 1 - place))
        id_matrix[:, len(prefix) + place] = _DIGITS[((numbers >> shift) & np.uint64(15)).astype(np.intp)]
    return id_matrix
