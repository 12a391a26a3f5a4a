# pathlib takes longer to import than a small step takes to run.
# ruff: noqa: PTH112, PTH118, PTH119, PTH208
"""Loads one part of an input in the form that a parameter asks for."""

from __future__ import annotations

import os
import sys

from .problem import Problem

TYPE_CHECKING = False  # `typing` takes longer to import than Python to start
if TYPE_CHECKING:
    from typing import Any


def load(part: dict[str, Any], form: str) -> Any:
    """The value of a part.

    Args:
        part: `path`, `kind` (`table`, `json`, `model`, `file`, `folder`) and `read`, options of the reader.
        form: What `forms.form` said.

    Raises:
        Problem: The part cannot be had in that form.
    """
    path, kind = _content(part["path"], part["kind"]), part["kind"]
    if form == "path":
        from pathlib import Path

        return Path(path, {"table": "data.parquet", "json": "value.json"}.get(kind, ""))
    if kind == "json" and form == "any":
        from .values import read_json

        return read_json(os.path.join(path, "value.json"))
    if kind == "model":
        from .models import load_model

        return load_model(path, form)
    table = os.path.join(path, "data.parquet") if kind == "table" else path
    if form not in ("any", "pyfunc"):
        return _table(table, form, part["read"])
    return _unannotated(table, kind, part["read"])


def _content(path: str, kind: str) -> str:
    """The file itself, where a step's result is a folder around one file."""
    if kind == "file" and os.path.isdir(path):
        return os.path.join(path, os.listdir(path)[0])
    return path


def _unannotated(path: str, kind: str, read: dict[str, Any]) -> Any:
    """Without an annotation a table comes in the library that the project has imported already."""
    form = next((name for name in ("polars", "pandas") if name in sys.modules), "")
    if kind == "table" and form:
        return _table(path, form, read)
    from pathlib import Path

    return Path(path)


def _table(path: str, form: str, read: dict[str, Any]) -> Any:
    from .tables import read_table

    try:
        return read_table(path, form, read)
    except (OSError, ImportError, Problem):
        raise
    except Exception as error:
        name = os.path.basename(path)
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise Problem("step.wrong-input", f"`{name}` cannot be read as a table: {reason}") from error
