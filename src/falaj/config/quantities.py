"""Durations, sizes and shares as people write them: `2h`, `2Gi`, `25%`."""

from __future__ import annotations

import re

_NUMBER = r"([0-9]{1,9}(?:\.[0-9]{1,6})?)"
_DURATION = re.compile(_NUMBER + r"(ms|s|m|h|d|w)")
_SIZE = re.compile(_NUMBER + r"([KMGT]i?)?B?")
_SHARE = re.compile(_NUMBER + r"%")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_BYTES = {unit: 1000**power for power, unit in enumerate(("", "K", "M", "G", "T"))} | {
    unit: 1024**power for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti"), start=1)
}

DURATION_PATTERN = rf"^{_DURATION.pattern}$"
SIZE_PATTERN = r"^[0-9]{1,9}(\.[0-9]{1,6})?([KMGT]i?B?|B)$"
SHARE_PATTERN = rf"^{_SHARE.pattern}$"


def parse_duration(text: str) -> float:
    """Seconds of `90s`, `1.5h`, `2d`.

    Raises:
        ValueError: It is not a positive number with one of the units ms, s, m, h, d, w.
    """
    match = _DURATION.fullmatch(text)
    if match is None or float(match[1]) == 0:
        raise ValueError("a duration such as 30s, 5m, 2h or 1d")
    return round(float(match[1]) * _SECONDS[match[2]], 6)


def parse_size(text: str) -> int:
    """Bytes of `512Mi` (powers of 1024) or `2G` (powers of 1000).

    Raises:
        ValueError: It is not a positive number with a unit.
    """
    match = _SIZE.fullmatch(text)
    if match is None or text[-1].isdigit() or float(match[1]) == 0:
        raise ValueError("a size such as 512Mi or 2Gi")
    return max(1, int(float(match[1]) * _BYTES[match[2] or ""]))


def parse_share(text: str) -> float:
    """A fraction between 0 and 1 of `25%`.

    Raises:
        ValueError: It is not a percentage from 0% to 100%.
    """
    match = _SHARE.fullmatch(text)
    if match is None or float(match[1]) > 100:
        raise ValueError("a percentage such as 5% or 25%")
    return round(float(match[1]) / 100, 9)
