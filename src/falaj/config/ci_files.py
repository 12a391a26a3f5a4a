"""Files by which CI systems check a project and start its runs."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from falaj.config.create import FolderInUseError
from falaj.core.errors import UsageError

PATHS = {
    "github": Path(".github/workflows/falaj.yaml"),
    "gitlab": Path(".gitlab-ci.yml"),
    "jenkins": Path("Jenkinsfile"),
}
"""Where each system reads its file."""
_TEMPLATES = {"github": "github.yaml", "gitlab": "gitlab.yaml", "jenkins": "jenkins.groovy"}


def write_ci_file(folder: Path, system: str, project: str) -> Path:
    """Write the file of a CI system; one that exists is not touched.

    Args:
        folder: Top of the repository.
        system: One of `PATHS`.
        project: Name of the project on the platform.

    Returns:
        The file that was written.

    Raises:
        UsageError: There is no such system.
        FolderInUseError: The file exists.
    """
    if system not in PATHS:
        raise UsageError(f"no file for {system!r}", hint=f"one of {', '.join(PATHS)}", code="project.ci-system")
    path = folder / PATHS[system]
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(ci_text(system, project))
    except FileExistsError:
        hint = f"`falaj project ci init {system} --print` prints what to take over"
        raise FolderInUseError(f"{path} exists already", where=str(folder), hint=hint) from None
    return path


def ci_text(system: str, project: str) -> str:
    """What the file of a CI system says.

    Args:
        system: One of `PATHS`.
        project: Name of the project on the platform.
    """
    template = files("falaj.config") / "templates" / "ci" / f"{_TEMPLATES[system]}.template"
    return template.read_text(encoding="utf-8").replace("{{project}}", project)
