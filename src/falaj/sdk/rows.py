"""Rows in the forms that people hold them in, as the body of a request for predictions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from falaj.core.errors import UsageError


def request_body(rows: Any, params: Mapping[str, Any]) -> bytes:
    """The body of a request to `/invocations`.

    Args:
        rows: A pandas or polars frame or series, an array, a list of mappings (one a row) or of lists (values in the
            order of the model's columns), a mapping of columns to lists, or one row as a mapping.
        params: What is asked of the server.

    Raises:
        UsageError: The rows are of another form, or hold a value that JSON cannot.
    """
    document = {**_document(rows), **({"params": dict(params)} if params else {})}
    try:
        return json.dumps(document, default=_value).encode()
    except (TypeError, ValueError) as error:
        raise UsageError(f"the rows cannot be sent: {error}") from error


def _document(rows: Any) -> dict[str, Any]:
    library = type(rows).__module__.partition(".")[0]
    if library in ("pandas", "polars"):
        return _of_frame(rows.to_frame() if hasattr(rows, "to_frame") else rows, library)
    if hasattr(rows, "tolist"):
        return {"instances": rows.tolist()}
    if isinstance(rows, Mapping):
        columns = rows and all(isinstance(value, list | tuple) or hasattr(value, "tolist") for value in rows.values())
        return {"inputs": dict(rows)} if columns else {"dataframe_records": [dict(rows)]}
    if isinstance(rows, Sequence) and not isinstance(rows, str | bytes):
        records = bool(rows) and isinstance(rows[0], Mapping)
        return {"dataframe_records" if records else "instances": list(rows)}
    raise UsageError(
        f"rows cannot be a {type(rows).__name__}",
        hint="a pandas or polars frame, an array, a list of mappings or lists, or a mapping of columns to lists",
    )


def _of_frame(frame: Any, library: str) -> dict[str, Any]:
    """Values of a frame row by row, with None for what is missing; an index is no column."""
    if library == "polars":
        data = frame.fill_nan(None).rows()
    else:
        data = frame.astype(object).where(frame.notna(), None).to_numpy().tolist()
    return {"dataframe_split": {"columns": [str(name) for name in frame.columns], "data": data}}


def _value(value: Any) -> Any:
    """A value that JSON does not know: NumPy's as Python's, dates and times as ISO 8601."""
    for method in ("tolist", "isoformat"):
        if hasattr(value, method):
            return getattr(value, method)()
    raise TypeError(f"{type(value).__name__} is not a value that JSON can hold")
