"""Identifiers that sort by the time they were made and are short enough to type; numbers that callers name."""

from __future__ import annotations

import re
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


def parse_number(text: str, digits: int = 9) -> int | None:
    """The number that a text names, such as that of a release; None when it names none.

    Only ASCII digits count: `str.isdigit` also holds for `²`, and for digits of other scripts, which `int` does not
    read or reads as another spelling of the same number.

    Args:
        text: From outside.
        digits: At most so many; 9 fit an INTEGER of every database, 18 a BIGINT.
    """
    return int(text) if re.fullmatch(rf"[0-9]{{1,{digits}}}", text) else None
