"""Scorings that the project file asks for: by the clock, or because a source has something new.

Each is a run of the project with the trigger `scoring`, once an occasion: a tick, or a state of the source. The state
that is there when a release is made is an occasion, too; a newer release does not score it again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from sqlalchemy.orm import Session

from falaj.config.cron import Cron
from falaj.control.retraining.events import POLL_S
from falaj.control.retraining.model_settings import RetrainSettings, all_retrain_settings
from falaj.control.runs import queue
from falaj.control.runs.scoring_run import PARAMETERS, TRIGGER
from falaj.storage import ProjectRow, RunRow
from falaj.storage.durable import ProcessTable


@dataclass(frozen=True)
class WatchedInput:
    """An entry whose source is looked at.

    Attributes:
        settings: Of the model.
        entry: The entry of `scoring`.
    """

    settings: RetrainSettings
    entry: Mapping[str, Any]

    @property
    def key(self) -> str:
        """Which entry it is, whatever release tells of it."""
        return _key(self.settings, self.entry)

    @property
    def poll_s(self) -> float:
        """How often to look."""
        return float(self.entry.get("poll_s", POLL_S))


def start_due(session: Session, table: ProcessTable, now: float) -> list[RunRow]:
    """Queue the scorings whose tick has come since the release was made.

    Args:
        session: The caller's transaction.
        table: The process table.
        now: Unix seconds.

    Returns:
        The new runs.
    """
    return [
        run for settings, entry, due in _due(session, now) if (run := _start(session, table, settings, entry, due, now))
    ]


def watched(session: Session) -> list[WatchedInput]:
    """The entries that wait for new data."""
    return [
        WatchedInput(settings, entry)
        for settings in all_retrain_settings(session)
        for entry in settings.release.data.get("scoring", ())
        if entry["on"] == "event"
    ]


def start_for(
    session: Session, table: ProcessTable, watched_input: WatchedInput, state: str, now: float
) -> RunRow | None:
    """Queue the scoring of a state of a source; None where it was queued before."""
    return _start(session, table, watched_input.settings, watched_input.entry, state, now)


def _due(session: Session, now: float) -> Iterator[tuple[RetrainSettings, Mapping[str, Any], str]]:
    for settings in all_retrain_settings(session):
        for entry in settings.release.data.get("scoring", ()):
            if entry["on"] == "schedule":
                due = Cron.parse(entry["cron"], entry.get("timezone") or "UTC").before(now)
                if due > settings.release.created_at:
                    yield settings, entry, f"{due:.0f}"


def _start(
    session: Session,
    table: ProcessTable,
    settings: RetrainSettings,
    entry: Mapping[str, Any],
    occasion: str,
    now: float,
) -> RunRow | None:
    name = sha256(f"{_key(settings, entry)}\n{occasion}".encode()).hexdigest()[:32]
    moment = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    file = f"{entry['input']}-{moment}-{name[:8]}.parquet"
    parameters = {**entry, "model": settings.release.model, "file": file}
    project = session.get_one(ProjectRow, settings.project)
    commit = project.last_commit or settings.release.commit
    order = queue.RunOrder(project.name, commit, TRIGGER, params={PARAMETERS: parameters}, occasion=f"scoring/{name}")
    run, new = queue.enqueue(session, table, order, now)
    return run if new else None


def _key(settings: RetrainSettings, entry: Mapping[str, Any]) -> str:
    return "\n".join(
        [settings.release.model, *(str(entry[name]) for name in ("url", "output", "environment", "location"))]
    )
