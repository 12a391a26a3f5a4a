"""The `falaj` command: what it starts with, and how errors end it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from falaj.cli.tree import overview, version_line
from falaj.core.errors import FalajError

if TYPE_CHECKING:
    from collections.abc import Callable

    from falaj.config.errors import ProjectError

_PAGES: dict[tuple[str, ...], Callable[[], str]] = {("--help",): overview, ("--version",): version_line}
"""Printed before the library of the commands is imported, which would take most of the time."""


def main() -> None:
    """Run the command line; a `FalajError` becomes three lines and its exit code."""
    os.umask(0o077)  # nothing of an installation is for others on the machine
    if page := _PAGES.get(tuple(sys.argv[1:])):
        from falaj.cli.output import emit

        emit(page())
        return
    from falaj.cli.application import application

    try:
        application()()
    except FalajError as error:
        _end(error)
    except KeyboardInterrupt:
        sys.exit(130)


def _end(error: FalajError) -> None:
    from falaj.cli.output import emit_error
    from falaj.config.errors import ProjectError

    if os.environ.get("FALAJ_DEBUG"):
        raise error
    lines = _issue_lines(error) if isinstance(error, ProjectError) else error.lines()
    for line in lines:
        emit_error(line)
    sys.exit(error.exit_code)


def _issue_lines(error: ProjectError) -> list[str]:
    """Every mistake as `file:line:column: ...`, which editors and terminals make into a link, then the count."""
    count = len(error.issues)
    return [*map(str, error.issues), f"error: the {error.file} has {count} mistake{'s' if count > 1 else ''}"]


if __name__ == "__main__":
    main()
