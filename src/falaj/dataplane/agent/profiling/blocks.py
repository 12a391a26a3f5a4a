"""From logged predictions to blocks of counts (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from falaj.dataplane.prediction_log import PredictionColumns
from falaj.statistics.losses import score_of
from falaj.statistics.profiles import CategoryCells, Profile, ProfileSchema
from falaj.statistics.recalibration.selection import ScoreDay, scale_of
from falaj.statistics.reference import PREDICTION, ReleaseReference

ANSWERED, SHADOW = "answered", "shadow"
UNKNOWN_WIDTH_S = 3600.0
DAY_S = 86_400.0
_LABELS = ("label", "prediction")
_PROBABILITIES = ("probability", "probabilities", "predict_proba", "proba")
Vector = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, order=True)
class ArmKey:
    """Whose predictions they are.

    Args:
        endpoint: `environment/model`.
        release: `name@version`.
        arm: `answered`, or `shadow` where nobody got the answer.
    """

    endpoint: str
    release: str
    arm: str = ANSWERED


@dataclass(frozen=True)
class ProfileBlock:
    """Counts of a part of the log.

    Args:
        number: Of the block: grows with time.
        start: Unix seconds; of a block of so many rows, when its first one was predicted.
        end: Unix seconds; of a block of so many rows, when its last one was predicted.
        rows: Rows in it.
        features: Their profile; None for a release without a reference.
        predictions: The profile of the predictions.
        final: Nothing will be added.
    """

    number: int
    start: float
    end: float
    rows: int = 0
    features: Profile | None = None
    predictions: Profile | None = None
    final: bool = False

    def merge(self, other: ProfileBlock) -> ProfileBlock:
        """Both parts of one block."""
        return replace(
            self,
            start=min(self.start, other.start),
            end=max(self.end, other.end),
            rows=self.rows + other.rows,
            features=_merged(self.features, other.features),
            predictions=_merged(self.predictions, other.predictions),
        )


def _merged(mine: Profile | None, theirs: Profile | None) -> Profile | None:
    return mine.merge(theirs) if mine and theirs else mine or theirs


@dataclass(frozen=True)
class OpenProfileBlocks:
    """The blocks of one arm that are still open.

    Args:
        open: By number.
        closed: Number of the first block that may still grow.
        closed_until: Time before which all is closed; a clock that was put back changes nothing of it.
    """

    open: Mapping[int, ProfileBlock] = field(default_factory=dict)
    closed: int = 0
    closed_until: float = 0.0


def counted(
    arm: OpenProfileBlocks, columns: PredictionColumns, reference: ReleaseReference | None, now: float
) -> OpenProfileBlocks:
    """The arm after counting predictions.

    Those that seem to be of a block that is closed are counted in the first open one, and those that seem to be of the
    future in that of now: a clock that is wrong loses no row and reopens nothing.

    Args:
        arm: Before.
        columns: Predictions of one release at one endpoint.
        reference: Of the release; None counts rows and nothing else.
        now: Unix seconds.
    """
    at = np.clip(columns.at, arm.closed_until, max(now, arm.closed_until))[columns.request]
    if not len(at):
        return arm
    features = _features(columns, reference)
    baseline = reference.predictions if reference else None
    scores = predicted(columns.outputs, len(at), baseline.schema) if baseline else None
    blocks = dict(arm.open)
    for number, rows in _parts(arm, at, reference):
        part = _block(number, rows, at, features, scores, reference)
        blocks[number] = blocks[number].merge(part) if number in blocks else part
    arm = replace(arm, open=blocks)
    most = reference.settings.block if reference else None
    return _with_full_closed(arm, most) if isinstance(most, int) else arm


def _features(columns: PredictionColumns, reference: ReleaseReference | None) -> Mapping[str, Any]:
    if reference is None:
        return {}
    left_out = reference.settings.leave_out
    return {name: values for name, values in columns.features.items() if name not in left_out}


def _parts(arm: OpenProfileBlocks, at: Vector, reference: ReleaseReference | None) -> Iterator[tuple[int, Any]]:
    """The number of each block, and which rows are of it."""
    size = reference.settings.block if reference else None
    if isinstance(size, int):
        before = arm.open[arm.closed].rows if arm.closed in arm.open else 0
        numbers = arm.closed + (before + np.arange(len(at))) // size
    else:
        numbers = np.floor(at / width_of(reference)).astype(np.int64)
    for number in np.unique(numbers):
        yield int(number), numbers == number


def width_of(reference: ReleaseReference | None) -> float:
    """How long a block is that is cut by time, in seconds."""
    return (reference.settings.width_s if reference else None) or UNKNOWN_WIDTH_S


def _block(
    number: int, rows: Any, at: Vector, features: Mapping[str, Any], scores: NDArray[np.generic] | None,
    reference: ReleaseReference | None,
) -> ProfileBlock:  # fmt: skip
    count = int(rows.sum())
    if reference is not None and isinstance(reference.settings.block, int):
        start, end = float(at[rows].min()), float(at[rows].max())
    else:
        width = width_of(reference)
        start, end = number * width, (number + 1) * width
    if reference is None:
        return ProfileBlock(number, start, end, count)
    chosen = {name: values[rows] for name, values in features.items()}
    profile = reference.features.schema.profile(chosen, start, end)
    baseline = reference.predictions
    predicted = (
        baseline.schema.profile({PREDICTION: scores[rows]}, start, end) if baseline and scores is not None else None
    )
    return ProfileBlock(number, start, end, count, profile, predicted)


def _with_full_closed(arm: OpenProfileBlocks, size: int) -> OpenProfileBlocks:
    full = [number for number, block in arm.open.items() if block.rows >= size]
    blocks = {number: replace(block, final=number in full) for number, block in arm.open.items()}
    return replace(arm, open=blocks, closed=max([arm.closed, *(number + 1 for number in full)]))


def closed(arm: OpenProfileBlocks, until: float, reference: ReleaseReference | None) -> OpenProfileBlocks:
    """The arm after closing what ends before a time; blocks of so many rows close when they are full.

    Args:
        arm: Before.
        until: Unix seconds; everything that was predicted earlier has been counted.
        reference: Of the release.
    """
    if reference is not None and isinstance(reference.settings.block, int):
        return arm
    width = width_of(reference)
    first = max(arm.closed, int(until // width))
    blocks = {number: replace(block, final=block.final or number < first) for number, block in arm.open.items()}
    return replace(arm, open=blocks, closed=first, closed_until=max(arm.closed_until, first * width))


def without_final(arm: OpenProfileBlocks) -> OpenProfileBlocks:
    """The arm without the blocks that nothing will be added to."""
    return replace(arm, open={number: block for number, block in arm.open.items() if not block.final})


def score_days(columns: PredictionColumns, reference: ReleaseReference | None) -> list[ScoreDay]:
    """Scores of predictions by day, so that labelled rows can be compared with all; empty where nothing is compared."""
    kind = reference.answer_kind if reference else None
    if kind is None or not len(columns.request):
        return []
    scores = scale_of(kind, scores_of(columns.outputs, len(columns.request)))
    days = np.floor(columns.at[columns.request] / DAY_S)
    return [ScoreDay(int(day)).added(scores[days == day]) for day in np.unique(days)]


def predicted(outputs: Mapping[str, Any], rows: int, schema: ProfileSchema) -> NDArray[np.generic]:
    """What is profiled of predictions, one a row: the class where the reference has classes, else the score.

    Args:
        outputs: By name, one value or list of values a row.
        rows: How many.
        schema: Of the reference's predictions.
    """
    if not isinstance(schema[PREDICTION], CategoryCells):
        return scores_of(outputs, rows)
    labels = next((outputs[name] for name in _LABELS if name in outputs), [None] * rows)
    return np.array([None if label is None else str(label) for label in list(labels)], dtype=object)


def scores_of(outputs: Mapping[str, Any], rows: int) -> Vector:
    """The number by which predictions are compared, one a row; NaN where a prediction is none.

    Args:
        outputs: By name, one value or list of values a row.
        rows: How many.
    """
    name = next((name for name in _PROBABILITIES if name in outputs), None) or next(iter(outputs), None)
    values = outputs.get(name) if name else None
    if isinstance(values, np.ndarray) and values.dtype.kind in "iuf":
        return np.asarray(values[:, -1] if values.ndim == 2 else values, dtype=np.float64)
    columns = {each: list(values) for each, values in outputs.items()}
    return np.array([_score(columns, row) for row in range(rows)], dtype=np.float64)


def _score(columns: Mapping[str, list[Any]], row: int) -> float:
    try:
        return score_of(columns, row)
    except (KeyError, IndexError, TypeError, ValueError, StopIteration):
        return float("nan")
