"""A run of this checkout, shown while it goes on. What it needs takes longer to import than the help of `falaj run`."""

from __future__ import annotations

from pathlib import Path

from falaj.cli.output import emit_json
from falaj.cli.progress import Progress
from falaj.control.runs.local import run_checkout
from falaj.core.home import Home


def run_here(folder: Path, overrides: dict[str, dict[str, object]], *, json: bool, quiet: bool) -> bool:
    """Run the project of a folder and print the result; whether it succeeded."""
    progress = Progress(quiet=quiet or json)
    outcome = run_checkout(folder, Home.from_environment(), overrides, progress.show)
    if json:
        emit_json(outcome.to_json())
    else:
        progress.finish(outcome.state, outcome.reason)
    return outcome.ok
