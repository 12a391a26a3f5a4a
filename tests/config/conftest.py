from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from falaj.config import Issue, ProjectError, create_project, load_project


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the template's project."""
    create_project(tmp_path / "project", "tumour-risk")
    return tmp_path / "project"


@pytest.fixture
def issues(project: Path) -> Callable[..., tuple[Issue, ...]]:
    """Replaces text in the project's falaj.yaml and gives the issues of the result."""

    def replaced(*changes: tuple[str, str]) -> tuple[Issue, ...]:
        file = project / "falaj.yaml"
        text = file.read_text()
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        file.write_text(text)
        with pytest.raises(ProjectError) as raised:
            load_project(project)
        return raised.value.issues

    return replaced
