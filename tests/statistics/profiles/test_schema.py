"""Cells fixed from a reference: fine where rows are, honest about odd columns, and silent about single rows."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from falaj.statistics.profiles import (
    Categorical,
    CategoryCells,
    NumberCells,
    Profile,
    ProfileError,
    ProfileFormatError,
    ProfileKind,
    ProfileSchema,
    ReferenceProfile,
    block_profiles,
    merged,
    quantile,
)

RNG = np.random.default_rng(5)
N = 5000
SHAPES: dict[str, Any] = {
    "normal": RNG.normal(0, 1, N),
    "heavy": RNG.lognormal(0, 2, N),
    "mirrored": -RNG.lognormal(0, 2, N),
    "both tails": RNG.standard_cauchy(N),
    "zeros": np.where(RNG.random(N) < 0.7, 0, RNG.exponential(1, N)),
    "whole": RNG.integers(0, 24, N),
    "single": RNG.normal(0, 1, N).astype(np.float32),
}


@pytest.mark.parametrize("name", SHAPES)
def test_no_cell_holds_much_more_than_its_part(name: str) -> None:
    schema = ProfileSchema.from_reference({name: SHAPES[name]})
    cells, counts = schema[name], schema.profile({name: SHAPES[name]}, 0, 1).features[name].counts
    shares = np.array(counts[: cells.valued]) / N
    exact = np.unique(SHAPES[name], return_counts=True)[1].max() / N
    assert shares.max() <= max(0.1, exact + 0.02)
    assert np.count_nonzero(shares > 0.3 * (1 - exact) / 32) >= min(20, 0.8 * len(np.unique(SHAPES[name])))


@pytest.mark.parametrize("name", ["normal", "heavy", "mirrored", "both tails"])
def test_quantiles_are_those_of_the_rows(name: str) -> None:
    schema = ProfileSchema.from_reference({name: SHAPES[name]})
    cells, counts = schema[name], schema.profile({name: SHAPES[name] * 4}, 0, 1).features[name]
    assert isinstance(cells, NumberCells)
    for share in (0.1, 0.5, 0.9):
        rank = float((SHAPES[name] * 4 <= quantile(cells, counts, share)).mean())
        assert rank == pytest.approx(share, abs=0.05)


def test_an_exact_value_among_others_has_a_count_of_its_own() -> None:
    values = np.where(RNG.random(N) < 0.2, 0.25, RNG.normal(0, 1, N))
    cells = ProfileSchema.from_reference({"x": values})["x"]
    assert isinstance(cells, NumberCells)
    assert cells.atoms == (0.25,)
    place = cells.labels.index("= 0.25")
    assert cells.count(values).counts[place] == (values == 0.25).sum()
    assert cells.count(values.astype(np.float32)).counts[place] == (values == 0.25).sum()


def test_none_and_nan_are_missing_and_the_rest_has_its_place() -> None:
    cells = ProfileSchema.from_reference({"x": np.arange(100.0)})["x"]
    column = np.array([None, np.nan, np.inf, -np.inf, "5", True, 10**400, -1e9, 1e9, 50], dtype=object)
    counts = dict(zip(cells.labels, cells.count(column).counts, strict=True))
    assert (counts["missing"], counts["not finite"], counts["wrong type"]) == (2, 3, 2)
    assert (counts["below"], counts["above"]) == (1, 1)


@pytest.mark.parametrize("column", [np.full(50, np.nan), np.full(50, None, dtype=object), np.full(50, np.inf)])
def test_a_reference_without_values_still_counts(column: Any) -> None:
    cells = ProfileSchema.from_reference({"x": column}, {"x": "number"})["x"]
    assert sum(cells.count(np.array([1.0, np.nan, 1e9])).counts) == 3


def test_categories_are_one_text_whatever_holds_them() -> None:
    cells = ProfileSchema.from_reference({"x": np.repeat([1, 2, 3], 20)}, {"x": ProfileKind.CATEGORY})["x"]
    assert isinstance(cells, CategoryCells)
    assert cells.levels == ("1", "2", "3")
    columns = (
        np.array([1.0, 2.0, np.nan]),
        np.array([1, 2.0, None], dtype=object),
        Categorical(np.array([0, 1, -1]), (1, 2.0)),
    )
    assert len({cells.count(column).counts for column in columns}) == 1
    assert [list(cells.row_places(column)) for column in columns] == [[0, 1, 5]] * 3


def test_rare_levels_are_known_without_being_named() -> None:
    values = np.array(["often"] * 50 + ["rare"] * 2, dtype=object)
    schema = ProfileSchema.from_reference({"x": values}, salt=b"s")
    assert "rare" not in json.dumps(schema.to_json())
    counts = dict(zip(schema["x"].labels, schema["x"].count(values).counts, strict=True))
    assert (counts["often"], counts["other"], counts["unseen"]) == (50, 2, 0)


def test_many_categories_stay_in_bounds_and_are_estimated() -> None:
    schema = ProfileSchema.from_reference({"x": np.array(["a", "b"] * 50, dtype=object)})
    category_profile = schema.profile({"x": np.array([f"id{place}" for place in range(20_000)], dtype=object)}, 0, 1)
    assert category_profile.features["x"].distinct.estimate == pytest.approx(20_000, rel=0.25)
    assert len(category_profile.to_bytes()) < 2000


def test_lists_in_a_column_are_counted_and_do_not_end_the_profile() -> None:
    schema = ProfileSchema.from_reference({"x": np.array(["a", "b"] * 50, dtype=object)})
    column = np.empty(2, dtype=object)
    column[:] = [[1], "a"]
    assert schema.profile({"x": column}, 0, 1).rows == 2


def test_a_schema_and_a_reference_read_back_the_same() -> None:
    columns = SHAPES | {"carrier": np.array(["AA", "UA"], dtype=object)[RNG.integers(0, 2, N)]}
    reference = ReferenceProfile.build(columns, salt=b"12")
    again = ReferenceProfile.from_json(json.loads(json.dumps(reference.to_json())))
    assert again == reference
    assert again.schema.digest == reference.schema.digest


def test_damage_is_refused() -> None:
    reference = ReferenceProfile.build({"x": np.arange(100.0)})
    data = reference.total.to_bytes()
    for broken in (b"", b"other", data[:-5], data[:8] + b"\x09\x00" + data[10:], data[:12] + b"xx" + data[14:]):
        with pytest.raises(ProfileFormatError):
            Profile.from_bytes(broken)
    with pytest.raises(ProfileFormatError):
        ProfileSchema.from_json({"form": "falaj/profile-schema/1", "features": [{"name": "x"}], "joint": []})
    with pytest.raises(ProfileFormatError):
        ReferenceProfile.from_json({**reference.to_json(), "blocks": []})
    with pytest.raises(ProfileFormatError):
        Profile.from_json({"form": 9})


def test_what_cannot_be_profiled_is_refused() -> None:
    for columns in ({}, {"x": np.array([])}):
        with pytest.raises(ProfileError, match="no rows"):
            ProfileSchema.from_reference(columns)
    with pytest.raises(ProfileError, match="differ in length"):
        ProfileSchema.from_reference({"x": np.arange(3), "y": np.arange(4)})
    with pytest.raises(ProfileError, match="dimensions"):
        ProfileSchema.from_reference({"x": np.zeros((2, 2))})
    reference = ReferenceProfile.build({"x": np.arange(100.0)})
    with pytest.raises(ProfileError, match="3 blocks for 2 rows"):
        block_profiles(reference.schema, {"x": np.arange(2.0)}, np.arange(3))
    with pytest.raises(ProfileError, match="cannot be added"):
        other = ProfileSchema.from_reference({"x": np.arange(50.0)})
        reference.total.merge(other.profile({"x": np.arange(5.0)}, 0, 1))


def test_segments_are_the_named_levels_and_add_up() -> None:
    columns = {"x": RNG.normal(0, 1, 90), "c": Categorical(np.repeat([0, 1, 2], 30), ("a", "b", "c"))}
    schema = ProfileSchema.from_reference(columns)
    parts = schema.profile_segments(columns, "c", 0, 1)
    assert {level: part.rows for level, part in parts.items()} == {"a": 30, "b": 30, "c": 30}
    assert merged(parts.values()) == schema.profile(columns, 0, 1)
    with pytest.raises(ProfileError, match="not a category"):
        schema.profile_segments(columns, "x", 0, 1)


def test_what_leaves_a_location_has_no_small_count_and_no_raw_value() -> None:
    secret = "person@example.org"
    reference = ReferenceProfile.build(
        {"x": RNG.normal(0, 1, N), "c": np.array(["a", "b"], dtype=object)[RNG.integers(0, 2, N)]}
    )
    values = np.array(["a"] * 300 + ["b"] * 3 + [secret] * 20, dtype=object)
    full_profile = reference.schema.profile({"x": np.r_[RNG.normal(0, 1, 320), [1e6, 1e7, 1e8]], "c": values}, 0, 1)
    assert full_profile.features["c"].frequent == {secret: 20}
    exported_profile = full_profile.for_export(10)
    assert secret.encode() not in exported_profile.to_bytes() and secret not in json.dumps(exported_profile.to_json())
    for feature_profile in exported_profile.features.values():
        assert all(count == 0 or count >= 10 for count in [*feature_profile.counts, *feature_profile.tails.values()])
        assert feature_profile.distinct is None and not feature_profile.frequent
    assert exported_profile.features["c"].counts[:2] == (300, 0)
    with pytest.raises(ProfileError, match="hides nobody"):
        full_profile.for_export(1)
