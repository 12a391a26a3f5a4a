"""Events as a reason for a training: new data in a source, a new release upstream, what other systems tell.

Sources are looked at outside of any transaction: a bucket may take seconds to answer, and nothing waits for it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from falaj.config.spec import SourceSpec
from falaj.control.retraining.admission import Requested, lock, request_training
from falaj.control.retraining.model_settings import RetrainSettings, all_retrain_settings, retrain_settings_of
from falaj.control.retraining.training_history import TriggerKind
from falaj.storage import ReleaseRow
from falaj.storage.durable import ProcessTable
from falaj.storage.retraining_tables import RetrainingRow

POLL_S = 300.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RetrainingTick:
    """A source that is due to be looked at.

    Attributes:
        model: Whose project names it.
        project: The project.
        source: Its name there.
        url: Where it is.
        watch: What else a look at it takes: `classification`, `origin` and `watch` of the project file.
    """

    model: str
    project: str
    source: str
    url: str
    watch: Mapping[str, str] = field(default_factory=dict)

    @property
    def spec(self) -> SourceSpec:
        """The source as readers of sources know it."""
        labels = (self.watch.get("classification", ""), self.watch.get("origin", ""))
        return SourceSpec(self.source, self.url, *labels, watch=self.watch.get("watch", ""))


@dataclass(frozen=True)
class Observation:
    """What a look found.

    Attributes:
        look: The source.
        state: A digest that changes with its content; None when the source cannot be looked at cheaply.
        problem: Why it could not be looked at; empty when it could.
    """

    look: RetrainingTick
    state: str | None
    problem: str = ""


def due_looks(session: Session, now: float) -> list[RetrainingTick]:
    """The sources that have not been looked at for as long as the project file says."""
    return [look for settings in all_retrain_settings(session) for look in _due(session, settings, now)]


def _due(session: Session, settings: RetrainSettings, now: float) -> Iterator[RetrainingTick]:
    release_row = settings.release
    memory = session.get(RetrainingRow, release_row.model)
    source_states = (memory.observations if memory else {}).get("sources", {})
    for entry in settings.all:
        name = str(entry.get("source", ""))
        url = release_row.data.get("sources", {}).get(name)
        if (
            entry["on"] == "event"
            and url
            and now - source_states.get(name, {}).get("at", 0.0) >= entry.get("poll_s", POLL_S)
        ):
            watch = release_row.data.get("watches", {}).get(name, {})
            yield RetrainingTick(release_row.model, settings.project, name, url, watch)


def look_at(look: RetrainingTick, state_of: Callable[[RetrainingTick], str | None]) -> Observation:
    """Look at a source; whatever its client raises is said and does not stop others from being looked at.

    Args:
        look: The source.
        state_of: Gives the state of a source.
    """
    try:
        return Observation(look, state_of(look))
    except Exception as error:  # clients of stores have no common base
        problem = (str(error).splitlines() or [type(error).__name__])[0][:300]
        logger.warning("looking at %s of %s: %s", look.source, look.project, problem)
        return Observation(look, None, problem)


def note_seen(session: Session, processes: ProcessTable, observation: Observation, now: float) -> Requested | None:
    """Remember what a look found, and ask for a training where it differs from the look before.

    The first look is the measure for the next: the newest release has been trained on what is there.
    """
    look = observation.look
    memory = lock(session, look.model, look.project, now)
    sources = dict(memory.observations.get("sources", {}))
    before = sources.get(look.source, {}).get("state")
    source_state = {"at": now, "state": observation.state or before, "problem": observation.problem, "url": look.url}
    memory.observations = {**memory.observations, "sources": {**sources, look.source: source_state}}
    moved = sources.get(look.source, {}).get("url", look.url) != look.url
    if not observation.state or not before or moved or observation.state == before:
        return None
    cause = {
        "kind": "event", "source": look.source, "occasion": f"snapshot/{look.source}/{observation.state[:32]}",
        "reason": f"the data source {look.source} has something new",
    }  # fmt: skip
    return request_training(session, processes, look.model, cause, now)


def ask_for_upstream(session: Session, processes: ProcessTable, now: float) -> list[Requested]:
    """Ask for a training of each model whose upstream model has a newer release than it has itself."""
    outcomes = []
    for settings in all_retrain_settings(session):
        for entry in settings.all:
            above = retrain_settings_of(session, entry["upstream"]) if entry.get("upstream") else None
            if above is None or above.release.created_at <= settings.release.created_at:
                continue
            name = f"{above.release.model}@{above.release.number}"
            cause = {
                "kind": "event", "upstream": above.release.model, "occasion": f"upstream/{name}",
                "at": above.release.created_at, "reason": f"{name} was released, whose answers the model learns from",
            }  # fmt: skip
            outcomes.append(request_training(session, processes, settings.release.model, cause, now))
    return outcomes


def announce_event(
    session: Session, processes: ProcessTable, project: str, announcement: Mapping[str, Any], now: float
) -> list[Requested]:
    """Ask for trainings by what another system tells: a source of a project that has something new.

    Args:
        session: The caller's transaction.
        processes: The process table.
        project: Of which project.
        announcement: `source`, or `url` of an object that lies in one; `id`, a name that no other event has; `reason`.
        now: Unix seconds.

    Returns:
        One answer for each model of the project that asks for trainings by this event.
    """
    outcomes = []
    for settings in all_retrain_settings(session):
        if settings.project != project:
            continue
        source = announcement.get("source") or _source_of(settings.release, str(announcement.get("url", "")))
        if not source or settings.of(TriggerKind.EVENT, {"source": source}) is None:
            continue
        reason = announcement.get("reason") or f"something new was announced for the data source {source}"
        occasion = f"event/{source}/{announcement['id']}"
        cause = {"kind": "event", "source": source, "occasion": occasion, "reason": reason}
        outcomes.append(request_training(session, processes, settings.release.model, cause, now))
    return outcomes


def _source_of(release: ReleaseRow, url: str) -> str | None:
    """The source below whose URL an object lies."""
    for name, prefix in release.data.get("sources", {}).items():
        base = prefix.partition("?")[0].rstrip("/")
        if url == base or url.startswith(f"{base}/"):
            return str(name)
    return None
