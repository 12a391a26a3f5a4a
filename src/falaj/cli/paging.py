"""Lists that are longer than a screen: the first rows, and how to see more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from falaj.cli.output import emit_error

Row = TypeVar("Row")


def first_rows(read: Callable[[int | None], Sequence[Row]], limit: int | None) -> list[Row]:
    """At most `limit` rows of a list, or all for None; where there are more, the error stream says how to see them.

    Args:
        read: Reads so many rows of the list, or all for None.
        limit: How many to show.
    """
    if limit is None:
        return [*read(None)]
    rows = [*read(limit + 1)]
    if len(rows) > limit:
        emit_error(f"these are the first {limit}; --limit shows more")
    return rows[:limit]
