"""Events as CloudEvents (pure).

Source: CloudEvents 1.0.2, JSON event format (structured mode), and its extension `sequence`
(https://github.com/cloudevents/spec).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

CONTENT_TYPE = "application/cloudevents+json"
TYPE_PREFIX = "dev.falaj."
MOST_BYTES = 64 * 1024
"""The size that every intermediary forwards; data that would make an event longer is left out of it."""

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_MARKUP = {ord(char): f"\\u{ord(char):04x}" for char in "<>&"}


@dataclass(frozen=True)
class Happened:
    """An event of the stream.

    Args:
        id: Its place in the stream; unique in the installation, and the same however often it is sent.
        kind: Such as `change.admitted`.
        subject: What it is about, such as `change/17`.
        at: Unix seconds.
        data: What else is known.
    """

    id: int
    kind: str
    subject: str
    at: float
    data: Mapping[str, Any]


def encode(event: Happened, source: str) -> bytes:
    """The exact bytes of an event, the same for the same event.

    What text says stays what it says, but markup and line ends are written as escapes, and what JSON cannot hold
    becomes null or a replacement character.

    Args:
        event: What happened.
        source: URI of the installation.
    """
    attributes = {
        "specversion": "1.0",
        "id": str(event.id),
        "source": source,
        "type": TYPE_PREFIX + _CONTROL.sub("\ufffd", event.kind),
        "subject": _CONTROL.sub("\ufffd", event.subject),
        "time": datetime.fromtimestamp(event.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "sequence": f"{event.id:020d}",
        "datacontenttype": "application/json",
    }
    whole = _json({**attributes, "data": dict(event.data)})
    if len(whole) <= MOST_BYTES:
        return whole
    return _json({**attributes, "data": {"omitted": f"more than {MOST_BYTES} bytes; it is in the stream of events"}})


def _json(document: Mapping[str, Any]) -> bytes:
    text = json.dumps(_clean(document), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.translate(_MARKUP).encode("ascii")


def _clean(value: Any) -> Any:
    match value:
        case str():
            return _SURROGATE.sub("\ufffd", value)
        case float() if not math.isfinite(value):
            return None
        case Mapping():
            return {_clean(str(key)): _clean(item) for key, item in value.items()}
        case list() | tuple():
            return [_clean(item) for item in value]
    return value
