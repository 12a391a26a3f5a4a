"""The rows of a request on their way to the model, and their union with the rows of other requests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from falaj.models.signature import ModelFeature, ModelSignature

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Rows:
    """Validated rows as Python values in signature order: the cheap form for small JSON requests."""

    rows: Sequence[tuple[Any, ...]]

    @property
    def count(self) -> int:
        """Number of rows."""
        return len(self.rows)

    def arrays(self, signature: ModelSignature) -> list[Array]:
        """One array per feature."""
        return _columns_of(self.rows, signature.features)


@dataclass(frozen=True, slots=True)
class InputColumns:
    """Validated arrays in signature order, one per feature: the form of tensors and of column requests."""

    columns: Sequence[Array]

    @property
    def count(self) -> int:
        """Number of rows."""
        return len(self.columns[0])

    def arrays(self, _signature: ModelSignature) -> list[Array]:
        """The arrays as they are."""
        return list(self.columns)


Payload = Rows | InputColumns


def union(payloads: Sequence[Payload], signature: ModelSignature) -> list[Array]:
    """Put the rows of several requests under each other.

    Args:
        payloads: At least one validated payload.
        signature: Their signature.

    Returns:
        One array per feature, rows in the order of the payloads.
    """
    if len(payloads) == 1:
        return payloads[0].arrays(signature)
    if all(isinstance(payload, Rows) for payload in payloads):
        rows = [row for payload in payloads for row in payload.rows]  # type: ignore[union-attr]
        return _columns_of(rows, signature.features)
    parts = [payload.arrays(signature) for payload in payloads]
    return [np.concatenate(pieces) for pieces in zip(*parts, strict=True)]


def _columns_of(rows: Sequence[tuple[Any, ...]], features: Sequence[ModelFeature]) -> list[Array]:
    # np.array turns None into NaN for floating dtypes, which is what a missing number is to every backend.
    return [
        np.array(values, dtype=feature.dtype) for feature, values in zip(features, zip(*rows, strict=True), strict=True)
    ]
