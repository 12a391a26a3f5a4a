from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from falaj.integrations.notifications import Happened, encode
from falaj.integrations.notifications.cloud_event import MOST_BYTES

SOURCE = "https://falaj.example.org"
EVENT = Happened(17, "change.admitted", "change/c1", 1_764_000_000.25, {"actor": "user:ana", "release": "m@3"})

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def test_an_event_has_the_attributes_of_cloudevents() -> None:
    event_attributes = json.loads(encode(EVENT, SOURCE))
    assert event_attributes == {
        "specversion": "1.0",
        "id": "17",
        "source": SOURCE,
        "type": "dev.falaj.change.admitted",
        "subject": "change/c1",
        "time": "2025-11-24T16:00:00.250Z",
        "sequence": "00000000000000000017",
        "datacontenttype": "application/json",
        "data": {"actor": "user:ana", "release": "m@3"},
    }
    assert datetime.fromisoformat(event_attributes["time"]).timestamp() == EVENT.at


@given(st.text(), st.dictionaries(st.text(), JSON, max_size=4))
def test_whatever_an_event_says_it_is_one_line_of_strict_ascii_json(subject: str, data: dict[str, object]) -> None:
    body = encode(replace(EVENT, subject=subject, data=data), SOURCE)
    assert body.isascii() and not set(body) & {*range(32), *b"<>&"}
    event_attributes = json.loads(body, parse_constant=lambda name: (_ for _ in ()).throw(ValueError(name)))
    assert not any(ord(char) < 32 or 0x7F <= ord(char) < 0xA0 for char in event_attributes["subject"])
    assert body == encode(replace(EVENT, subject=subject, data=data), SOURCE)


def test_markup_arrives_as_the_text_that_it_was() -> None:
    text = "<script>alert(1)</script>\r\nX-Injected: 1 \u2028 é"
    assert json.loads(encode(replace(EVENT, data={"reason": text}), SOURCE))["data"] == {"reason": text}


def test_an_event_that_is_too_long_says_so_instead_of_what_it_says() -> None:
    body = encode(replace(EVENT, data={"reason": "x" * MOST_BYTES}), SOURCE)
    assert len(body) < 1000 and "omitted" in json.loads(body)["data"]
