"""The field types that only the platform file has: days, times of the day, time zones, paths of policies."""

from __future__ import annotations

import ipaddress
import re
from datetime import datetime, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator

from falaj.config.errors import nearest
from falaj.config.fields import problem, text_like

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def parse_moment(text: str) -> datetime:
    """The local time that `2026-12-01` or `2026-12-01T18:00` says; midnight for a day.

    Raises:
        ValueError: There is no such day or time.
    """
    return datetime.fromisoformat(text)


def unix_s(text: str, timezone: str, *, end: bool = False) -> float:
    """Unix seconds of a moment of the file.

    Args:
        text: A day or a time, as `parse_moment` reads it.
        timezone: IANA name of the zone in which it is meant.
        end: A day stands for its end, not its beginning: it is the last day of something.
    """
    moment = parse_moment(text) + timedelta(days=1 if end and "T" not in text else 0)
    return moment.replace(tzinfo=ZoneInfo(timezone)).timestamp()


def minute_of(text: str) -> int:
    """Minute of the day of `09:30`."""
    hours, _, minutes = text.partition(":")
    return int(hours) * 60 + int(minutes)


def _moment(text: str) -> str:
    try:
        parse_moment(text)
    except ValueError:
        raise problem(f"there is no {text}", "a day or time of the calendar") from None
    return text


def _timezone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ValueError, OSError, LookupError):
        suggestion = nearest(text, available_timezones())
        expected = "an IANA name such as Asia/Dubai"
        raise problem(f"there is no time zone {text[:60]!r}", expected, suggestion=suggestion) from None
    return text


def _private_host(text: str) -> str:
    """A network must be one; a name is not looked up here."""
    if not re.search(r"[/:]", text):
        return text
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        raise problem(f"{text!r} is not a network", "such as 10.20.0.0/16") from None


Moment = Annotated[
    str,
    text_like(
        r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2})?$",
        "a day or a time such as 2026-12-01 or 2026-12-01T18:00",
        16,
    ),
    AfterValidator(_moment),
]
Clock = Annotated[str, text_like(r"^([01][0-9]|2[0-3]):[0-5][0-9]$", "a time of the day such as 09:00", 5)]
TimeZone = Annotated[
    str, text_like(r"^[A-Za-z0-9_+/-]+$", "a time zone such as Asia/Dubai", 64), AfterValidator(_timezone)
]
PolicyPath = Annotated[
    str, text_like(r"^[^/\\~.][^\\]*\.cedar$", "a path of a .cedar file, relative to the platform file")
]
Issuer = Annotated[str, text_like(r"^https?://\S+$", "the https:// address of the provider", 500)]
PrivateHost = Annotated[
    str,
    text_like(r"^[a-z0-9][a-z0-9.:/-]*$", "a host such as git.corp.example, or a network such as 10.20.0.0/16", 253),
    AfterValidator(_private_host),
]
