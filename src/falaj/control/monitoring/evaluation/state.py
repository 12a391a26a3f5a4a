"""What the monitors of an endpoint remember between two windows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from falaj.control.monitoring.triage import Episode, rebaseline
from falaj.core.json_record import JsonRecord
from falaj.statistics.concept import ConceptState
from falaj.statistics.drift import DriftMonitor, Lasting


@dataclass(frozen=True)
class LossBlock:
    """The mean loss of a fixed number of labelled rows.

    Args:
        number: Grows with each.
        rows: How many.
        mean: Of their losses.
        start: Event time of the first one, Unix seconds.
        end: Event time of the last one.
        labelled_at: When the last label was known.
    """

    number: int
    rows: int
    mean: float
    start: float
    end: float
    labelled_at: float


@dataclass(frozen=True)
class MonitorState(JsonRecord):
    """What is remembered of a release at an endpoint.

    Args:
        release: Its number.
        features: Evidence of drift of inputs.
        predictions: Evidence of drift of predictions.
        concept: Evidence that losses have risen.
        next_run: The first losses that were not judged.
        next_window: The first window that was not judged; None before the first.
        windows: How many were judged.
        quiet: For how many windows in a row nothing has fired.
        episode: What triage remembers.
    """

    release: int
    features: DriftMonitor = field(default_factory=DriftMonitor)
    predictions: DriftMonitor = field(default_factory=DriftMonitor)
    concept: ConceptState = field(default_factory=ConceptState)
    next_run: int = 0
    next_window: int | None = None
    windows: int = 0
    quiet: int = 0
    episode: Episode = field(default_factory=lambda: Episode(""))

    @property
    def drifting(self) -> Mapping[str, Lasting]:
        """What an alarm of either monitor named and that is not like the reference again."""
        return {**self.features.lasting, **self.predictions.lasting}

    @classmethod
    def begin(cls, release: int, run_length: int, now: float, before: MonitorState | None = None) -> MonitorState:
        """Begin with a release; what persons said, and a retraining that was just done, are taken along.

        Both drift monitors together keep the promise, so that each is asked for twice the run length.

        Args:
            release: Its number.
            run_length: Windows until a false alarm, on average at least.
            now: Unix seconds.
            before: Of the release that served before.
        """
        name, monitor = str(release), DriftMonitor(2 * run_length)
        episode = rebaseline(before.episode, name, now) if before else Episode(name)
        # blocks that were cut before the promotion are of this release as well: only what it answered is in them
        return cls(release, monitor, monitor, episode=replace(episode, baseline_at=0.0))
