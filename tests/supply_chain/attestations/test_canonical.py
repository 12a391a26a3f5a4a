from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falaj.supply_chain.attestations import EvidenceError, canonical
from falaj.supply_chain.attestations.canonical import MAX_DEPTH, nesting, parse, parse_canonical
from falaj.supply_chain.attestations.predicates import plain

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
INTEGERS = st.integers(-(2**53) + 1, 2**53 - 1)
SCALARS = st.none() | st.booleans() | INTEGERS | st.floats(allow_nan=False, allow_infinity=False) | TEXT
JSON = st.recursive(SCALARS, lambda x: st.lists(x, max_size=4) | st.dictionaries(TEXT, x, max_size=4), max_leaves=12)


@given(JSON)
def test_what_is_written_can_be_read_and_is_canonical(value: object) -> None:
    data = canonical(value)
    assert parse_canonical(data) == value
    assert canonical(json.loads(json.dumps(value, indent=2))) == data


def test_the_example_of_the_rfc() -> None:
    # RFC 8785, section 3.2.2 and 3.2.3.
    value = {
        "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": '€$\u000f\nA\'B"\\\\"/',
        "literals": [None, True, False],
    }
    expected = (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )
    assert canonical(value) == expected.encode()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**53, {1: 2}, {"a": object()}, "\ud800", b"x"])
def test_what_json_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(EvidenceError) as caught:
        canonical(value)
    assert caught.value.code == "evidence.not-canonical"


def test_a_value_that_contains_itself_is_refused() -> None:
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(EvidenceError):
        canonical(loop)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b'{"a":1,"a":1}',
        b"NaN",
        b"-Infinity",
        b"\xff",
        b"1" * 5000,
        b"[" * 33 + b"]" * 33,
        b"[1]" + b" " * 5_000_000,
    ],
)
def test_what_is_no_strict_json_is_refused(data: bytes) -> None:
    with pytest.raises(EvidenceError) as caught:
        parse(data)
    assert caught.value.code == "evidence.malformed"


@pytest.mark.parametrize(
    "data", [b" 1", b"1.0", b'{"b":1,"a":2}', b'"\\u0041"', b"1e400", b"9007199254740993", b'"\\ud800"']
)
def test_other_bytes_for_the_same_value_are_refused(data: bytes) -> None:
    with pytest.raises(EvidenceError) as caught:
        parse_canonical(data)
    assert caught.value.code == "evidence.not-canonical"


def test_nesting_counts_brackets_outside_strings_only() -> None:
    assert nesting(b'{"[[[[": ["]]\\"[[", [1]]}') == 3
    assert parse(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH) is not None


@given(JSON)
def test_counting_agrees_with_the_parsed_value(value: object) -> None:
    def depth(item: object) -> int:
        match item:
            case dict():
                return 1 + max((depth(child) for child in item.values()), default=0)
            case list():
                return 1 + max((depth(child) for child in item), default=0)
            case _:
                return 0

    assert nesting(json.dumps(value).encode()) == depth(value)


@given(
    st.recursive(SCALARS | st.floats() | st.integers(), lambda x: st.lists(x) | st.dictionaries(TEXT, x), max_leaves=8)
)
def test_plain_makes_any_metric_or_seed_recordable(value: object) -> None:
    canonical(plain(value))
