"""Traffic: real departures, one request each, and labels as flights land."""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from demo.stage import Flight, endpoint_url
from falaj.sdk import Endpoint, Label, ProblemError, ServerUnreachableError

LABELS_AT_ONCE = 100


class Replay(threading.Thread):
    """Departures over and over; the outcome of each follows as a label.

    They come in random order: a minute of this replay is days of flights, and in one bad night a model that is better
    on average is worse for the whole of a rollout.

    Args:
        url: Of the endpoint.
        flights: Rows and outcomes.
    """

    def __init__(self, url: str, flights: Sequence[Flight]) -> None:
        super().__init__(daemon=True)
        self._endpoint = Endpoint(url)
        self._flights = random.Random(7).sample(flights, len(flights))  # noqa: S311 - the same order in every demo
        self._end = threading.Event()
        self._landed: list[Label] = []
        self.refused = 0

    def run(self) -> None:
        """Ask until told to stop."""
        for flight in itertools.cycle(self._flights):
            if self._end.is_set():
                break
            try:
                self._ask_about(flight)
            except (ProblemError, ServerUnreachableError):
                self.refused += 1
        self._endpoint.close()

    def _ask_about(self, flight: Flight) -> None:
        answer = self._endpoint.predict([flight.row])
        self._landed.append(Label(answer.id, flight.arrived_late))
        if len(self._landed) >= LABELS_AT_ONCE:
            labels, self._landed = self._landed, []
            self._endpoint.feedback(labels)

    def stop(self) -> None:
        """Ask no more."""
        self._end.set()
        self.join()


@contextmanager
def replayed(endpoint: str, flights: Sequence[Flight]) -> Iterator[Replay]:
    """Traffic to an endpoint for as long as the block lasts."""
    replay = Replay(endpoint_url(endpoint), flights)
    replay.start()
    try:
        yield replay
    finally:
        replay.stop()
