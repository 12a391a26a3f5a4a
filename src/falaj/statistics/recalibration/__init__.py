"""Recalibration: the offset by which a live release's answers are moved each day, so that they fit the newest labels.

A model that was trained in winter still ranks flights well in July and is wrong about how many are late. A handful of
labels shows by how much, long before there are enough of them to train on. A binary probability is moved by an offset
of its log-odds, the answer of a regression by an offset of the number; nothing else is recalibrated.

    today's answer = the release's answer, moved by strength x offset

`offset` is fitted to the labelled predictions of the last days (`offset.fit_offset`), `strength` is learned from what
such offsets turned out to be worth on the days that they were meant for (`strength.learned_strength`), and both are
bounded (`daily.recalibrate`). Everything here is pure and needs numpy alone: rows and times come in.

**To replay a history day by day** (times are days as numbers, such as seconds since the epoch / 86,400)::

    settings = RecalibrationSettings()
    state = RecalibrationState()                      # one of a model at a place; goes on through all its releases
    for day in days:
        if a new release is live: state = state.of_release(number)
        state = recalibrate(state, LabelledRows(predicted, arrived, score, label), now=day, settings)
        answers = moved(settings.kind, bare_scores_of(day), state.applied)

`LabelledRows` are rows that this release was *not trained on*, each with the bare score which it gives. All of them
may be handed over each day: what was predicted or labelled after `now`, or too long ago, is left out, so that a replay
is causal when `arrived` is true.
"""

from falaj.statistics.recalibration.daily import recalibrate
from falaj.statistics.recalibration.offset import fit_offset, moved
from falaj.statistics.recalibration.records import (
    AnswerKind,
    DayRecord,
    LabelledRows,
    Limit,
    RecalibrationSettings,
    RecalibrationState,
)
from falaj.statistics.recalibration.strength import learned_strength

__all__ = [
    "AnswerKind",
    "DayRecord",
    "LabelledRows",
    "Limit",
    "RecalibrationSettings",
    "RecalibrationState",
    "fit_offset",
    "learned_strength",
    "moved",
    "recalibrate",
]
