"""Canonical JSON: one byte string for one value, and a reader that refuses everything else.

Two parsers that read the same bytes differently are how signed data gets misunderstood, so the reader refuses what
JSON leaves open: duplicate keys, NaN, numbers beyond a double, lone surrogates, and nesting deep enough to exhaust a
stack.

Source: RFC 8785 (JSON Canonicalization Scheme), RFC 7493 (I-JSON).
"""

from __future__ import annotations

import json
import re
from typing import Any

import rfc8785

from falaj.supply_chain.attestations.errors import EvidenceError

MAX_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 32
LARGEST_INTEGER = 2**53 - 1

# A string with its escapes, or one bracket: all that is needed to count nesting without parsing.
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"?|[\[\]{}]', re.DOTALL)


def canonical(value: Any) -> bytes:
    """Serialise a JSON value to its one canonical form.

    Args:
        value: Plain JSON; integers within ±(2**53 - 1), floats finite.

    Returns:
        UTF-8 bytes.

    Raises:
        EvidenceError: When the value has no canonical form.
    """
    try:
        return rfc8785.dumps(value)
    except (ValueError, RecursionError) as error:
        raise EvidenceError(f"this value has no canonical JSON form: {error}", code="evidence.not-canonical") from error


def parse(data: bytes, *, where: str = "", max_bytes: int = MAX_BYTES) -> Any:
    """Read JSON strictly; the bytes need not be canonical.

    Args:
        data: UTF-8 JSON.
        where: Name of the place for the error, such as a file.
        max_bytes: Larger input is refused before it is looked at.

    Returns:
        The value.

    Raises:
        EvidenceError: `evidence.malformed`.
    """
    if len(data) > max_bytes:
        raise EvidenceError(f"the JSON is {len(data)} bytes; at most {max_bytes} are read", where=where)
    if nesting(data) > MAX_DEPTH:
        raise EvidenceError(f"the JSON is nested deeper than {MAX_DEPTH} levels", where=where)
    try:
        return json.loads(data.decode(), object_pairs_hook=_unique, parse_int=_number, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise EvidenceError(f"not valid JSON: {error}", where=where) from error


def parse_canonical(data: bytes, *, where: str = "") -> Any:
    """Read JSON that must be in canonical form, byte for byte.

    Raises:
        EvidenceError: `evidence.malformed`, or `evidence.not-canonical` when other bytes would say the same.
    """
    value = parse(data, where=where)
    if canonical(value) != data:
        raise EvidenceError("the JSON is not in canonical form (RFC 8785)", where=where, code="evidence.not-canonical")
    return value


def nesting(data: bytes) -> int:
    """Return the deepest nesting of brackets outside strings, in one pass and without recursion."""
    depth = deepest = 0
    for match in _TOKEN.finditer(data):
        token = match.group()
        if token in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif token in b"]}":
            depth -= 1
    return deepest


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        repeated = sorted({key for key, _ in pairs if [name for name, _ in pairs].count(key) > 1})
        raise ValueError(f"duplicate key {', '.join(repr(key) for key in repeated)}")
    return result


def _number(digits: str) -> int | float:
    """Read an integer; beyond 2**53 it is the double that canonical JSON wrote without an exponent, such as 1e16."""
    value = int(digits)
    return value if abs(value) <= LARGEST_INTEGER else float(digits)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
