"""`falaj run`: the checkout that a person or a CI job stands in, without a server."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from falaj.build.pipeline.events import Emit, RunEvent
from falaj.build.pipeline.mlflow_files import Recorded
from falaj.config import load_project_cached
from falaj.control.notary import open_office
from falaj.control.runs import run_folder
from falaj.control.runs.connections import CheckoutConnections
from falaj.control.runs.contract import CandidateTracking, RunContext, RunResult, RunSpec, Untracked
from falaj.control.runs.execution import execute_run
from falaj.control.runs.local_record import LocalRecord
from falaj.control.runs.repository_parts import missing_here
from falaj.control.runs.tracking import Tracking, tracked_candidates
from falaj.core.errors import UsageError
from falaj.core.home import Home
from falaj.core.ids import new_id
from falaj.supply_chain.artifacts import open_home_store


def run_checkout(folder: Path, home: Home, params: Mapping[str, Mapping[str, Any]], emit: Emit) -> RunResult:
    """Run the files of a folder as they are, uncommitted changes included; the provenance says so.

    A tracking run is opened only when the project's environment has MLflow, since only then can steps write to it.

    Args:
        folder: The project.
        home: Where artifacts, environments and results are kept.
        params: Overrides by step.
        emit: Receives the events.

    Raises:
        UsageError: The folder is not a project (`run.no-project`).
        ProjectError: The project file is wrong; carries every mistake.
    """
    worktree = folder.resolve()
    if not (worktree / "falaj.yaml").is_file():
        raise UsageError(
            "there is no falaj.yaml here",
            where=str(worktree),
            hint="falaj init FOLDER makes a project",
            code="run.no-project",
        )
    home.prepare()
    load_project_cached(worktree, home.plan_cache)  # a wrong file is told whole, before anything is begun
    run_id = new_id(time.time())
    order = RunSpec(
        run_id,
        str(worktree),
        "",
        _commit(worktree),
        _git(worktree, "log", "-1", "--format=%an <%ae>"),
        params,
        "manual",
        missing=missing_here(worktree),
    )
    tracked = _Tracked(home, order)
    record = LocalRecord(home, order)

    def heard(event: RunEvent) -> None:
        record.take(event)
        emit(event)

    try:
        outcome = execute_run(order, worktree, _surroundings(home, heard, tracked))
    finally:
        run_folder.clear(home.run_dir(run_id))
    tracked.close(outcome)
    record.close(outcome)
    return replace(outcome, data={**outcome.data, "run": run_id})


class _Tracked:
    """The tracking run of a stand-alone run, if there is one."""

    def __init__(self, home: Home, order: RunSpec) -> None:
        self._home, self._order = home, order
        self._mlflow_run: str | None = None

    def open(self, project: str, python: Path) -> dict[str, str]:
        if not any(python.parent.parent.glob("lib/python3*/site-packages/mlflow")) or os.environ.get(
            "FALAJ_NO_TRACKING"
        ):
            return {}
        self._tracking = Tracking(self._home)
        self._mlflow_run = self._tracking.open_run(project, self._order.run_id, self._order.commit)
        return self._tracking.environment(self._mlflow_run)

    def record(self, recorded: Recorded) -> None:
        if self._mlflow_run:
            self._tracking.record(self._mlflow_run, recorded)

    def candidates(self, mlflow_run: str | None) -> CandidateTracking:
        return tracked_candidates(self._tracking, mlflow_run) if mlflow_run else Untracked()

    def close(self, outcome: RunResult) -> None:
        if self._mlflow_run:
            self._tracking.close_run(self._mlflow_run, outcome.state, outcome.metrics, outcome.params)


def _surroundings(home: Home, emit: Emit, tracked: _Tracked) -> RunContext:
    return RunContext(
        home=home,
        store=open_home_store(home),
        notary=open_office(home),
        emit=emit,
        cancelled=lambda: False,
        live=lambda _model: None,
        tracking=tracked.open,
        record=tracked.record,
        candidates=tracked.candidates,
        connect=CheckoutConnections(home).open,
        secrets=lambda names: {name: os.environ[name] for name in names if name in os.environ},
    )


def _commit(worktree: Path) -> str:
    """The commit of the checkout, with `-dirty` when files differ from it; `unversioned` outside git."""
    described = _git(worktree, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
    return described or "unversioned-dirty"


def _git(worktree: Path, *arguments: str) -> str:
    completed = subprocess.run(["git", "-C", str(worktree), *arguments], capture_output=True, text=True, check=False)
    return completed.stdout.strip() if completed.returncode == 0 else ""
