# pathlib takes longer to import than a small step takes to run.
# ruff: noqa: PTH118, PTH123
"""JSON values. Numbers do without the `json` module, whose import takes half as long as starting Python."""

from __future__ import annotations

import os

from .problem import Problem

TYPE_CHECKING = False  # `typing` takes longer to import than Python to start
if TYPE_CHECKING:
    from typing import Any


def read_json(path: str) -> Any:
    """The value in a JSON file."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if text.isdigit() and text.isascii():
        return int(text)
    import json

    return json.loads(text)


def write_json(value: Any, folder: str) -> None:
    """Write `value.json`.

    Raises:
        Problem: Something in the value is not JSON.
    """
    text = str(value) if type(value) is int else _encoded(value)
    with open(os.path.join(folder, "value.json"), "w", encoding="utf-8") as file:
        file.write(text)


def _encoded(value: Any) -> str:
    import json

    try:
        return json.dumps(value, default=_plain, allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        hint = "a step returns a table, a Path, JSON values, or a model with `output: model`; JSON has no NaN"
        raise Problem("step.wrong-output", f"the result is not JSON: {error}", hint) from None


def _plain(value: Any) -> Any:
    """Numbers and arrays of NumPy, and dates, as JSON values."""
    for name in ("tolist", "isoformat"):
        if hasattr(value, name):
            return getattr(value, name)()
    raise TypeError(f"`{type(value).__name__}` is not JSON serializable")
