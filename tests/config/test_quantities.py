from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falaj.config.quantities import parse_duration, parse_share, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"), [("250ms", 0.25), ("90s", 90), ("1.5h", 5400), ("2d", 172_800), ("1w", 604_800), ("5m", 300)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "size"), [("2Gi", 2 * 1024**3), ("512Mi", 512 * 1024**2), ("1.5G", 1_500_000_000), ("100B", 100)]
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(("text", "share"), [("25%", 0.25), ("0.5%", 0.005), ("100%", 1.0), ("0%", 0.0)])
def test_shares(text: str, share: float) -> None:
    assert parse_share(text) == share


@pytest.mark.parametrize("parse", [parse_duration, parse_size, parse_share])
@pytest.mark.parametrize(
    "text", ["", "5", "-1h", "1 h", "h", "٣h", "0s", "101%", "2gi", "1e3s", "1h30m", "9" * 400 + "s"]
)
def test_what_cannot_be_read(parse: Callable[[str], float], text: str) -> None:
    with pytest.raises(ValueError, match="such as"):
        parse(text)


@given(st.text(max_size=12), st.sampled_from([parse_duration, parse_size, parse_share]))
def test_any_text_is_a_number_or_a_value_error(text: str, parse: Callable[[str], float]) -> None:
    with suppress(ValueError):
        assert parse(text) >= 0
