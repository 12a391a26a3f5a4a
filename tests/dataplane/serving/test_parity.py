"""The comparison that decides whether a conversion is kept."""

from __future__ import annotations

import numpy as np
import pytest

from falaj.build.packaging import PackagingResult, Parity
from falaj.build.packaging.parity import compare

LABELS = np.array([0, 1, 1])
PROBABILITIES = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]])
ORIGINAL = {"label": LABELS, "probability": PROBABILITIES}


def test_equal_outputs_pass() -> None:
    parity = compare(ORIGINAL, {"label": LABELS.astype(str), "probability": PROBABILITIES + 1e-6}, rows=3, probes=0)
    assert parity.passed and parity.agreement == 1.0
    assert parity.largest_difference == pytest.approx(1e-6)


@pytest.mark.parametrize(
    "converted",
    [
        {"label": np.array([0, 1, 0]), "probability": PROBABILITIES},
        {"label": LABELS, "probability": PROBABILITIES + 1e-3},
        {"label": LABELS, "probability": np.where(PROBABILITIES > 0.8, np.nan, PROBABILITIES)},
        {"label": LABELS, "probability": PROBABILITIES[:, :1]},
    ],
)
def test_one_different_row_fails(converted: dict[str, np.ndarray]) -> None:
    assert not compare(ORIGINAL, converted, rows=3, probes=0).passed


def test_no_rows_is_no_parity() -> None:
    empty = {"prediction": np.zeros(0)}
    assert not compare(empty, empty, rows=0, probes=0).passed


def test_a_tie_may_be_decided_either_way() -> None:
    tie = {"label": np.array([0]), "probability": np.array([[0.5, 0.5]])}
    assert compare(tie, tie | {"label": np.array([1])}, rows=1, probes=0).passed


def test_large_values_are_compared_by_ratio() -> None:
    large = {"prediction": np.array([1e9, -3.0])}
    assert compare(large, {"prediction": np.array([1e9 + 100, -3.0])}, rows=2, probes=0).passed
    assert not compare(large, {"prediction": np.array([1e9, -3.01])}, rows=2, probes=0).passed


def test_a_result_survives_json() -> None:
    result = PackagingResult("native", "differs", Parity(5, 2, 0.5, 0.75), {"onnx": "1"})
    assert PackagingResult.from_json(result.to_json()) == result
    assert result.to_json()["parity"]["passed"] is False
    assert PackagingResult.from_json(PackagingResult("pyfunc").to_json()) == PackagingResult("pyfunc")
