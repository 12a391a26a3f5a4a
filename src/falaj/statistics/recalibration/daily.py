"""One day's recalibration: what the labels ask for, how much of that is trusted, and how far it may go."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from falaj.statistics.recalibration.offset import evidence_at, fit_offset
from falaj.statistics.recalibration.records import (
    DayRecord,
    LabelledRows,
    Limit,
    RecalibrationSettings,
    RecalibrationState,
)
from falaj.statistics.recalibration.strength import learned_strength


def recalibrate(
    state: RecalibrationState, rows: LabelledRows, now: float, settings: RecalibrationSettings
) -> RecalibrationState:
    """The state from now to the end of the day.

    Called once a day: another call for the day that it was fitted for changes nothing. Days that were left out count
    for the largest step. When `now` lies before the day of the state, the clock was wrong: days after it are forgotten.

    Args:
        state: Of the release that is live.
        rows: Labelled predictions that the release was not trained on, as many as there are.
        now: In days; what was predicted today or labelled later is left out.
        settings: How it is done.
    """
    today = math.floor(now)
    if state.day == today:
        return state
    usable = usable_rows(rows, now, settings)
    past = _with_labels([day for day in state.days if day.day < today], usable, settings)
    window = _window(usable, settings)
    proposed = fit_offset(settings.kind, window.score, window.label, settings.pseudo_rows)
    remembered = [*state.earlier_days, *past][-settings.remembered_days :]
    strength = learned_strength(remembered, settings.first_strength, settings.prior_days)
    applied, limit = _limited(strength * proposed, state, today, settings)
    days = (*past, DayRecord(today, proposed, applied))[-settings.remembered_days :]
    return replace(
        state, day=today, proposed=proposed, strength=strength, applied=applied, limit=limit, rows=len(window),
        days=days, earlier_days=state.earlier_days[-settings.remembered_days :],
    )  # fmt: skip


def usable_rows(rows: LabelledRows, now: float, settings: RecalibrationSettings) -> LabelledRows:
    """Rows of whole days before today whose labels are there, and are those of a whole day.

    Args:
        rows: Of the release.
        now: In days.
        settings: With the delay of labels.
    """
    day = np.floor(rows.predicted)
    until = min(math.floor(now), math.floor(now - settings.label_delay_days))
    there = (day < until) & (day >= math.floor(now) - settings.oldest_days) & (rows.arrived <= now)
    return rows.where(there & np.isfinite(rows.score) & np.isfinite(rows.label))


def _window(rows: LabelledRows, settings: RecalibrationSettings) -> LabelledRows:
    """The newest days of those that have labels, so many as a window holds."""
    if not len(rows):
        return rows
    day = np.floor(rows.predicted)
    return rows.where(day > day.max() - settings.window_days)


def _with_labels(
    days: Sequence[DayRecord], rows: LabelledRows, settings: RecalibrationSettings
) -> tuple[DayRecord, ...]:
    """Days with what their labels say by now; those without any stay as they were."""
    day_of_row = np.floor(rows.predicted)
    labelled = set(np.unique(day_of_row).tolist())
    return tuple(
        _labelled(day, rows.where(day_of_row == day.day), settings) if day.day in labelled else day for day in days
    )


def _labelled(day: DayRecord, rows: LabelledRows, settings: RecalibrationSettings) -> DayRecord:
    """What was needed: what was applied, and one step of Newton's method from there."""
    evidence = evidence_at(settings.kind, rows.score, rows.label, day.applied)
    needed = day.applied + evidence.one_step()
    return replace(day, needed=needed, information=evidence.information, rows=len(rows))


def _limited(
    proposal: float, state: RecalibrationState, today: int, settings: RecalibrationSettings
) -> tuple[float, Limit]:
    """What may be applied of it, and what stood in the way."""
    bounded = min(settings.bound, max(-settings.bound, proposal))
    elapsed = max(1, today - state.day) if state.day is not None else 1
    reach = settings.bound * settings.largest_step * elapsed
    applied = min(state.applied + reach, max(state.applied - reach, bounded))
    if applied != bounded:
        return applied, Limit.DAILY_STEP
    return applied, Limit.BOUND if bounded != proposal else Limit.NONE
