"""Real rows to compare on, and probes made from them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from falaj.models.frame_columns import text_of
from falaj.models.model_folder import ModelFolder
from falaj.models.signature import ModelFeature, ModelSignature
from falaj.models.tables import Array, Rows

_UNSEEN = "\N{SNOWMAN} unseen"
_PROBE_ROWS = 8


def real_rows(folder: ModelFolder, table: Path | None, limit: int) -> list[Array]:
    """Rows of a table in signature order, or the model's input example when there is none.

    Args:
        folder: The model folder.
        table: Parquet file with at least the columns of the signature; None for the input example.
        limit: Most rows; taken evenly from the whole table.

    Returns:
        One array a feature; all empty when there are no rows.
    """
    if table is None or not folder.signature.columns:
        return Rows(folder.example).arrays(folder.signature) if folder.example else []
    columns = _read(table, folder.signature.names)
    step = max(1, len(columns[0]) // limit)
    return [
        _as_feature(feature, values[::step][:limit])
        for feature, values in zip(folder.signature.features, columns, strict=True)
    ]


def _read(table: Path, names: Sequence[str]) -> list[Array]:
    """Columns of a Parquet file by whichever library the project has."""
    try:
        import polars
    except ImportError:
        import pandas

        frame = pandas.read_parquet(table, columns=list(names))
        return [frame[name].to_numpy() for name in names]
    polars_frame = polars.read_parquet(table, columns=list(names))
    return [polars_frame[name].to_numpy() for name in names]


def _as_feature(feature: ModelFeature, values: Array) -> Array:
    if feature.kind != "string":
        return np.array(values.tolist() if values.dtype.kind == "O" else values, dtype=feature.dtype)
    if values.dtype.kind == "M":
        values = values.astype("datetime64[us]")  # those of nanoseconds become whole numbers
    missing = [value is None or value != value for value in values.tolist()]  # NaN is not itself
    return np.array(
        [None if gone else text_of(value) for gone, value in zip(missing, values.tolist(), strict=True)], dtype="O"
    )


def with_probes(columns: Sequence[Array], signature: ModelSignature) -> tuple[list[Array], int]:
    """Append rows in which one feature is an unknown category or missing.

    Args:
        columns: Real rows, one array a feature.
        signature: Which features are text and which may be missing.

    Returns:
        The longer columns, and the number of rows appended.
    """
    if not signature.columns:
        return list(columns), 0
    row_batches = [list(columns)]
    for index, feature in enumerate(signature.features):
        row_batches.extend(_changed(columns, index, value) for value in _probe_values(feature))
    whole = [np.concatenate(pieces) for pieces in zip(*row_batches, strict=True)]
    return whole, len(whole[0]) - len(columns[0])


def _probe_values(feature: ModelFeature) -> list[Any]:
    unseen = [_UNSEEN] if feature.kind == "string" and not feature.time else []
    missing = [None if feature.kind == "string" else np.nan] if not feature.required else []
    return unseen + missing


def _changed(columns: Sequence[Array], index: int, value: Any) -> list[Array]:
    few = [column[:_PROBE_ROWS].copy() for column in columns]
    few[index][:] = value
    return few
