"""The environment variables of a step's processes: few, and the same wherever the run happens."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from falaj.core.venv.environment import Environment

SAME_EVERYWHERE = {"TZ": "UTC", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "LANGUAGE": ""}
"""Time zone and language, on which results can depend, for everything that runs the project's code."""

_NOBODY = {"USER": "falaj", "LOGNAME": "falaj", "SHELL": "/bin/sh"}
"""Whoever runs the engine is nothing to a step; `HOME` is an empty folder of each attempt."""

TELEMETRY_OFF = {"MLFLOW_DISABLE_TELEMETRY": "true", "ORT_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "true"}
"""Variables with which the libraries of models tell nobody that they are used."""

_THREADS = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB", "RAYON")


def source_roots(worktree: Path) -> tuple[Path, ...]:
    """Folders of a project that imports are searched in."""
    return (worktree / "src", worktree) if (worktree / "src").is_dir() else (worktree,)


def step_environ(
    environment: Environment,
    worktree: Path,
    cpu: float,
    extra: Mapping[str, str],
    outer: Mapping[str, str] = os.environ,
) -> dict[str, str]:
    """The environment variables that steps have beside those of their scratch folder (`scratch_environ`).

    Time zone and language are always the same. Libraries are told to use as many threads as the step reserves.

    Args:
        environment: The project's python; its programs come first on the path.
        worktree: The project's folder.
        cpu: Cores that the step reserves.
        extra: Added last: the tracking run, for one.
        outer: Variables of the engine, for the path of programs.
    """
    threads = str(max(1, int(cpu)))
    programs = environment.python.parent
    return {
        **SAME_EVERYWHERE,
        **_NOBODY,
        **{f"{name}_NUM_THREADS": threads for name in _THREADS},
        "POLARS_MAX_THREADS": threads,
        "OMP_WAIT_POLICY": "PASSIVE",  # waiting threads that spin make a fit many times slower on shared cores
        "PATH": f"{programs}{os.pathsep}{outer.get('PATH', os.defpath)}",
        "VIRTUAL_ENV": str(programs.parent),
        "PYTHONPATH": os.pathsep.join(map(str, source_roots(worktree))),
        "PYTHONHASHSEED": "0",
        "PYTHONUNBUFFERED": "1",
        "PYTHONNOUSERSITE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",  # nothing but the scratch folder can be written
        **TELEMETRY_OFF,
        **extra,
    }
