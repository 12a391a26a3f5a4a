"""Does a conversion answer like the original? Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]

# Single precision keeps seven digits; a sum over hundreds of trees or features keeps at least four.
TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class Parity:
    """Agreement of a conversion with the original on the same rows.

    Attributes:
        rows: Real rows compared.
        probes: Rows made from real ones by an unknown category or a missing value.
        largest_difference: Of any probability or value; relative to the value where that is above 1.
        agreement: Share of equal decisions (labels), or of values within the tolerance for a regressor.
        tolerance: Largest difference that passes.
    """

    rows: int
    probes: int
    largest_difference: float
    agreement: float
    tolerance: float = TOLERANCE

    @property
    def passed(self) -> bool:
        """True if some real row was compared and every row agrees."""
        return self.rows > 0 and self.agreement == 1.0 and self.largest_difference <= self.tolerance


def compare(original: Mapping[str, Array], converted: Mapping[str, Array], *, rows: int, probes: int) -> Parity:
    """Compare the outputs of two models.

    Args:
        original: Outputs by name, as the estimator gives them.
        converted: The same outputs of the conversion.
        rows: Number of real rows, which come first.
        probes: Number of probe rows behind them.

    Returns:
        The comparison over all rows.
    """
    numbers = [name for name in original if name != "label"]
    largest = max((_largest_difference(original[name], converted[name]) for name in numbers), default=0.0)
    agreement = _share_equal(original, converted) if "label" in original else float(largest <= TOLERANCE)
    return Parity(rows, probes, largest, agreement)


def _largest_difference(first: Array, second: Array) -> float:
    if first.shape != second.shape:
        return float("inf")
    first_values, right = first.astype(np.float64), second.astype(np.float64)
    difference = np.abs(first_values - right) / np.maximum(1.0, np.abs(first_values))
    # NaN from one side only is a disagreement, from both it is none.
    difference[np.isnan(first_values) & np.isnan(right)] = 0.0
    return float(np.nan_to_num(difference, nan=np.inf).max(initial=0.0))


def _share_equal(original: Mapping[str, Array], converted: Mapping[str, Array]) -> float:
    """Share of rows with the same label; a tie within the tolerance may be decided either way."""
    same = original["label"].astype(str) == converted["label"].astype(str)
    if "probability" in original and original["probability"].ndim == 2:
        best = np.sort(original["probability"], axis=1)
        same |= best[:, -1] - best[:, -2] <= TOLERANCE
    return float(same.mean()) if len(same) else 0.0
