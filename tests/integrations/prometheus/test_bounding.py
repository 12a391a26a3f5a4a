from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from falaj.integrations.prometheus import OTHER, Sample, bounded

NAMES = st.text(st.sampled_from("abc"), max_size=3)
SAMPLES = st.lists(st.builds(lambda a, b, v: Sample({"a": a, "b": b}, float(v)), NAMES, NAMES, st.integers(0, 9)))


def test_within_the_bound_nothing_is_folded() -> None:
    samples = [Sample({"model": name}, 1.0) for name in "ba"]
    assert bounded(samples, ("model",), 2) == (Sample({"model": "a"}, 1.0), Sample({"model": "b"}, 1.0))


def test_beyond_it_the_rest_is_one_series() -> None:
    samples = [Sample({"model": name, "state": "up"}, number) for number, name in enumerate("abcd")]
    bounded_series = bounded(samples, ("model",), 2, max)
    assert {each.labels["model"]: each.value for each in bounded_series} == {"a": 0, "b": 1, OTHER: 3}
    assert {each.labels["state"] for each in bounded_series} == {"up"}


def test_the_strongest_are_kept_where_that_is_asked_for() -> None:
    samples = [Sample({"feature": name}, value) for name, value in [("a", 1.0), ("b", 9.0), ("c", 5.0)]]
    bounded_series = bounded(samples, ("feature",), 1, max, strongest=True)
    assert {each.labels["feature"]: each.value for each in bounded_series} == {"b": 9.0, OTHER: 5.0}


def test_something_that_is_called_other_joins_the_rest() -> None:
    samples = [Sample({"model": name}, 1.0) for name in ("a", OTHER, "z")]
    assert {each.labels["model"]: each.value for each in bounded(samples, ("model",), 2)} == {"a": 1.0, OTHER: 2.0}


@settings(max_examples=50, deadline=None)
@given(SAMPLES, st.integers(0, 4), st.booleans())
def test_the_bound_holds_no_series_comes_twice_and_nothing_is_lost(
    samples: list[Sample], most: int, strongest: bool
) -> None:
    bounded_series = bounded(samples, ("a", "b"), most, strongest=strongest)
    assert len({tuple(each.labels.values()) for each in bounded_series}) == len(bounded_series) <= most + 1
    assert sum(each.value for each in bounded_series) == sum(each.value for each in samples)
    assert bounded(list(reversed(samples)), ("a", "b"), most, strongest=strongest) == bounded_series
