"""A run that scores: a source is pinned, and `falaj score` answers it on this machine as the installation."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from falaj.build.pipeline.connections import ConnectionOpener, no_connections
from falaj.build.pipeline.events import Emit, RunEvent
from falaj.build.pipeline.sources import SourceSnapshot, resolve
from falaj.config.spec import SourceSpec
from falaj.control.runs.contract import RunResult, RunSpec
from falaj.control.runs.lifecycle import RunState
from falaj.core.home import Home
from falaj.core.venv.environment import build
from falaj.supply_chain.artifacts import ArtifactStore

TRIGGER = "scoring"
PARAMETERS = "scoring"
"""Under which the parameters of such a run are kept."""
NODE = "score"
_LOOK_S = 0.2


def score_source(
    order: RunSpec,
    home: Home,
    store: ArtifactStore,
    emit: Emit,
    cancelled: Callable[[], bool],
    connect: ConnectionOpener = no_connections,
) -> RunResult:
    """Score a source; a worker that was restarted goes on with what is there.

    Args:
        order: With the entry of `scoring` among its parameters.
        home: The installation.
        store: Where the snapshot is pinned.
        emit: Receives events.
        cancelled: Whether the run must end.
        connect: Gives the connection that the source names, once it is permitted.

    Raises:
        SourceError: The source cannot be read.
    """
    entry = order.params[PARAMETERS]
    output = Path(unquote(urlsplit(entry["output"]).path)) / entry["file"]
    if output.exists():
        return RunResult(RunState.SUCCEEDED, f"{output} is there from before")
    emit(RunEvent("step.started", time.time(), NODE))
    source = _fetched(order, home, store, entry, connect)
    output.parent.mkdir(parents=True, exist_ok=True)
    code, written, complaint = _run(score_command(entry, source, output), home, cancelled)
    if code is None:
        return RunResult(RunState.CANCELLED, "cancelled")
    emit(RunEvent("step.log", time.time(), NODE, {"lines": (written + complaint).splitlines()}))
    if code:
        reason = complaint.strip().splitlines()[:2] or [f"it ended with {code}"]
        emit(RunEvent("step.failed", time.time(), NODE, {"code": "scoring.failed", "message": " ".join(reason)}))
        return RunResult(RunState.FAILED, " ".join(each.strip() for each in reason))
    summary = json.loads(written)
    emit(RunEvent("step.finished", time.time(), NODE, {"rows": summary["rows"], "output": summary["digest"]}))
    return RunResult(RunState.SUCCEEDED, f"{summary['rows']} rows by {summary['release']}: {output}")


def score_command(entry: Mapping[str, Any], source: Path, output: Path) -> list[str]:
    """What answers a source."""
    option_values = {
        name: entry.get(name) for name in ("environment", "location", "classification", "origin", "sector")
    }
    options = [text for name, value in option_values.items() if value for text in (f"--{name}", str(value))]
    keep_options = [text for name in entry.get("keep", ()) for text in ("--keep", name)]
    return ["score", entry["model"], str(source), "--output", str(output), *options, *keep_options, "--json"]


def _fetched(
    order: RunSpec, home: Home, store: ArtifactStore, entry: Mapping[str, Any], connect: ConnectionOpener
) -> Path:
    """The source as one file in the folder of the run."""
    folder = home.run_dir(order.run_id) / "input"
    folder.mkdir(parents=True, exist_ok=True)
    spec = SourceSpec(entry["input"], entry["url"], entry["classification"], entry["origin"])
    snapshot: SourceSnapshot = resolve(spec, build(folder, home), folder, store, connect)
    target = folder / snapshot.filename
    if not target.exists():
        store.fetch(snapshot.digest, target)
    return target


def _run(arguments: Sequence[str], home: Home, cancelled: Callable[[], bool]) -> tuple[int | None, str, str]:
    """Run a command of Falaj as the installation, whoever is logged in; None when it had to end."""
    environ = {name: value for name, value in os.environ.items() if name != "FALAJ_ACCOUNT"}
    environ |= {"FALAJ_HOME": str(home.root), "FALAJ_TOKEN": home.token}
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "falaj.cli.main", *arguments], env=environ, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    while True:
        try:
            written, complaint = process.communicate(timeout=_LOOK_S)
        except subprocess.TimeoutExpired:
            if cancelled():
                process.kill()  # what is done stays beside the output
                process.communicate()
                return None, "", ""
        else:
            return process.returncode, written, complaint
