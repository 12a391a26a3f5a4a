"""A readable condition on rows, that can be written into a gate and asked of any rows later.

    carrier == "EV" and distance >= 500
    "time of day" < 6 and tail_number is missing
    all rows

A missing value meets `is missing` and nothing else: no comparison holds for it, `!=` neither.
"""

from __future__ import annotations

import json
import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from falaj.statistics.rollout.segments.columns import Columns, Mask, SegmentColumn, count_rows, read_column
from falaj.statistics.rollout.segments.errors import PredicateError
from falaj.statistics.rollout.segments.tokens import Words

Operator = Literal["==", "!=", ">=", ">", "<=", "<", "is missing", "is present"]
Value = str | float | bool | None

_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
}
_BARE_NAME = re.compile(r"(?!(?:and|is|all)$)[A-Za-z_][A-Za-z0-9_.]*")
ALL_ROWS = "all rows"
MOST_CONDITIONS = 16


@dataclass(frozen=True)
class SegmentCondition:
    """One comparison of a column with a value.

    Args:
        column: Name of the column.
        op: How it is compared; `is missing` and `is present` have no value.
        value: Text, a finite number, or true or false (which equal 1 and 0).

    Raises:
        PredicateError: The value does not go with the operator.
    """

    column: str
    op: Operator
    value: Value = None

    def __post_init__(self) -> None:
        if (self.value is None) != self.op.startswith("is "):
            raise PredicateError(f"`{self.op}` {'takes no' if self.op.startswith('is ') else 'needs a'} value")
        if isinstance(self.value, float) and not math.isfinite(self.value):
            raise PredicateError(f"{self.column!r} is compared with {self.value}", hint="a finite number")
        if isinstance(self.value, str) and self.op not in ("==", "!="):
            raise PredicateError(f"text is not ordered: {self.column!r} {self.op} {self.value!r}", hint="`==` or `!=`")

    @property
    def text(self) -> str:
        """As it is written."""
        name = self.column if _BARE_NAME.fullmatch(self.column) else json.dumps(self.column, ensure_ascii=False)
        return f"{name} {self.op}" if self.value is None else f"{name} {self.op} {_literal(self.value)}"

    def mask(self, columns: Columns) -> Mask:
        """Which rows meet it.

        Raises:
            PredicateError: There is no such column, or its values are of another kind than the condition's.
        """
        column = read_column(columns, self.column)
        if self.value is None:
            return column.missing if self.op == "is missing" else ~column.missing
        if column.is_empty:
            return np.zeros(len(column.values), dtype=bool)
        self._refuse_other_kind(column)
        met = np.asarray(_COMPARISONS[self.op](column.values, self.value), dtype=bool)
        return met & ~column.missing

    def _refuse_other_kind(self, column: SegmentColumn) -> None:
        if column.is_text != isinstance(self.value, str):
            holds, asks = ("text", "a number") if column.is_text else ("numbers", "text")
            raise PredicateError(f"column {self.column!r} holds {holds}, and `{self.text}` compares it with {asks}")


@dataclass(frozen=True)
class Predicate:
    """Conditions that all have to be met; without any, all rows meet it.

    Args:
        conditions: At most `MOST_CONDITIONS`.
    """

    conditions: tuple[SegmentCondition, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Predicate:
        """Read a predicate.

        Args:
            text: `COLUMN OP VALUE and ...`, or `all rows`.

        Raises:
            PredicateError: With the character at which it cannot be read and what was expected there.
        """
        words = Words(text)
        if words.accept("all"):
            words.expect("rows")
            words.end()
            return cls()
        conditions = [_condition(words)]
        while words.accept("and"):
            conditions.append(_condition(words))
            if len(conditions) > MOST_CONDITIONS:
                raise words.wrong(f"there are more than {MOST_CONDITIONS} conditions", "a smaller predicate")
        words.end()
        return cls(tuple(conditions))

    @property
    def text(self) -> str:
        """As it is written; `Predicate.parse` reads it back."""
        return " and ".join(condition.text for condition in self.conditions) or ALL_ROWS

    def mask(self, columns: Columns) -> Mask:
        """Which rows meet every condition.

        Args:
            columns: Column name to one value a row: numbers, booleans or text; None and NaN are missing.

        Raises:
            PredicateError: A column is not there, or is of another kind.
        """
        met = np.ones(count_rows(columns), dtype=bool)
        for condition in self.conditions:
            met &= condition.mask(columns)
        return met


def _literal(value: Value) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    return json.dumps(value, ensure_ascii=False)


def _condition(words: Words) -> SegmentCondition:
    column = words.column()
    if words.accept("is"):
        return SegmentCondition(
            column, "is missing" if words.one_of("missing", "present") == "missing" else "is present"
        )
    op: Any = words.one_of(*_COMPARISONS)
    return words.placed(lambda: SegmentCondition(column, op, words.value()))
