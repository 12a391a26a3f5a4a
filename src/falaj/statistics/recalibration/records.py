"""The records of a recalibration: settings, labelled rows, what each day needed, and the state that goes on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


class AnswerKind(StrEnum):
    """What a release answers with, as far as it can be moved."""

    BINARY = "binary"
    REGRESSION = "regression"


class Limit(StrEnum):
    """What kept an offset from being what the labels ask for."""

    NONE = "none"
    DAILY_STEP = "daily_step"
    BOUND = "bound"


@dataclass(frozen=True)
class RecalibrationSettings:
    """How a release is recalibrated.

    Args:
        kind: What it answers with.
        window_days: The offset is fitted to predictions of so many days.
        label_delay_days: Labels of a day are all there after so many days; younger days are left out, because what
            is labelled early may not be like the rest.
        oldest_days: Predictions older than this are not looked at, however late labels are.
        pseudo_rows: The offset is shrunk to 0 as by so many rows that need none.
        first_strength: The strength before anything was learned.
        prior_days: It has the weight of so many days.
        remembered_days: Days that the strength is learned from.
        bound: The largest offset that is applied, either way: in log-odds, or in the unit of the answer.
        largest_step: Share of the bound by which the applied offset may move in a day.
    """

    kind: AnswerKind = AnswerKind.BINARY
    window_days: int = 14
    label_delay_days: float = 0.0
    oldest_days: int = 42
    pseudo_rows: float = 500.0
    first_strength: float = 0.5
    prior_days: float = 10.0
    remembered_days: int = 366
    bound: float = 1.5
    largest_step: float = 1 / 3


@dataclass(frozen=True)
class LabelledRows:
    """Predictions of one release whose labels are known, one of each a row.

    Args:
        predicted: When each was made, in days.
        arrived: When its label came, in days.
        score: The bare probability of the second class, or the bare answer of a regression.
        label: What was true: 0 or 1, or a number.
    """

    predicted: Vector
    arrived: Vector
    score: Vector
    label: Vector

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.label)

    def where(self, rows: NDArray[np.bool_]) -> LabelledRows:
        """Some of the rows."""
        return LabelledRows(self.predicted[rows], self.arrived[rows], self.score[rows], self.label[rows])

    @staticmethod
    def empty() -> LabelledRows:
        """No rows."""
        return LabelledRows(*(np.empty(0) for _ in range(4)))


@dataclass(frozen=True)
class DayRecord:
    """What was proposed for a day, and what the day turned out to need.

    Args:
        day: Number of the day.
        proposed: The offset that was fitted before it, at full strength.
        applied: The offset by which its answers were moved.
        needed: The offset that its labels show to have been right; None before there are any.
        information: What `needed` weighs: the inverse of its variance, were rows independent.
        rows: Labelled ones of that day.
    """

    day: int
    proposed: float
    applied: float
    needed: float | None = None
    information: float = 0.0
    rows: int = 0


@dataclass(frozen=True)
class RecalibrationState:
    """What is known of a model at a place; immutable, each day makes a new one.

    Args:
        release: The release whose offset this is.
        day: Number of the day for which it was fitted; None before the first.
        proposed: The offset that the labels ask for, at full strength.
        strength: Share of it that is trusted, from 0 to 1.
        applied: The offset by which answers are moved: within its limits.
        limit: What kept `applied` from being `strength` times `proposed`.
        rows: Labelled rows that `proposed` was fitted to.
        days: Of this release, oldest first; they are still filled in as labels come.
        earlier_days: Of releases before it: the strength is pooled over all.
    """

    release: int = 0
    day: int | None = None
    proposed: float = 0.0
    strength: float = 0.5
    applied: float = 0.0
    limit: Limit = Limit.NONE
    rows: int = 0
    days: tuple[DayRecord, ...] = ()
    earlier_days: tuple[DayRecord, ...] = field(default=(), repr=False)

    def of_release(self, release: int) -> RecalibrationState:
        """The state of the next release: its offset starts at 0, and the strength that was learned goes on."""
        if release == self.release:
            return self
        return RecalibrationState(
            release=release, strength=self.strength, earlier_days=(*self.earlier_days, *self.days)
        )

    def without_offset(self) -> RecalibrationState:
        """The same with nothing applied."""
        return replace(self, proposed=0.0, applied=0.0, limit=Limit.NONE, rows=0)
