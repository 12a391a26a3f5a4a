"""From labelled predictions to tallies of losses (pure)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from falaj.statistics.losses import losses, score_of
from falaj.statistics.performance import STRIPS, strip_of
from falaj.statistics.reference import ERROR_RATE, ExpectedLoss

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
        score_rows: The labelled rows by strip of their score, of a probability; empty where scores are none.
        score_losses: Sums of their losses.
    """

    labelled: int = 0
    total: float = 0.0
    cells: tuple[int, ...] = (0,) * CELLS
    wrong: int | None = None
    unusable: int = 0
    score_rows: tuple[int, ...] = ()
    score_losses: tuple[float, ...] = ()

    def added(self, losses: Sequence[float], wrong: Sequence[float], scores: Sequence[float] = ()) -> LossTally:
        """The tally with the losses of more rows; NaN where there is none."""
        usable_losses = [loss for loss in losses if not math.isnan(loss)]
        cells = list(self.cells)
        for loss in usable_losses:
            cells[min(CELLS - 1, int(loss * CELLS))] += 1
        mistakes = [each for each in wrong if not math.isnan(each)]
        count = None if self.wrong is None and not mistakes else (self.wrong or 0) + int(sum(mistakes))
        unusable = self.unusable + len(losses) - len(usable_losses)
        strips = self._strips(losses, scores)
        return LossTally(
            self.labelled + len(usable_losses), self.total + sum(usable_losses), tuple(cells), count, unusable, *strips
        )

    def _strips(
        self, losses_by_row: Sequence[float], scores: Sequence[float]
    ) -> tuple[tuple[int, ...], tuple[float, ...]]:
        if not scores:
            return self.score_rows, self.score_losses
        score, loss = np.array(scores, dtype=np.float64), np.array(losses_by_row[: len(scores)], dtype=np.float64)
        usable = ~np.isnan(loss) & (score >= 0) & (score <= 1)
        strip = strip_of(score[usable])
        rows = np.bincount(strip, minlength=STRIPS) + np.array(self.score_rows or (0,) * STRIPS)
        losses = np.bincount(strip, loss[usable], STRIPS) + np.array(self.score_losses or (0.0,) * STRIPS)
        return tuple(rows.tolist()), tuple(losses.tolist())

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        lists = {name: list(getattr(self, name)) for name in ("cells", "score_rows", "score_losses")}
        return {**asdict(self), **lists}

    @classmethod
    def from_json(cls, document: Mapping[str, Any] | None) -> LossTally:
        """Read what `to_json` wrote; None is an empty tally."""
        if not document:
            return cls()
        lists = {name: tuple(document[name]) for name in ("cells", "score_rows", "score_losses")}
        return cls(**{**document, **lists})


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

    def added(self, losses: Iterable[float], at: float, labelled_at: float, size: int) -> tuple[LossRun, list[LossRun]]:
        """The run after more rows of one prediction.

        Args:
            losses: Losses; NaN where there is none.
            at: When they were predicted, Unix seconds.
            labelled_at: When the label was known.
            size: Rows of a full one.

        Returns:
            The one that is being filled, and those that are full.
        """
        run, full = self, []
        for loss in losses:
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
        return losses("accuracy" if expected.metric == ERROR_RATE else expected.metric, outputs, labels)
    return [_error(outputs, row, label, expected.scale) for row, label in enumerate(labels)]


def _error(outputs: Mapping[str, Sequence[Any]], row: int, label: Any, scale: float) -> float:
    if not isinstance(label, int | float) or isinstance(label, bool):
        return math.nan
    return min(1.0, abs(score_of(outputs, row) - float(label)) / scale)


def mistakes_of(expected: ExpectedLoss, outputs: Mapping[str, Sequence[Any]], labels: Sequence[Any]) -> list[float]:
    """1 for each row that was decided wrongly; empty where nothing is decided."""
    if expected.metric == "absolute":
        return []
    label_mask = [label is not None for label in labels]
    wrong = losses("accuracy", outputs, labels)
    return [loss if labelled else math.nan for loss, labelled in zip(wrong, label_mask, strict=True)]


def disclosable(tally: LossTally, least: int) -> LossTally | None:
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
    large = [rows >= least for rows in tally.score_rows]
    rows = tuple(rows // least * least for rows in tally.score_rows)
    means = (loss / max(1, count) for loss, count in zip(tally.score_losses, tally.score_rows, strict=True))
    losses = tuple(mean * count if is_large else 0.0 for mean, count, is_large in zip(means, rows, large, strict=True))
    return replace(tally, cells=cells, wrong=wrong, unusable=0, score_rows=rows, score_losses=losses)


def scores_of(expected: ExpectedLoss, outputs: Mapping[str, Sequence[Any]], labels: Sequence[Any]) -> list[float]:
    """The score of each row where it is a probability; none where it is not."""
    return [] if expected.metric != "brier" else [score_of(outputs, row) for row in range(len(labels))]
