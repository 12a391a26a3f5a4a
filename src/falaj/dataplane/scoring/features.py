"""From Arrow columns to the arrays that a replica gives the model: the same types, the same refusals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from falaj.dataplane.model_server.casting import compile_cast
from falaj.dataplane.model_server.decoding import check_times
from falaj.dataplane.prediction_log.columnar import arrow_and_parquet
from falaj.models.errors import InvalidInputError
from falaj.models.signature import ModelFeature, ModelSignature
from falaj.models.tables import Array

Convert = Callable[[Any], Array]


def compile_features(signature: ModelSignature) -> Callable[[Any], list[Array]]:
    """Make what turns an Arrow table into one array a feature.

    Args:
        signature: Of columns, not tensors.

    Returns:
        A function that raises InvalidInputError, with row and column, for the first value that the model does not take.
    """
    converts = [(feature.name, _convert(feature)) for feature in signature.features]
    return lambda table: [convert(table.column(name)) for name, convert in converts]


def type_problem(feature: ModelFeature, arrow_type: Any) -> str:
    """Why a column of a type is not what the model reads; empty when it may be."""
    types = arrow_and_parquet()[0].types
    inner = arrow_type.value_type if types.is_dictionary(arrow_type) else arrow_type
    number = types.is_integer(inner) or types.is_floating(inner) or types.is_decimal(inner)
    text = types.is_string(inner) or types.is_large_string(inner) or types.is_string_view(inner)
    if feature.time and types.is_temporal(inner) and not types.is_time(inner):
        return ""
    if types.is_null(inner):
        return "" if not feature.required else "it has no values, and the model needs one in each row"
    fits = text if feature.kind == "string" else number or (types.is_boolean(inner) and feature.kind == "boolean")
    reads = "a date or time" if feature.time else feature.kind
    return "" if fits else f"it holds {inner}, and the model reads {reads}"


def _convert(feature: ModelFeature) -> Convert:
    if feature.time:
        return lambda column: _times(feature, column)
    if feature.kind == "string":
        return lambda column: _texts(feature, column)
    cast = compile_cast(feature, missing=not feature.required)
    return lambda column: cast(_numbers(feature, column))


def _numbers(feature: ModelFeature, column: Any) -> Array:
    """Numbers with NaN for missing ones."""
    arrow = arrow_and_parquet()[0]
    if column.null_count and feature.required:
        _refuse_missing(feature, column)
    if arrow.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if arrow.types.is_null(column.type) or arrow.types.is_decimal(column.type):
        column = column.cast(arrow.float64())
    if arrow.types.is_boolean(column.type) and column.null_count:
        column = column.cast(arrow.int8())
    numbers: Array = column.to_numpy()
    return numbers.astype(np.float64) if numbers.dtype.kind == "O" else numbers


def _texts(feature: ModelFeature, column: Any) -> Array:
    """Texts as objects, with None for missing ones; each distinct text is made once."""
    if column.null_count and feature.required:
        _refuse_missing(feature, column)
    arrow = arrow_and_parquet()[0]
    if arrow.types.is_null(column.type):
        return np.full(len(column), None, dtype="O")
    coded = column if arrow.types.is_dictionary(column.type) else column.dictionary_encode()
    pieces = [_decoded(chunk) for chunk in coded.chunks]
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def _times(feature: ModelFeature, column: Any) -> Array:
    """Days and moments as texts in ISO 8601, with None for missing ones."""
    arrow = arrow_and_parquet()[0]
    if arrow.types.is_timestamp(column.type):
        column = column.cast(arrow.timestamp("us", column.type.tz), safe=False)  # a moment of Python has no more digits
    if arrow.types.is_temporal(column.type):
        if column.null_count and feature.required:
            _refuse_missing(feature, column)
        return np.array([value and value.isoformat() for value in column.to_pylist()], dtype="O")
    texts = _texts(feature, column)
    check_times(feature, texts)
    return texts


def _decoded(chunk: Any) -> Array:
    values = np.array([*chunk.dictionary.to_pylist(), None], dtype="O")
    codes = chunk.indices.fill_null(len(values) - 1) if chunk.indices.null_count else chunk.indices
    decoded: Array = values[codes.to_numpy(zero_copy_only=False)]
    return decoded


def _refuse_missing(feature: ModelFeature, column: Any) -> None:
    row = int(np.flatnonzero(column.is_null().to_numpy())[0])
    message = f"row {row}, column {feature.name!r}: a value is missing, and the model needs one"
    raise InvalidInputError(message, row=row, field=feature.name)


def plain_rows(columns: Sequence[Array], rows: Sequence[int]) -> list[tuple[Any, ...]]:
    """Some rows as Python values, None for what is missing, as the prediction log holds them."""
    picked = [_plain(column[rows]) for column in columns]
    return list(zip(*picked, strict=True))


def _plain(values: Array) -> list[Any]:
    plain_values = values.tolist()
    return [None if value != value else value for value in plain_values] if values.dtype.kind == "f" else plain_values
