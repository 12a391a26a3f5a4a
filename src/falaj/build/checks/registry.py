"""The checks by name."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from falaj.build.checks.context import CheckContext
from falaj.build.checks.results import CheckResult, failed
from falaj.core.errors import FalajError, UsageError

_MODULES = {
    "static": "falaj.build.checks.static",
    "tests": "falaj.build.checks.project_tests",
    "secrets": "falaj.build.checks.secret_scan",
    "dependencies": "falaj.build.checks.dependencies",
    "model-files": "falaj.build.checks.model_files",
    "data": "falaj.build.checks.data",
    "model": "falaj.build.checks.model",
}

CHECK_NAMES = tuple(_MODULES)
"""Every check, in the order in which a run does them: cheap ones first."""


class UnknownCheckError(UsageError):
    """There is no check of that name."""

    code = "checks.unknown"


def run_check(name: str, context: CheckContext) -> CheckResult:
    """Do one check.

    A check that cannot be done (a tool is missing, an artifact is corrupt) has failed, with the reason as its summary.

    Args:
        name: One of `CHECK_NAMES`.
        context: What it may look at.

    Raises:
        UnknownCheckError: There is no such check.
    """
    if name not in _MODULES:
        raise UnknownCheckError(f"there is no check {name!r}", hint=f"known: {', '.join(CHECK_NAMES)}")
    check: Callable[[CheckContext], CheckResult] = import_module(_MODULES[name]).check
    context.workdir.mkdir(parents=True, exist_ok=True)
    try:
        return check(context)
    except FalajError as error:
        return failed(name, str(error))
