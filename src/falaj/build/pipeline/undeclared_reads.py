"""Which file of the project a step was kept from, found in what it said when it failed."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from pathlib import Path, PurePosixPath

from falaj.build.pipeline.errors import StepError
from falaj.build.pipeline.imports import files_below

_REFUSED = re.compile(r"permission ?denied|permissionerror", re.IGNORECASE)
TAIL_BYTES = 1 << 14
"""How much of the end of a log is looked at."""


def explained(error: StepError, log: str, worktree: Path, readable: Collection[str] | None) -> StepError:
    """The error of a step that was kept from a file of the project, with what to declare; any other as it is.

    Args:
        error: Of the step.
        log: The end of what it printed.
        worktree: The project's folder.
        readable: What it may read of it; None for all.
    """
    text = f"{error.message}\n{log}"
    if readable is None or not _REFUSED.search(text):
        return error
    path = undeclared(text, (each.relative_to(worktree).as_posix() for each in files_below(worktree)), readable)
    if path is None:
        return error
    return StepError(
        f"read `{path}`, which is not declared",
        where=error.where,
        hint=f"add `files: [{pattern_of(path)}]` to the step",
        code="step.not-declared",
    )


def undeclared(text: str, paths: Iterable[str], readable: Collection[str]) -> str | None:
    """The last file that a text names and that is not readable; None when it names none.

    Args:
        text: What a step said.
        paths: Files of the project, relative to its folder.
        readable: Those that the step may read.
    """
    places = {path: _place(text, path) for path in paths if path not in readable}
    named = {path: place for path, place in places.items() if place >= 0}
    return max(named, key=lambda path: (named[path], len(path)), default=None)


def pattern_of(path: str) -> str:
    """What to declare: the files of the same kind beside it."""
    place = PurePosixPath(path)
    return str(place.with_name(f"*{place.suffix}")) if place.suffix and len(place.parts) > 1 else path


def _place(text: str, path: str) -> int:
    """Where a text names a path last, as a whole; -1 when it does not."""
    matches = [*re.finditer(rf"(?<![\w.-]){re.escape(path)}(?![\w/-]|\.\w)", text)]
    return matches[-1].start() if matches else -1
