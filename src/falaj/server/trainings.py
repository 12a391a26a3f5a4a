"""The controller's turn for trainings: ticks, labels, data sources, releases upstream, and what waits."""

from __future__ import annotations

from falaj import retraining
from falaj.pipeline.sources import fingerprint
from falaj.retraining import events, history, labels
from falaj.server.platform import Platform

EVERY_S = 5.0


class TrainingWatch:
    """Asks for trainings, and decides again about those that wait.

    Args:
        platform: The installation.
    """

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._next = 0.0

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
        self._look_at_sources(now)

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
            seen = events.look_at(look, fingerprint)
            with self._platform.database.transaction() as session:
                events.note_seen(session, self._platform.processes, seen, now)
