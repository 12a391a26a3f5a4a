"""Two runs side by side (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

from falaj.schemas.api import Run
from falaj.schemas.run_facts import facts_of

HEADINGS = {
    "param": "Parameters", "data": "Data", "metric": "Reports", "gate": "Gates", "": "Runs",
}  # fmt: skip


@dataclass(frozen=True)
class ComparedFact:
    """A fact of both runs.

    Attributes:
        kind: `param`, `data`, `metric`, `gate`, or empty for what a run itself says.
        name: As filters call it.
        first: Of the first run; None where it has none.
        second: Of the second run; None where it has none.
    """

    kind: str
    name: str
    first: Any
    second: Any

    @property
    def same(self) -> bool:
        """Whether both are equal."""
        return bool(self.first == self.second)

    @property
    def change(self) -> float | None:
        """How much more the second number is; None where one is no number."""
        numbers = [
            value
            for value in (self.first, self.second)
            if isinstance(value, int | float) and not isinstance(value, bool)
        ]
        return float(numbers[1] - numbers[0]) if len(numbers) == 2 else None


def compare_runs(first: Run, second: Run) -> list[ComparedFact]:
    """Every fact of two runs, by kind in the order of `HEADINGS`, then in the order of the first run."""
    before, after = facts_of(first), facts_of(second)
    order = ["", *(kind for kind in HEADINGS if kind)]
    names = [*dict.fromkeys((*before, *after))]
    compared_facts = [ComparedFact(_kind(name), name, before.get(name), after.get(name)) for name in names]
    return sorted(compared_facts, key=lambda fact: order.index(fact.kind))


def shown(value: Any) -> str:
    """A value as people read it."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.6g}"
    text = str(value)
    return text[:19] + "..." if text.startswith("sha256:") else text


def to_html(first: Run, second: Run, facts: list[ComparedFact], code: str) -> str:
    """One page with everything, that needs nothing else."""
    parts = []
    for kind, heading in HEADINGS.items():
        rows = "".join(_row(fact) for fact in facts if fact.kind == kind)
        if rows:
            parts.append(f"<h2>{heading}</h2><table><tr><th></th><th>{escape(first.id)}</th>"
                         f"<th>{escape(second.id)}</th><th>change</th></tr>{rows}</table>")  # fmt: skip
    if code:
        parts.append(f"<h2>Code</h2><pre>{escape(code)}</pre>")
    style = (
        "body{font:14px sans-serif;margin:2em}table{border-collapse:collapse}td,th{padding:.2em 1em;text-align:left}"
        "tr.differs td{background:#fff3cd}"
    )
    title = f"{escape(first.id)} and {escape(second.id)}"
    return f"<!doctype html><meta charset=utf-8><title>{title}</title><style>{style}</style>{''.join(parts)}\n"


def _row(fact: ComparedFact) -> str:
    mark = "" if fact.same else ' class="differs"'
    change = "" if fact.change in (None, 0) else f"{fact.change:+.6g}"
    cells = "".join(f"<td>{escape(text)}</td>" for text in (fact.name, shown(fact.first), shown(fact.second), change))
    return f"<tr{mark}>{cells}</tr>"


def _kind(name: str) -> str:
    kind, dot, _ = name.partition(".")
    return kind if dot and kind in HEADINGS else ""
