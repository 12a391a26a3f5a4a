"""The next document of a release's recalibration (pure)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from falaj.dataplane.agent.recalibration.rows_file import DAY_S
from falaj.statistics.recalibration import (
    AnswerKind,
    DayRecord,
    LabelledRows,
    RecalibrationSettings,
    RecalibrationState,
    recalibrate,
)
from falaj.statistics.recalibration.daily import usable_rows
from falaj.statistics.recalibration.document import RecalibrationDocument
from falaj.statistics.recalibration.selection import ScoreDay, unlike_the_rest
from falaj.statistics.reference import ReleaseReference

HOLDS_S = 7 * DAY_S
"""So long an offset is applied after its fit, when no other one follows: an agent that ended fits no more."""
_SHARE_OF_ERROR = 1 / 3
OFF = "monitoring.recalibrate is off"


@dataclass(frozen=True)
class RecalibratedRelease:
    """A release at an endpoint, and how it is to be recalibrated.

    Args:
        location: Name of the location.
        endpoint: `environment/model`.
        release: `name@version`.
        settings: Of the fit.
        threshold: A probability from here on is the second class.
        is_enabled: Whether it is to be recalibrated at all.
    """

    location: str
    endpoint: str
    release: str
    settings: RecalibrationSettings
    threshold: float = 0.5
    is_enabled: bool = True

    @property
    def number(self) -> int:
        """Number of the release."""
        return int(self.release.rpartition("@")[2])


def subject_of(location: str, endpoint: str, release: str, reference: ReleaseReference) -> RecalibratedRelease | None:
    """How a release is to be recalibrated; None when it answers with nothing that can be.

    Binary probabilities are bounded in log-odds. A number is bounded by a third of the error that only one of 200 rows
    exceeded when the release was accepted, about one standard deviation of its errors.
    """
    kind = reference.answer_kind
    if kind is None or reference.loss is None:
        return None
    looks = reference.settings
    settings = RecalibrationSettings(kind=kind, label_delay_days=(looks.label_delay_s or 0.0) / DAY_S)
    if kind is AnswerKind.REGRESSION:
        settings = replace(settings, bound=reference.loss.scale * _SHARE_OF_ERROR)
    return RecalibratedRelease(location, endpoint, release, settings, looks.threshold, looks.recalibrate)


def is_due(document: RecalibrationDocument | None, subject: RecalibratedRelease, now: float) -> bool:
    """Whether a release is to be fitted now: once a day, and at once when it is switched on or off."""
    if document is None or document.state.day != math.floor(now / DAY_S):
        return True
    return (document.reason == OFF) == subject.is_enabled


def next_document(
    before: RecalibrationDocument | None,
    learned: RecalibrationState,
    subject: RecalibratedRelease,
    rows: LabelledRows,
    days: Sequence[ScoreDay],
    now: float,
) -> RecalibrationDocument:
    """Fit a release for today.

    Args:
        before: Its last document; None when there is none that can be believed.
        learned: State of the release before it at this endpoint, whose strength goes on.
        subject: The release.
        rows: Its labelled rows; times in days.
        days: Scores of all its rows by day.
        now: Unix seconds.
    """
    state = before.state if before else learned.of_release(subject.number)
    settings, today = subject.settings, now / DAY_S
    reason = "" if subject.is_enabled else OFF
    if not reason:
        state = recalibrate(state, rows, today, settings)
        window = usable_rows(rows, today, replace(settings, oldest_days=settings.window_days))
        reason = unlike_the_rest(window, days, settings)
    if reason:
        state = replace(state.without_offset(), day=math.floor(today), days=_unapplied(state, math.floor(today)))
    return RecalibrationDocument(
        location=subject.location, endpoint=subject.endpoint, release=subject.release,
        version=max((before.version if before else 0) + 1, int(now)), kind=settings.kind, offset=state.applied,
        threshold=subject.threshold, bound=settings.bound, fitted_at=now, expires_at=now + HOLDS_S, reason=reason,
        state=state,
    )  # fmt: skip


def _unapplied(state: RecalibrationState, today: int) -> tuple[DayRecord, ...]:
    """The days of a state, with nothing applied today."""
    return tuple(replace(day, applied=0.0) if day.day == today else day for day in state.days)
