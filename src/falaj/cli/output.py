"""How answers look: JSON for programs, tables for people."""

from __future__ import annotations

import json
import os
import re
import shutil
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

_LEAST_WIDTH = 20
_COLOUR = re.compile(r"\x1b\[\d*m")


def emit_json(value: Any) -> None:
    """Print a document, or a list of them, as JSON."""
    emit(json.dumps(_plain(value), indent=2, sort_keys=True), wrap=False)


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


def emit_table(headings: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """Print rows under headings, or the sentence `empty` when there are none.

    Columns are padded here rather than by a table library, which would take longer to import than the answer takes. In
    a terminal that is too narrow for the columns each row is a paragraph, a line for each cell.
    """
    lines = [[str(cell) for cell in row] for row in rows]
    if not lines:
        emit(empty)
        return
    widths = [max(len(line[column]) for line in [list(headings), *lines]) for column in range(len(headings))]
    if (width := terminal_width()) is not None and sum(widths) + 2 * (len(widths) - 1) > width:
        _emit_paragraphs(headings, lines)
        return
    emit(styled("  ".join(name.upper().ljust(width) for name, width in zip(headings, widths, strict=True)), "bold"))
    for line in lines:
        cells = (styled(cell.ljust(width), _MARKS.get(cell, "")) for cell, width in zip(line, widths, strict=True))
        emit("  ".join(cells).rstrip())


def _emit_paragraphs(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    width = max(map(len, headings))
    for position, row in enumerate(rows):
        if position:
            emit()
        for name, cell in zip(headings, row, strict=True):
            if cell not in ("", "-"):
                text = styled(cell, _MARKS.get(cell, ""))
                emit(f"{styled(name.upper().ljust(width), 'bold')}  {text}", hang=width + 2)


def terminal_width() -> int | None:
    """Columns of the terminal; None where the output is none, since what reads it wants lines as they are."""
    return max(shutil.get_terminal_size().columns, _LEAST_WIDTH) if sys.stdout.isatty() else None


def wrapped(line: str, width: int | None, hang: int | None = None) -> str:
    """A line broken between words where it is longer than the terminal; what goes on stands below its beginning.

    Args:
        line: Without its end; codes of colours in it count as nothing.
        width: Of the terminal; None leaves the line as it is.
        hang: Columns before what goes on; by default two more than before the line itself.
    """
    if width is None or len(_COLOUR.sub("", line)) <= width:
        return line
    start = line[: len(line) - len(line.lstrip())]
    before = " " * min(len(start) + 2 if hang is None else hang, width // 2)
    broken, current = [], start
    for word in line[len(start) :].split(" "):
        if len(_COLOUR.sub("", f"{current} {word}")) > width and current.strip():
            broken.append(current.rstrip())
            current = before + word
        else:
            current = f"{current} {word}" if current.strip() else current + word
    return "\n".join([*broken, current])


def emit(line: str = "", *, end: str = "\n", wrap: bool = True, hang: int | None = None) -> None:
    """Print one line, or with another end a piece of one.

    Args:
        line: What to print.
        end: What follows it.
        wrap: Whether it is broken between words in a narrow terminal; what programs read is not.
        hang: Columns before what goes on after a break.
    """
    if wrap and end == "\n" and "\n" not in line:
        line = wrapped(line, terminal_width(), hang)
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
