"""Identifiers that sort by the time they were made and are short enough to type."""

from __future__ import annotations

import secrets

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32, lower case


def new_id(now: float) -> str:
    """A 12-character id: 8 characters of time (tenths of a second, good until the year 5400) and 4 random ones.

    Args:
        now: Unix time in seconds.
    """
    tenths = int(now * 10)
    head = "".join(_ALPHABET[(tenths >> shift) & 31] for shift in range(35, -1, -5))
    return head + "".join(secrets.choice(_ALPHABET) for _ in range(4))
