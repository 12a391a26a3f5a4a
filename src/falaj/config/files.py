"""The files that users write: reading one, and naming it in messages."""

from __future__ import annotations

import contextlib
from pathlib import Path

from falaj.config.errors import Issue, ProjectError


def shown(file: Path) -> str:
    """The file's name for messages: relative to the working folder when it is inside it."""
    with contextlib.suppress(ValueError, OSError):
        return str(file.resolve().relative_to(Path.cwd()))
    return file.name


def read(file: Path, expected: str, refused: type[ProjectError] = ProjectError) -> bytes:
    """The bytes of a file.

    Args:
        file: Which.
        expected: What it should have been, for the message.
        refused: The error to raise.

    Raises:
        ProjectError: Of the type `refused`: the file cannot be read; says why.
    """
    try:
        return file.read_bytes()
    except OSError as error:
        reason = "there is no such file" if isinstance(error, FileNotFoundError) else str(error.strerror)
        message = f"{file} cannot be read: {reason}"
        raise refused([Issue(shown(file), 1, 1, "", message, expected)]) from None
