"""What stays of a run without a server: the run as the server would tell it, in a file of its folder."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from falaj.build.pipeline.events import RunEvent
from falaj.control.runs.contract import RunResult, RunSpec
from falaj.core.home import Home

_STATES = {"step.queued": "queued", "step.cached": "cached", "step.finished": "succeeded", "step.failed": "failed"}
_ENDING = ("step.cached", "step.finished", "step.failed", "check.finished", "gate.finished")


class LocalRecord:
    """Collects what happens in a run.

    Args:
        home: Where it is kept.
        order: The run.
    """

    def __init__(self, home: Home, order: RunSpec) -> None:
        self._home, self._order = home, order
        self._started_at = time.time()
        self._steps: dict[str, dict[str, Any]] = {}

    def take(self, event: RunEvent) -> None:
        """Remember an event; what steps print is in their logs."""
        if not event.node or event.kind == "step.log":
            return
        kind = event.kind.partition(".")[0]
        row = self._steps.setdefault(
            event.node,
            {"kind": kind, "node": event.node, "state": "queued", "started_at": None, "ended_at": None, "detail": {}},
        )
        row["state"] = _state(event)
        row["detail"] = {**row["detail"], **event.data}
        if event.kind.endswith(".started"):
            row["started_at"] = event.at
        if event.kind in _ENDING:
            row["started_at"] = row["started_at"] or event.data.get("started_at") or event.at
            row["ended_at"] = event.at

    def close(self, outcome: RunResult) -> None:
        """Keep the run."""
        run = {
            "id": self._order.run_id, "project": self._order.repository, "model": outcome.model or None,
            "commit": self._order.commit, "ref": None, "trigger": "local", "params": dict(self._order.params),
            "state": outcome.state, "reason": outcome.reason, "release": None, "mlflow_run": None,
            "created_at": self._started_at, "started_at": self._started_at, "ended_at": time.time(),
            "steps": list(self._steps.values()),
        }  # fmt: skip
        file = self._home.run_record(self._order.run_id)
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_suffix(".new")
        temporary.write_bytes(msgspec.json.encode(run))
        temporary.replace(file)


def _state(event: RunEvent) -> str:
    if event.kind in ("check.finished", "gate.finished"):
        return event.verdict
    return _STATES.get(event.kind, "running")
