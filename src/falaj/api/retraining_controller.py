"""The controller's turn for trainings: ticks, labels, data sources, releases upstream, and what waits."""

from __future__ import annotations

from falaj.api.platform import Platform
from falaj.build.pipeline.sources import fingerprint
from falaj.control import retraining
from falaj.control.retraining import events, history, labels, scheduled_scoring
from falaj.control.runs.connections import PlatformConnections

EVERY_S = 5.0


class TrainingWatch:
    """Asks for trainings, and decides again about those that wait.

    Args:
        platform: The installation.
    """

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._next = 0.0
        self._last_look: dict[str, float] = {}

    def turn(self, now: float) -> None:
        """Look at everything that may start a training, at most every few seconds.

        Args:
            now: Unix seconds.
        """
        if now < self._next:
            return
        self._next = now + EVERY_S
        database, processes = self._platform.database, self._platform.processes
        self._go_on(now)
        with database.transaction() as session:
            retraining.start_due(session, processes, now)
            labels.ask_for_labels(session, processes, now)
            labels.ask_for_growth(session, processes, now)
            events.ask_for_upstream(session, processes, now)
            scheduled_scoring.start_due(session, processes, now)
        self._look_at_sources(now)
        self._look_at_inputs(now)

    def _go_on(self, now: float) -> None:
        with self._platform.database.reading() as session:
            models = history.models_to_advance(session, now)
        for model in models:
            with self._platform.database.transaction() as session:
                retraining.advance(session, self._platform.processes, model, now)

    def _look_at_sources(self, now: float) -> None:
        with self._platform.database.reading() as session:
            due = events.due_looks(session, now)
        for look in due:
            observation = events.look_at(look, self._state_of)
            with self._platform.database.transaction() as session:
                events.note_seen(session, self._platform.processes, observation, now)

    def _state_of(self, look: events.RetrainingTick) -> str | None:
        connections = PlatformConnections(self._platform.database, self._platform.vault, look.project)
        return fingerprint(look.spec, connections.open)

    def _look_at_inputs(self, now: float) -> None:
        """Score the sources that have something new; a restart looks at each once more, which starts nothing twice."""
        with self._platform.database.reading() as session:
            watched_inputs = scheduled_scoring.watched(session)
        for each in watched_inputs:
            if now - self._last_look.get(each.key, 0.0) < each.poll_s:
                continue
            self._last_look[each.key] = now
            look = events.RetrainingTick(
                each.settings.release.model, each.settings.project, each.entry["input"], each.entry["url"], each.entry
            )
            state = events.look_at(look, self._state_of).state
            if state is not None:
                with self._platform.database.transaction() as session:
                    scheduled_scoring.start_for(session, self._platform.processes, each, state, now)
