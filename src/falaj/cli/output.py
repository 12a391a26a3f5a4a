"""How answers look: JSON for programs, tables for people."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any

_MARKS = {
    "succeeded": "green", "passed": "green", "cached": "cyan", "ready": "green", "live": "green", "ok": "green",
    "running": "yellow", "starting": "yellow", "pending": "yellow", "queued": "dim", "failed": "red",
    "rejected": "red", "cancelled": "magenta", "cancelling": "magenta",
}  # fmt: skip


def emit_json(value: Any) -> None:
    """Print a document, or a list of them, as JSON."""
    emit(json.dumps(_plain(value), indent=2, sort_keys=True))


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


def emit_table(headings: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """Print rows under headings, or the sentence `empty` when there are none.

    Columns are padded here rather than by a table library, which would take longer to import than the answer takes.
    """
    lines = [[str(cell) for cell in row] for row in rows]
    if not lines:
        emit(empty)
        return
    widths = [max(len(line[column]) for line in [list(headings), *lines]) for column in range(len(headings))]
    emit(styled("  ".join(name.upper().ljust(width) for name, width in zip(headings, widths, strict=True)), "bold"))
    for line in lines:
        cells = (styled(cell.ljust(width), _MARKS.get(cell, "")) for cell, width in zip(line, widths, strict=True))
        emit("  ".join(cells).rstrip())


def emit(line: str = "", *, end: str = "\n") -> None:
    """Print one line, or with another end a piece of one."""
    try:
        print(line, file=sys.stdout, flush=True, end=end)  # noqa: T201
    except BrokenPipeError:  # a reader such as `head` has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def emit_error(line: str) -> None:
    """Print one line on the error stream."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201


_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "magenta": "35", "cyan": "36"}


def styled(text: str, style: str) -> str:
    """The text in a colour or weight when the output is a terminal that wants it, else unchanged.

    Source: https://no-color.org: `NO_COLOR` that is not empty asks for none.
    """
    if not style or not sys.stdout.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return f"\x1b[{_CODES[style]}m{text}\x1b[0m"


def state_styled(state: str) -> str:
    """A state in its colour."""
    return styled(state, _MARKS.get(state, ""))


def ago(at: float | None) -> str:
    """A time as people say it: `12 s ago`."""
    return "-" if at is None else f"{age(at)} ago"


def age(at: float | None) -> str:
    """How long ago a time is, in its largest unit: `12 s`."""
    if at is None:
        return "-"
    seconds = max(0.0, time.time() - at)
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def duration(started_at: float | None, ended_at: float | None) -> str:
    """How long something took, or has been taking."""
    if started_at is None:
        return "-"
    seconds = (ended_at or time.time()) - started_at
    return f"{seconds / 60:.1f} min" if seconds >= 90 else f"{seconds:.1f} s"


def clock(at: float | None) -> str:
    """A moment as date and time in UTC, to the second."""
    return "-" if at is None else time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at))


def shortened(text: str, limit: int = 100) -> str:
    """The first line of a text, cut where a table would become unreadable; the single view shows the whole."""
    first, _, rest = text.partition("\n")
    return first if len(first) <= limit and not rest else f"{first[: limit - 3].rstrip()}..."
