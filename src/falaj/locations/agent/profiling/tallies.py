"""From labelled predictions to tallies of losses (pure)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from falaj.monitoring.reference import ExpectedLoss
from falaj.serving.losses import losses, score_of

CELLS = 50


@dataclass(frozen=True)
class LossTally:
    """Losses of a block, as counts.

    Args:
        labelled: Rows with a label that a loss can be taken of.
        total: Sum of their losses, each in [0, 1].
        cells: Rows by loss, in 50 cells of equal width.
        wrong: Rows that were decided wrongly; None where nothing is decided.
        unusable: Rows whose label says nothing that a loss can be taken of.
    """

    labelled: int = 0
    total: float = 0.0
    cells: tuple[int, ...] = (0,) * CELLS
    wrong: int | None = None
    unusable: int = 0

    def added(self, found: Sequence[float], wrong: Sequence[float]) -> LossTally:
        """The tally with the losses of more rows; NaN where there is none."""
        known = [loss for loss in found if not math.isnan(loss)]
        cells = list(self.cells)
        for loss in known:
            cells[min(CELLS - 1, int(loss * CELLS))] += 1
        mistakes = [each for each in wrong if not math.isnan(each)]
        count = None if self.wrong is None and not mistakes else (self.wrong or 0) + int(sum(mistakes))
        unusable = self.unusable + len(found) - len(known)
        return LossTally(self.labelled + len(known), self.total + sum(known), tuple(cells), count, unusable)

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        return {**asdict(self), "cells": list(self.cells)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any] | None) -> LossTally:
        """Read what `to_json` wrote; None is an empty tally."""
        return cls(**{**document, "cells": tuple(document["cells"])}) if document else cls()


@dataclass(frozen=True)
class LossRun:
    """Losses in the order in which labels came, cut into equal numbers of rows: what the concept monitor is fed with.

    Args:
        number: Of the one that is being filled.
        rows: In it.
        total: Sum of its losses.
        start: Event time of its first row, Unix seconds.
        end: Event time of its last row.
        labelled_at: When its last label was known.
    """

    number: int = 0
    rows: int = 0
    total: float = 0.0
    start: float = math.inf
    end: float = -math.inf
    labelled_at: float = -math.inf

    def added(self, found: Iterable[float], at: float, labelled_at: float, size: int) -> tuple[LossRun, list[LossRun]]:
        """The run after more rows of one prediction.

        Args:
            found: Losses; NaN where there is none.
            at: When they were predicted, Unix seconds.
            labelled_at: When the label was known.
            size: Rows of a full one.

        Returns:
            The one that is being filled, and those that are full.
        """
        run, full = self, []
        for loss in found:
            if math.isnan(loss):
                continue
            times = (min(run.start, at), max(run.end, at), max(run.labelled_at, labelled_at))
            run = LossRun(run.number, run.rows + 1, run.total + loss, *times)
            if run.rows >= size:
                full.append(run)
                run = LossRun(run.number + 1)
        return run, full

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads; an empty one has no times."""
        return asdict(self) if self.rows else {"number": self.number}

    @classmethod
    def from_json(cls, document: Mapping[str, Any] | None) -> LossRun:
        """Read what `to_json` wrote; None is the first one."""
        return cls(**document) if document else cls()


def losses_of(expected: ExpectedLoss, outputs: Mapping[str, Sequence[Any]], labels: Sequence[Any]) -> list[float]:
    """The loss of each row of a prediction, as the reference takes it; NaN where there is none."""
    if expected.metric != "absolute":
        return losses(expected.metric, outputs, labels)
    return [_error(outputs, row, label, expected.scale) for row, label in enumerate(labels)]


def _error(outputs: Mapping[str, Sequence[Any]], row: int, label: Any, scale: float) -> float:
    if not isinstance(label, int | float) or isinstance(label, bool):
        return math.nan
    return min(1.0, abs(score_of(outputs, row) - float(label)) / scale)


def mistakes_of(expected: ExpectedLoss, outputs: Mapping[str, Sequence[Any]], labels: Sequence[Any]) -> list[float]:
    """1 for each row that was decided wrongly; empty where nothing is decided."""
    if expected.metric == "absolute":
        return []
    known = [label is not None for label in labels]
    wrong = losses("accuracy", outputs, labels)
    return [loss if labelled else math.nan for loss, labelled in zip(wrong, known, strict=True)]


def told(tally: LossTally, least: int) -> LossTally | None:
    """What may be told of a tally: nothing of few rows.

    Args:
        tally: Of a block.
        least: The smallest count that leaves; 0 where all may.
    """
    if not tally.labelled or tally.labelled < least:
        return None
    if not least:
        return tally
    cells = tuple(count // least * least for count in tally.cells)
    wrong = None if tally.wrong is None else tally.wrong // least * least
    return replace(tally, cells=cells, wrong=wrong, unusable=0)
