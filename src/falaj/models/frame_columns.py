"""A table of any library as a replica is given the rows of a request: one array a feature."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np

from falaj.models.signature import ModelFeature, ModelSignature
from falaj.models.tables import Array


def columns_of_frame(frame: Any, signature: ModelSignature) -> list[Array]:
    """The features of a pandas, polars or Arrow table: numbers with NaN, texts and times with None for missing.

    Args:
        frame: With at least the columns of the signature.
        signature: Of columns, not tensors.

    Raises:
        ValueError: A column holds what its feature cannot.
    """
    return [_column(frame[feature.name], feature) for feature in signature.features]


def _column(series: Any, feature: ModelFeature) -> Array:
    whole = series.to_numpy() if feature.kind != "string" else None
    if whole is not None and whole.dtype.kind in "biuf" and (whole.dtype.kind != "f" or not feature.whole):
        return np.asarray(whole).astype(feature.dtype, copy=False)
    values = [None if _is_missing(value) else value for value in _values(series)]
    if feature.kind == "string":
        return np.array([None if value is None else text_of(value) for value in values], dtype="O")
    dtype = feature.dtype if None not in values else np.float64
    try:
        return np.array([np.nan if value is None else value for value in values], dtype=dtype)
    except (TypeError, ValueError) as error:
        raise ValueError(f"the column {feature.name!r} is not what the model reads: {error}") from error


def text_of(value: Any) -> str:
    """A text as it is; days and moments in ISO 8601."""
    return value.isoformat() if isinstance(value, datetime.date) else str(value)


def _values(series: Any) -> list[Any]:
    if hasattr(series, "to_pylist"):
        return list(series.to_pylist())
    return list(series.to_list() if not hasattr(series, "astype") else series.astype(object).tolist())


def _is_missing(value: Any) -> bool:
    # None, NaN, NaT and pandas' NA: only they are not equal to themselves, or refuse to say
    try:
        return value is None or bool(value != value)
    except (TypeError, ValueError):
        return True


def answerable_rows(columns: list[Array], signature: ModelSignature) -> Array:
    """Which rows an endpoint takes: those in which no required feature is missing."""
    mask = np.ones(len(columns[0]), dtype=bool)
    for feature, values in zip(signature.features, columns, strict=True):
        if feature.required and values.dtype.kind == "O":
            mask &= np.array([value is not None for value in values], dtype=bool)
        elif feature.required and values.dtype.kind == "f" and feature.whole:
            mask &= ~np.isnan(values)
    return mask
