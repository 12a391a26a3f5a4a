"""Does what will answer answer as the trained model does? Asked of rows in the form in which the step had them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from falaj.models.answers import PROBABILITY
from falaj.models.tables import Array

Outputs = Mapping[str, Array]
ROWS = 1000
"""Most rows that are compared."""
ONNX_TOLERANCE = 1e-5
ALONE = 8
"""Rows that are also asked alone."""


@dataclass(frozen=True)
class Disagreement:
    """A row that is answered in two ways.

    Attributes:
        row: Its place in the table.
        column: The column that makes the difference; empty when no single one does.
        value: What stands there.
        trained: What the trained model answers.
        packaged: What the endpoint would answer.
    """

    row: int
    column: str
    value: str
    trained: str
    packaged: str

    def __str__(self) -> str:
        """One line for people."""
        place = f"row {self.row}" + (f", column {self.column!r} ({self.value})" if self.column else "")
        return f"{place}: the trained model answers {self.trained}, what would serve answers {self.packaged}"


def malformed(outputs: Outputs, rows: int) -> str:
    """Why answers are none for a table of so many rows: another number of them, or no numbers; empty when they are."""
    for name, values in outputs.items():
        count = len(values) if np.ndim(values) else 1
        if count != rows:
            return f"the model's output {name!r} has {count} answers for {rows} rows"
    probabilities = outputs.get(PROBABILITY)
    if probabilities is None or probabilities.dtype.kind != "f":
        return ""
    wrong = ~np.isfinite(probabilities.reshape(rows, -1)).all(axis=1)
    return f"row {int(wrong.argmax())}: the model's probability is not finite" if wrong.any() else ""


def repeated(first: Outputs, second: Outputs) -> bool:
    """Whether a model that was asked twice gave the same answers."""
    return all(not _differing(first[name], second[name], 0.0).any() for name in first)


def disagreement(trained: Any, packaged: Any, table: Any, columns: Sequence[Array], names: Sequence[str],
                 tolerance: float) -> Disagreement | None:  # fmt: skip
    """The first row on which the two differ; None when they agree on all.

    Args:
        trained: Answers for a table of the step's library.
        packaged: Answers for columns, as replicas get them.
        table: The rows in the step's library.
        columns: The same rows, one array a feature.
        names: Of the features.
        tolerance: Largest difference of numbers that is none; 0 asks for equal bits.
    """
    wrong = differing_rows(trained(table), packaged(columns), tolerance)
    if not wrong.any():
        return None
    row, right = int(wrong.argmax()), int((~wrong).argmax())
    column = ""
    if not wrong.all():
        column = _column_that_matters(trained, packaged, table, columns, names, tolerance, row, right)
    one = [values[row : row + 1] for values in columns]
    value = repr(columns[list(names).index(column)].tolist()[row]) if column else ""
    return Disagreement(row, column, value, _shown(trained(rows_of(table, row))), _shown(packaged(one)))


def differing_rows(first: Outputs, second: Outputs, tolerance: float) -> Array:
    """Which rows differ: in numbers by more than the tolerance, in labels where no tie within it explains them."""
    names = [name for name in first if name in second]
    wrong = np.zeros(len(next(iter(first.values()))), dtype=bool)
    for name in names:
        if name == "label" and "probability" in names:
            continue  # follows from the probabilities, but for ties within the tolerance
        wrong |= _differing(first[name], second[name], tolerance)
    return wrong


def differing_alone(packaged: Any, columns: Sequence[Array]) -> str:
    """The first of a few rows that is answered in another way when it is asked alone; empty when none is.

    Gates ask for many rows at once and callers for one: what a model works out of the rows beside it (a mean, the
    categories that are there) is another value then.

    Args:
        packaged: Answers for columns.
        columns: Rows, one array a feature.
    """
    together: Outputs = packaged(list(columns))
    count = len(columns[0])
    for row in range(0, count, max(1, count // ALONE)):
        alone = packaged([values[row : row + 1] for values in columns])
        among = {name: values[row : row + 1] for name, values in together.items()}
        if differing_rows(among, alone, ONNX_TOLERANCE).any():
            return (
                f"row {row}: asked alone the model answers {_shown(alone)}, among {count} rows {_shown(among)}; "
                "something in it looks at the other rows: work that out in a step, or learn it in `fit`"
            )
    return ""


def _differing(first: Array, second: Array, tolerance: float) -> Array:
    if first.shape != second.shape:
        return np.ones(len(first), dtype=bool)
    if first.dtype.kind in "biuf" and second.dtype.kind in "biuf":
        first_values, right = first.astype(np.float64), second.astype(np.float64)
        same = (np.abs(first_values - right) <= tolerance * np.maximum(1.0, np.abs(first_values))) | (
            np.isnan(first_values) & np.isnan(right)
        )
        same |= first_values == right  # infinite numbers
    else:
        same = first.astype(str) == second.astype(str)
    return np.asarray(~same.reshape(len(same), -1).all(axis=1))


def _column_that_matters(trained: Any, packaged: Any, table: Any, columns: Sequence[Array], names: Sequence[str],
                         tolerance: float, row: int, right: int) -> str:  # fmt: skip
    """The first column with which the row agrees when it has the value of a row that does."""
    one = rows_of(table, row)
    for index, name in enumerate(names):
        changed = [values[[right if place == index else row]] for place, values in enumerate(columns)]
        other = with_column(one, rows_of(table, right), name)
        if not differing_rows(trained(other), packaged(changed), tolerance).any():
            return name
    return ""


def rows_of(table: Any, row: int) -> Any:
    """One row as a table of the same library."""
    return table.iloc[[row]].reset_index(drop=True) if hasattr(table, "iloc") else table.slice(row, 1)


def with_column(table: Any, other: Any, name: str) -> Any:
    """A table with one column of another."""
    if hasattr(table, "iloc"):
        return table.assign(**{name: other[name]})
    if hasattr(table, "with_columns"):
        return table.with_columns(other[name])
    return table.set_column(table.column_names.index(name), name, other.column(name))


def _shown(outputs: Outputs) -> str:
    values = outputs.get("probability", next(iter(outputs.values())))
    return str(values[0].tolist())[:120]
