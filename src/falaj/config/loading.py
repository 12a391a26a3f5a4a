"""Loads falaj.yaml: the checked way, and the fast way when nothing has changed since it was checked."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from falaj import __version__
from falaj.config.code import ProjectSources
from falaj.config.errors import ProjectError
from falaj.config.files import read, shown
from falaj.config.spec import SPEC_VERSION, ProjectSpec

if TYPE_CHECKING:
    from falaj.config.schema import Project

FILE_NAME = "falaj.yaml"


def load_project(path: Path) -> Project:
    """Read and check a project.

    Args:
        path: The project's folder, or its falaj.yaml.

    Raises:
        ProjectError: With every mistake that was found.
    """
    file = _file(path)
    return _checked(file, _read(file))[0]


def load_spec(path: Path) -> ProjectSpec:
    """The same as `load_project`, as the plain dataclasses and with the file's digest."""
    file = _file(path)
    data = _read(file)
    return _checked(file, data)[0].to_spec(hashlib.sha256(data).hexdigest())


def load_project_cached(path: Path, cache_dir: Path) -> ProjectSpec:
    """The specification of a project; neither pydantic nor yaml is imported when it was checked before.

    An entry counts as long as the bytes of falaj.yaml and of every module that its steps name are the same.

    Args:
        path: The project's folder, or its falaj.yaml.
        cache_dir: Folder of the entries; made when missing. One that cannot be written is not used.

    Raises:
        ProjectError: With every mistake that was found.
    """
    file = _file(path)
    data = _read(file)
    sha256 = hashlib.sha256(data).hexdigest()
    entry = cache_dir / f"{sha256}-{__version__}-{SPEC_VERSION}.json"
    cached = _cached(entry, file.parent)
    if cached is not None:
        return cached
    project, checkout = _checked(file, data)
    spec = project.to_spec(sha256)
    _remember(entry, {"code": checkout.read, "spec": spec.to_json()})
    return spec


def _file(path: Path) -> Path:
    return path / FILE_NAME if path.is_dir() else path


def _read(file: Path) -> bytes:
    return read(file, "a project file; `falaj init` makes one")


def _checked(file: Path, data: bytes) -> tuple[Project, ProjectSources]:
    """The project and what was read of its code."""
    from pydantic import ValidationError

    from falaj.config.cross_references import reference_issues
    from falaj.config.schema import Project, json_schema
    from falaj.config.schema_issues import issues_of
    from falaj.config.yaml_reader import read_document

    document = read_document(data, shown(file))
    try:
        project = Project.model_validate(document.value)
    except ValidationError as error:
        raise ProjectError(issues_of(error, document, json_schema())) from None
    checkout = ProjectSources(file.parent)
    issues = reference_issues(project.to_spec(), document, checkout)
    if issues:
        raise ProjectError(issues)
    return project, checkout


def _cached(entry: Path, root: Path) -> ProjectSpec | None:
    """The specification of an entry that is whole and still true."""
    try:
        value = json.loads(entry.read_bytes())
        code, spec = value["code"], ProjectSpec.from_json(value["spec"])
        same = all(hashlib.sha256((root / path).read_bytes()).hexdigest() == was for path, was in code.items())
        queries = (source.query for source in spec.data.values() if source.query)
        files = (root / file for part in (queries, *(step.files for step in spec.steps.values())) for file in part)
        return spec if same and all(any(c in str(file) for c in "*?[") or file.exists() for file in files) else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _remember(entry: Path, value: dict[str, Any]) -> None:
    """Write an entry at once or not at all; a cache that cannot be written costs time only."""
    temporary = entry.with_name(f"{entry.name}.{os.getpid()}.tmp")
    with contextlib.suppress(OSError):
        entry.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(value))
        temporary.replace(entry)
