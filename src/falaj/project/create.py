"""Makes a working project from the template: data, code, tests and a project file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from falaj.errors import ConflictError, UsageError

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_SUFFIX = ".template"


class InvalidNameError(UsageError):
    """A model cannot have this name."""

    code = "project.name"


class FolderInUseError(ConflictError):
    """A file of the template exists already."""

    code = "project.folder-in-use"


def create_project(folder: Path, name: str) -> list[Path]:
    """Write a new project; nothing that exists is overwritten.

    Args:
        folder: Made when missing; may hold other files, such as `.git`.
        name: Name of the model; spaces and underscores become hyphens.

    Returns:
        The files that were written.

    Raises:
        InvalidNameError: The name has no usable form.
        FolderInUseError: A file of the template exists already; nothing was written.
    """
    model = re.sub(r"[\s_]+", "-", name.strip().lower())
    if not _NAME.fullmatch(model) or len(model) > 63:
        hint = "use lower-case words joined by hyphens, such as flight-delay"
        raise InvalidNameError(f"{name!r} cannot be the name of a model", hint=hint)
    content = {folder / path: text.replace("{{name}}", model) for path, text in _template()}
    for path in content:
        if path.exists():
            raise FolderInUseError(f"{path} exists already", where=str(folder), hint="choose an empty folder")
    for path, text in content.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return list(content)


def _template() -> Iterator[tuple[str, str]]:
    """Path and text of the template's files."""
    yield from _texts(files("falaj.project") / "template", "")


def _texts(folder: Traversable, prefix: str) -> Iterator[tuple[str, str]]:
    for entry in sorted(folder.iterdir(), key=lambda each: each.name):
        if entry.is_dir():
            yield from _texts(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(_SUFFIX):
            yield prefix + entry.name.removesuffix(_SUFFIX), entry.read_text(encoding="utf-8")
