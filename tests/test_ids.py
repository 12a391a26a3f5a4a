from __future__ import annotations

import pytest

from falaj.core.ids import parse_number


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("7", 7), ("007", 7), ("999999999", 999_999_999)])
def test_ascii_digits_are_a_number(text: str, number: int) -> None:
    assert parse_number(text) == number


@pytest.mark.parametrize("text", ["", "²", "٣", "-1", "+1", "1_0", " 1", "1\n", "1e5", "9" * 10, "0x1"], ids=ascii)
def test_nothing_else_is(text: str) -> None:
    assert parse_number(text) is None


def test_more_digits_are_read_where_they_are_asked_for() -> None:
    assert parse_number("9" * 18, digits=18) == 10**18 - 1
    assert parse_number("9" * 19, digits=18) is None
