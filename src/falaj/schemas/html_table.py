"""Documents as tables that notebooks show (pure); every text is escaped. Imports nothing, so that documents may."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"}
_LEFT = ' style="text-align:left"'


def escaped(value: object) -> str:
    """A value as people read it, which can start no markup."""
    text = "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
    return "".join(_ESCAPES.get(character, character) for character in text)


def html_table(headings: Sequence[str], rows: Iterable[Sequence[object]], caption: str = "") -> str:
    """A table.

    Args:
        headings: One a column.
        rows: The cells.
        caption: Stands above it; empty for none.
    """
    title = f"<caption{_LEFT}>{escaped(caption)}</caption>" if caption else ""
    head = "".join(f"<th{_LEFT}>{escaped(name)}</th>" for name in headings)
    lines = ("".join(f"<td{_LEFT}>{escaped(cell)}</td>" for cell in row) for row in rows)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
