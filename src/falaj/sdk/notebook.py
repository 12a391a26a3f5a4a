"""What the SDK answers, as notebooks show it: lists as tables, two runs side by side."""

from __future__ import annotations

import time
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, TypeVar

from falaj.schemas.api import Run
from falaj.schemas.html_table import html_table
from falaj.schemas.run_comparison import ComparedFact, compare_runs, shown

T = TypeVar("T")


class Listing(list[T]):
    """A list of documents that a notebook shows as a table, a row each."""

    def _repr_html_(self) -> str:
        first = next(iter(self), None)
        if first is None or not is_dataclass(first):
            return "<p>none</p>"
        names = [each.name for each in fields(first) if not _is_nested(getattr(first, each.name))]
        return html_table(names, ([_cell(name, getattr(row, name)) for name in names] for row in self))


@dataclass(frozen=True)
class RunComparison:
    """Two runs side by side.

    Attributes:
        first: One run.
        second: The other.
        facts: Every parameter, digest of data, report and gate of both.
    """

    first: Run
    second: Run
    facts: tuple[ComparedFact, ...]

    @classmethod
    def of(cls, first: Run, second: Run) -> RunComparison:
        """Compare two runs."""
        return cls(first, second, tuple(compare_runs(first, second)))

    @property
    def differing(self) -> tuple[ComparedFact, ...]:
        """The facts that are not the same."""
        return tuple(fact for fact in self.facts if not fact.same)

    def _repr_html_(self) -> str:
        rows = [
            (
                fact.name,
                shown(fact.first),
                shown(fact.second),
                "" if fact.change in (None, 0) else f"{fact.change:+.6g}",
            )
            for fact in self.differing
        ]
        return html_table(("", self.first.id, self.second.id, "change"), rows, "What differs")


def _is_nested(value: Any) -> bool:
    return isinstance(value, (dict, list))


def _cell(name: str, value: Any) -> Any:
    if name.endswith("_at") and isinstance(value, float):
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(value))
    return shown(value) if isinstance(value, str) else value
