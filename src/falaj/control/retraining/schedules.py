"""Trainings that the project file asks for by the clock.

What the newest release of a model was built with says when it wants to be trained again. A tick is an occasion, so a
tick is never trained twice. After a time in which nobody looked, the last tick alone is made up for: an older one would
train the same model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

from sqlalchemy.orm import Session

from falaj.config.cron import Cron
from falaj.control.retraining.admission import request_training
from falaj.control.retraining.model_settings import RetrainSettings, all_retrain_settings
from falaj.control.runs import queue
from falaj.storage import RunRow
from falaj.storage.durable import ProcessTable


def start_due(session: Session, table: ProcessTable, now: float) -> list[RunRow]:
    """Ask for a training by every schedule that has become due since its release was made.

    Args:
        session: The caller's transaction.
        table: The process table.
        now: Unix seconds.

    Returns:
        The new runs.
    """
    started = []
    for settings, cause in _due(session, now):
        outcome = request_training(session, table, settings.release.model, cause, now)
        if outcome.run and outcome.state == "started":
            run = queue.find(session, outcome.run)
            started += [run] if run.created_at == now else []
    return started


def _due(session: Session, now: float) -> Iterator[tuple[RetrainSettings, Mapping[str, Any]]]:
    for settings in all_retrain_settings(session):
        for entry in settings.all:
            if entry["on"] != "schedule":
                continue
            due = Cron.parse(entry["cron"], entry.get("timezone") or "UTC").before(now)
            if due > settings.release.created_at:
                reason = f"the schedule {entry['cron']} was due"
                yield (
                    settings,
                    {"kind": "schedule", "occasion": _occasion(entry, due), "at": due, "reason": reason},
                )


def _occasion(entry: Mapping[str, Any], due: float) -> str:
    """A name for one tick, short however long the line is."""
    schedule = f"{entry['cron']}\n{entry.get('timezone')}"
    return f"schedule/{sha256(schedule.encode()).hexdigest()[:32]}/{due:.0f}"
