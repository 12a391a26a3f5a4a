"""Predicates: their text, what they hold for, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from falaj.statistics.rollout.segments import ALL_ROWS, Predicate, PredicateError, SegmentCondition

COLUMNS = {
    "carrier": ["EV", "UA", None, "EV"],
    "distance": np.array([500, 499, 2000, 700]),
    "time of day": [6.5, float("nan"), 5.0, 12],
    "late": np.array([True, False, True, False]),
}


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ('carrier == "EV"', [1, 0, 0, 1]),
        ('carrier != "EV"', [0, 1, 0, 0]),
        ("carrier is missing", [0, 0, 1, 0]),
        ("carrier is present", [1, 1, 0, 1]),
        ("distance >= 500", [1, 0, 1, 1]),
        ("distance > 500", [0, 0, 1, 1]),
        ("distance <= 500", [1, 1, 0, 0]),
        ("distance < 500", [0, 1, 0, 0]),
        ("distance == 499", [0, 1, 0, 0]),
        ('"time of day" < 1e1', [1, 0, 1, 0]),
        ('"time of day" != 5', [1, 0, 0, 1]),
        ("late == true", [1, 0, 1, 0]),
        ('carrier=="EV" and distance>=600.5', [0, 0, 0, 1]),
        (ALL_ROWS, [1, 1, 1, 1]),
    ],
)
def test_a_predicate_holds_for(text: str, rows: list[int]) -> None:
    assert Predicate.parse(text).mask(COLUMNS).tolist() == [bool(row) for row in rows]


@pytest.mark.parametrize(
    ("text", "where", "hint"),
    [
        ("", "character 1", "the name of a column"),
        ("carrier", "character 8", "`==`"),
        ("carrier = 3", "character 9", "`==`"),
        ("carrier == EV", "character 12", "double quotes"),
        ('carrier == "EV', "character 12", "double quotes"),
        ('carrier == "\\q"', "character 12", "JSON"),
        ("distance >= 1.2.3", "character 13", "finite number"),
        ("distance >= 1e999", "character 13", "finite number"),
        ("distance >= 1 or late == true", "character 15", "`and`"),
        ("distance >= 1 and", "character 18", "the name of a column"),
        ("distance is gone", "character 13", "`missing`"),
        ('carrier >= "EV"', "character 12", "`==`"),
        ("all cows", "character 5", "`rows`"),
        ("all rows and a == 1", "character 10", "the end"),
        (" and ".join(["a == 1"] * 17), "character 183", "smaller"),
    ],
)
def test_a_predicate_that_cannot_be_read_says_where_and_what_was_expected(text: str, where: str, hint: str) -> None:
    with pytest.raises(PredicateError) as caught:
        Predicate.parse(text)
    assert caught.value.where == where
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('carier == "EV"', "no column 'carier'"),
        ("carrier >= 5", "holds text"),
        ('distance == "EV"', "holds numbers"),
        ("when > 1", "datetime64"),
        ("table > 1", "2 dimensions"),
        ("large > 1", "too large"),
    ],
)
def test_a_predicate_that_does_not_fit_the_rows_is_refused(text: str, message: str) -> None:
    rows = {
        **COLUMNS,
        "when": np.zeros(4, "datetime64[s]"),
        "table": np.zeros((4, 2)),
        "large": [10**400, 1, 1, 1],
    }
    with pytest.raises(PredicateError, match=message):
        Predicate.parse(text).mask(rows)


def test_the_nearest_column_is_proposed() -> None:
    with pytest.raises(PredicateError, match="did you mean 'carrier'"):
        Predicate.parse('carier == "EV"').mask(COLUMNS)


@pytest.mark.parametrize("text", ['x == "a"', "x > 1"])
def test_a_column_without_any_value_is_of_either_kind(text: str) -> None:
    assert Predicate.parse(text).mask({"x": [None, float("nan")]}).tolist() == [False, False]
    assert Predicate.parse(text).mask({"x": []}).tolist() == []


def test_numbers_of_numpy_in_a_list_are_numbers() -> None:
    assert Predicate.parse("x > 1").mask({"x": [np.int64(2), np.float32("nan"), np.bool_(True)]}).tolist() == [1, 0, 0]


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(PredicateError, match="different numbers of rows"):
        Predicate.parse("x > 1").mask({"x": [1], "y": [1, 2]})


@pytest.mark.parametrize(("op", "value"), [("==", None), ("is missing", 3), (">", float("inf")), ("<", "a")])
def test_a_condition_that_means_nothing_cannot_be_made(op: str, value: object) -> None:
    with pytest.raises(PredicateError):
        SegmentCondition("x", op, value)  # type: ignore[arg-type]


names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
comparisons = st.sampled_from(["==", "!=", ">=", ">", "<=", "<"])
conditions = st.one_of(
    st.builds(
        SegmentCondition,
        names,
        comparisons,
        st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**9), 10**9),
    ),
    st.builds(SegmentCondition, names, st.sampled_from(["==", "!="]), names | st.booleans()),
    st.builds(SegmentCondition, names, st.sampled_from(["is missing", "is present"])),
)


@given(st.lists(conditions, max_size=4).map(tuple))
def test_a_predicate_is_read_back_from_its_text(parts: tuple[SegmentCondition, ...]) -> None:
    predicate = Predicate(parts)
    assert Predicate.parse(predicate.text) == predicate


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    refused, predicate = None, Predicate()
    try:
        predicate = Predicate.parse(text)
    except PredicateError as error:
        refused = error
    assert refused is None or refused.where.startswith("character ")
    assert Predicate.parse(predicate.text) == predicate


@given(st.lists(st.none() | st.floats(allow_nan=False), max_size=20), st.floats(-5, 5))
def test_a_present_value_meets_a_limit_or_its_opposite(values: list[float | None], limit: float) -> None:
    at_least, below = (SegmentCondition("x", op, limit).mask({"x": values}) for op in (">=", "<"))
    missing = SegmentCondition("x", "is missing").mask({"x": values})
    assert (at_least.astype(int) + below + missing == 1).all()
