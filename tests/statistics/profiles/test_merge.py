"""Merging is adding: in any order and grouping, and the same as counting all rows at once."""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from falaj.statistics.profiles import Profile, ProfileSchema, merged

RNG = np.random.default_rng(7)
SCHEMA = ProfileSchema.from_reference(
    {
        "delay": RNG.normal(10, 5, 500),
        "fare": RNG.lognormal(3, 1, 500),
        "rain": np.where(RNG.random(500) < 0.6, 0.0, RNG.exponential(1, 500)),
        "carrier": np.array(["AA", "UA", "DL"], dtype=object)[RNG.integers(0, 3, 500)],
    },
    salt=b"salt",
)
number = st.one_of(st.none(), st.floats(), st.just("twelve"), st.floats(-5, 30), st.just(0.0))
level = st.one_of(st.none(), st.sampled_from(["AA", "UA", "ZZ"]), st.integers(0, 3))
row = st.tuples(number, number, number, level)


def columns(rows: list[tuple[Any, ...]]) -> dict[str, Any]:
    """Object columns, so that anything may be in them."""
    column_arrays = {}
    for place, name in enumerate(SCHEMA.names):
        column_arrays[name] = np.empty(len(rows), dtype=object)
        column_arrays[name][:] = [each[place] for each in rows]
    return column_arrays


def profile(rows: list[tuple[Any, ...]], start: float = 0.0) -> Profile:
    return SCHEMA.profile(columns(rows), start, start + 3600)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(row, max_size=6), min_size=3, max_size=3))
def test_merging_is_associative_and_commutative(blocks: list[list[tuple[Any, ...]]]) -> None:
    a, b, c = (profile(rows, start) for start, rows in enumerate(blocks))
    assert a.merge(b).merge(c) == a.merge(b.merge(c)) == c.merge(a).merge(b)


@settings(max_examples=40, deadline=None)
@given(st.lists(row, max_size=12), st.integers(0, 12))
def test_parts_merge_to_the_whole(rows: list[tuple[Any, ...]], cut: int) -> None:
    whole, parts = profile(rows), merged([profile(rows[:cut]), profile(rows[cut:])])
    assert parts == whole


@settings(max_examples=40, deadline=None)
@given(st.lists(row, max_size=12))
def test_every_row_is_counted_once_for_each_feature(rows: list[tuple[Any, ...]]) -> None:
    for name, counts in profile(rows).features.items():
        assert sum(counts.counts) == len(rows), name
        assert min(counts.counts, default=0) >= 0


@settings(max_examples=30, deadline=None)
@given(st.lists(row, max_size=12))
def test_both_forms_read_back(rows: list[tuple[Any, ...]]) -> None:
    row_profile = profile(rows)
    assert Profile.from_bytes(row_profile.to_bytes()) == row_profile
    assert Profile.from_json(row_profile.to_json()) == row_profile


def test_merging_many_is_merging_one_by_one() -> None:
    parts = [profile([(1.0, 2.0, 0.0, "AA")] * n, float(n)) for n in range(1, 5)]
    assert merged(parts) == reduce(Profile.merge, reversed(parts))
    assert (merged(parts).start, merged(parts).end, merged(parts).rows) == (1.0, 3604.0, 10)
