"""What can go wrong with a project's environment."""

from __future__ import annotations

from falaj.core.errors import RunFailedError


class EnvironmentBuildError(RunFailedError):
    """The project's environment could not be built from its lockfile."""

    code = "environment.build-failed"
