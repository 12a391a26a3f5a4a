"""Two ways to ask one model: where they part is said with row, column and both answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from falaj.build.packaging.agreement import differing_rows, disagreement, malformed, repeated

NAMES = ["city", "a"]
COLUMNS = [np.array(["Dubai", None, "Sharjah"], dtype=object), np.array([0.1, 0.2, 0.3])]


def trained(table: Any) -> Mapping[str, Any]:
    """A missing city is a category of its own."""
    cities = table["city"].to_list()
    has_city = [city is not None and city == city for city in cities]
    return {"prediction": np.where(has_city, 0.0, 1.0) + table["a"].to_numpy()}


def packaged(columns: Sequence[Any]) -> Mapping[str, Any]:
    return {"prediction": columns[1] + 0.0}


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame])
def test_the_row_the_column_and_both_answers_are_named(library: Any) -> None:
    table = library({"city": COLUMNS[0].tolist(), "a": COLUMNS[1]})
    difference = disagreement(trained, packaged, table, COLUMNS, NAMES, 0.0)
    expected = "row 1, column 'city' (None): the trained model answers 1.2, what would serve answers 0.2"
    assert str(difference) == expected


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        ({"label": np.array([0, 1, 0])}, "the model's output 'label' has 3 answers for 2 rows"),
        ({"prediction": np.float64(1)}, "the model's output 'prediction' has 1 answers for 2 rows"),
        ({"label": np.array([0, 1]), "probability": np.array([[0.5, 0.5], [np.nan, np.nan]])}, "row 1: the model's"),
        ({"label": np.array([0, 1]), "probability": np.array([[0.5, 0.5], [0.1, 0.9]])}, ""),
    ],
)
def test_answers_of_another_number_and_no_numbers_are_refused(outputs: Any, words: str) -> None:
    assert malformed(outputs, 2).startswith(words) and bool(words) == bool(malformed(outputs, 2))


def test_equal_answers_are_no_disagreement() -> None:
    table = pl.DataFrame({"city": ["Dubai"] * 3, "a": COLUMNS[1]})
    assert disagreement(trained, packaged, table, COLUMNS, NAMES, 0.0) is None


def test_numbers_are_held_to_the_tolerance_and_labels_to_equality() -> None:
    first = {"prediction": np.array([1.0, 2.0, np.nan])}
    assert differing_rows(first, {"prediction": np.array([1.0, 2.00001, np.nan])}, 1e-4).tolist() == [False] * 3
    assert differing_rows(first, {"prediction": np.array([1.0, 2.00001, 3.0])}, 0.0).tolist() == [False, True, True]
    labels = {"label": np.array(["no", "yes"])}
    assert differing_rows(labels, {"label": np.array(["no", "no"])}, 1e-4).tolist() == [False, True]
    assert repeated(labels, labels) and not repeated(labels, {"label": np.array(["no", "no"])})
