"""Makes a working project from a template: data, code, tests and a project file."""

from __future__ import annotations

import keyword
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from falaj.config.loading import FILE_NAME
from falaj.core.errors import ConflictError, UsageError

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_SUFFIX = ".template"
_LIBRARIES = frozenset(
    {"alembic", "mlflow", "numpy", "pandas", "polars", "pyarrow", "pytest", "scipy", "sklearn", "tests"}
)


class InvalidNameError(UsageError):
    """A model cannot have this name."""

    code = "project.name"


class FolderInUseError(ConflictError):
    """A file of the template exists already."""

    code = "project.folder-in-use"


TEMPLATES = ("binary", "multiclass", "regression", "text", "forecasting", "blank")
"""What a new project can begin as; `blank` also goes into a repository that there is already."""


def create_project(folder: Path, name: str = "", template: str = "binary") -> list[Path]:
    """Write a new project; nothing that exists is overwritten.

    Args:
        folder: Made when missing; may hold other files, such as `.git`.
        name: Name of the model; spaces and underscores become hyphens. By default that in the folder's pyproject.toml,
            or of the folder.
        template: One of `TEMPLATES`.

    Returns:
        The files that were written.

    Raises:
        InvalidNameError: The name has no usable form.
        UsageError: There is no such template.
        FolderInUseError: A file of the template exists already; nothing was written. Of a blank one only falaj.yaml may
            not: what else a repository has stays as it is.
    """
    if template not in TEMPLATES:
        hint = f"one of {', '.join(TEMPLATES)}"
        raise UsageError(f"there is no template {template!r}", hint=hint, code="project.template")
    model = _model_name(name or _own_name(folder))
    package = _package_name(model)
    content = {
        folder / path.replace("src/package/", f"src/{package}/"): text.replace("{{name}}", model).replace(
            "{{package}}", package
        )
        for path, text in _template(template)
    }
    for path in content:
        if path.exists() and (template != "blank" or path.name == FILE_NAME):
            raise FolderInUseError(
                f"{path} exists already", where=str(folder), hint="choose an empty folder, or `--template blank`"
            )
    written = [path for path in content if not path.exists()]
    for path in written:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content[path], encoding="utf-8")
    return written


def _own_name(folder: Path) -> str:
    """What a folder calls itself."""
    try:
        return str(tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]["name"])
    except (OSError, ValueError, KeyError, TypeError):
        return folder.resolve().name


def _model_name(name: str) -> str:
    model = re.sub(r"[\s_.]+", "-", name.strip().lower())
    if not _NAME.fullmatch(model) or len(model) > 63:
        hint = "--name with lower-case words joined by hyphens, such as flight-delay"
        raise InvalidNameError(f"{name!r} cannot be the name of a model", hint=hint)
    return model


def _package_name(model: str) -> str:
    """A module of that name that is none of Python's own, nor one of the libraries that the project needs."""
    name = model.replace("-", "_")
    is_reserved = keyword.iskeyword(name) or name in sys.stdlib_module_names or name in _LIBRARIES
    return f"{name}_model" if is_reserved else name


def _template(name: str) -> Iterator[tuple[str, str]]:
    """Path and text of the files that all templates share, and of a template's own."""
    for folder in ("shared", name):
        yield from _texts(files("falaj.config") / "templates" / folder, "")


def _texts(folder: Traversable, prefix: str) -> Iterator[tuple[str, str]]:
    for entry in sorted(folder.iterdir(), key=lambda each: each.name):
        if entry.is_dir():
            yield from _texts(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(_SUFFIX):
            yield prefix + entry.name.removesuffix(_SUFFIX), entry.read_text(encoding="utf-8")
