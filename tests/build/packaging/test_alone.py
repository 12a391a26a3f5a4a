"""A model must answer a row alone as it does among others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from falaj.build.packaging.agreement import differing_alone
from falaj.models.tables import Array

ROWS = [np.arange(40.0), np.arange(40.0) ** 2]


def by_row(columns: Sequence[Array]) -> dict[str, Any]:
    return {"prediction": columns[0] * 2 + columns[1]}


def by_mean(columns: Sequence[Array]) -> dict[str, Any]:
    return {"prediction": columns[0] - columns[0].mean()}


def by_codes(columns: Sequence[Array]) -> dict[str, Any]:
    """As `astype("category").cat.codes` in a transformer does."""
    codes = np.unique(columns[0] % 3, return_inverse=True)[1]
    return {"label": codes > 0, "probability": np.stack([1 - codes / 3, codes / 3], axis=1)}


def test_what_looks_at_each_row_alone_passes() -> None:
    assert differing_alone(by_row, ROWS) == ""
    assert differing_alone(by_mean, [values[:1] for values in ROWS]) == ""


def test_what_looks_at_the_other_rows_is_named() -> None:
    words = differing_alone(by_mean, ROWS)
    assert words.startswith("row 0: asked alone the model answers 0.0, among 40 rows -19.5; something in it looks")
    assert differing_alone(by_codes, ROWS).startswith("row 5: ")


def test_a_last_digit_is_no_difference() -> None:
    """Libraries multiply a matrix in another order than a vector."""
    assert not differing_alone(lambda columns: {"prediction": columns[0] * (1 + 1e-9 * len(columns[0]))}, ROWS)
