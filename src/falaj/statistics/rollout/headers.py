"""Which request headers and query parameters may say where a request goes (pure).

A fault is said in words; no words, no fault. The project's file and the data plane ask the same questions.
"""

from __future__ import annotations

import re
from typing import Any

_HEADER = re.compile(r"[a-z0-9_-]{1,64}")
_QUERY = re.compile(r"[A-Za-z0-9_.~-]{1,64}")
_VALUE = re.compile(r"[\x20-\x7e]{1,256}")
_NOT_OF_A_UNIT = frozenset({
    "connection", "content-length", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade",
    "x-request-id",
})  # fmt: skip
_SECRETS = frozenset({"authorization", "cookie", "proxy-authorization"})
"""Never in a log or a routing table."""
_OURS = ("falaj-", "x-envoy-")


def header_fault(name: Any) -> str:
    """Why requests cannot be told apart by this header, in upper or lower case."""
    lower = name.lower() if isinstance(name, str) else ""
    if not _HEADER.fullmatch(lower) or lower.startswith(_OURS):
        return f"{name!r} is not a request header of yours (letters, digits, - _)"
    if lower in _SECRETS:
        return f"the header {lower!r} holds a secret, which must not get into logs and routes"
    return ""


def unit_fault(name: Any) -> str:
    """Why the value of this header cannot name a unit, such as a customer."""
    fault = header_fault(name)
    return fault or (f"the header {name.lower()!r} does not name a unit" if name.lower() in _NOT_OF_A_UNIT else "")


def query_fault(name: Any) -> str:
    """Why requests cannot be told apart by this query parameter."""
    is_valid = isinstance(name, str) and _QUERY.fullmatch(name)
    return "" if is_valid else f"{name!r} is not a name of a query parameter"


def value_fault(value: Any) -> str:
    """Why no header or query parameter can be compared with this value."""
    is_valid = isinstance(value, str) and _VALUE.fullmatch(value)
    return "" if is_valid else f"a match needs a value of 1 to 256 printable characters, not {value!r}"
