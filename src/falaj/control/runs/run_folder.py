"""What a run leaves in its folder: logs of steps and what became of it. All else is data in the clear, and goes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from falaj.build.pipeline.node_files import LOGS

RECORD = "run.json"


def clear(run_dir: Path) -> None:
    """Remove all that a run worked with, but its logs and its record."""
    for path in run_dir.iterdir() if run_dir.is_dir() else ():
        if path.name in (LOGS, RECORD):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def sweep(runs: Path, is_open: Callable[[str], bool]) -> None:
    """Clear the folders of runs that ended while nobody was there to do it.

    Args:
        runs: The folders of runs, by their ids.
        is_open: Whether a run may still be worked on, here or by another worker.
    """
    for run_dir in runs.iterdir() if runs.is_dir() else ():
        if not is_open(run_dir.name):
            clear(run_dir)
