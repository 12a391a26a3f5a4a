"""Building a release's reference from rows that a run knows (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from falaj.core.errors import UsageError
from falaj.statistics.concept import Losses, by_count, calibrate, rows_per_block
from falaj.statistics.performance import Calibration, fit_calibration
from falaj.statistics.profiles import (
    Categorical,
    Column,
    ProfileSchema,
    ReferenceProfile,
    coded_column,
    reference_blocks,
)
from falaj.statistics.reference.bundle import ERROR_RATE, PREDICTION, ExpectedLoss, ReleaseReference
from falaj.statistics.reference.settings import MonitoringSettings

Vector = NDArray[np.float64]
MOST_BLOCKS = 500
FEWEST_LOSS_BLOCKS = 16
USUAL_LOSS_BLOCK = 50
SCALE_QUANTILE = 0.995


@dataclass(frozen=True)
class ReferenceRows:
    """Rows of one table.

    Args:
        columns: Values by feature, the same rows in each.
        held_out: The model was not trained on them.
        label: One number a row, NaN where there is none; None when the table has no labels.
        score: One number a row; None when the model gave none.
        at: Event time, Unix seconds; None when the table does not say it.
        probabilities: Whether scores are probabilities of label 1.
        decided: The class that the model decides for, of a classifier of several; None of others.
        wrong: Whether that is wrong, 0 or 1, NaN where the label is not known; None when the table has no labels.
    """

    columns: Mapping[str, Column]
    held_out: bool
    label: Vector | None = None
    score: Vector | None = None
    at: Vector | None = None
    probabilities: bool = False
    decided: Categorical | None = None
    wrong: Vector | None = None

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))


def build_reference(
    tables: Sequence[ReferenceRows], settings: MonitoringSettings, *, salt: bytes = b""
) -> ReleaseReference:
    """Build the reference.

    Args:
        tables: Those that the model was trained and accepted on, with the same features.
        settings: How the release will be watched.
        salt: Of hashes of rare categories, at most 16 bytes.

    Raises:
        UsageError: There are no rows, or no features are left.
    """
    features = {
        name: joined([table.columns[name] for table in tables])
        for name in (tables[0].columns if tables else ())
        if name not in settings.leave_out
    }
    if not features:
        raise UsageError("no features are left to look at", hint="monitoring.leave_out names all of them")
    answered = [table for table in tables if table.score is not None or table.decided is not None]
    held_out = [table for table in answered if table.held_out] or answered
    notes = [] if held_out else ["the model gave no numbers for these rows: predictions are not watched"]
    predictions, calibration, loss = None, None, None
    if held_out and all(table.decided is not None for table in held_out):
        decided = joined([table.decided for table in held_out if table.decided is not None])
        predictions = _profiled({PREDICTION: decided}, _times(held_out), settings, salt)
        loss, more = _of_decisions(held_out, settings)
        notes += more
    elif held_out:
        score = np.concatenate([_labelled(table.score) for table in held_out])
        predictions = _profiled({PREDICTION: score}, _times(held_out), settings, salt)
        calibration, loss, more = _of_losses(held_out, score, settings)
        notes += more
    profiled = _profiled(features, _times(tables), settings, salt)
    return ReleaseReference(settings, profiled, predictions, calibration, loss, tuple(notes))


def joined(columns: Sequence[Column]) -> Column:
    """Columns of several tables as one; codes of each stand for its own levels."""
    if not any(isinstance(column, Categorical) for column in columns):
        return np.concatenate([np.asarray(column) for column in columns])
    levels: dict[object, int] = {}
    parts = []
    for column in columns:
        coded = column if isinstance(column, Categorical) else coded_column(column)
        places = np.array([levels.setdefault(level, len(levels)) for level in coded.levels] + [-1], np.int64)
        parts.append(places[np.where(coded.codes < 0, len(coded.levels), coded.codes)])
    return Categorical(np.concatenate(parts), tuple(levels))


def _profiled(
    columns: Mapping[str, Column], at: Vector | None, settings: MonitoringSettings, salt: bytes
) -> ReferenceProfile:
    schema = ProfileSchema.from_reference(columns, salt=salt, least=max(settings.least, 2))
    rows = len(next(iter(columns.values())))
    blocks = [block for block in reference_blocks(schema, columns, blocks_of(rows, at, settings)) if block.rows]
    chosen = np.unique(np.linspace(0, len(blocks) - 1, min(len(blocks), MOST_BLOCKS)).round().astype(int))
    return ReferenceProfile(schema, tuple(blocks[index] for index in chosen))


def blocks_of(rows: int, at: Vector | None, settings: MonitoringSettings) -> NDArray[np.float64] | None:
    """The block of each row, as serving will cut them; None cuts rows into equal parts.

    Args:
        rows: How many.
        at: Event time of each; NaN where it is not known.
        settings: With the width of a block.
    """
    if isinstance(settings.block, int):
        order = np.arange(rows) if at is None else np.argsort(at, kind="stable")
        place = np.empty(rows)
        place[order] = np.arange(rows) // settings.block
        whole = max(1, rows // settings.block)
        return np.minimum(place, whole - 1)  # what does not fill a block of its own goes with the last
    if at is None or np.isnan(at).all():
        return None
    width = settings.width_s or 1.0
    return np.floor(np.where(np.isnan(at), np.nanmin(at), at) / width) * width


def _times(tables: Sequence[ReferenceRows]) -> Vector | None:
    if any(table.at is None for table in tables):
        return None
    return np.concatenate([_labelled(table.at) for table in tables])


def _labelled(column: Vector | None) -> Vector:
    assert column is not None
    return column


def _of_losses(
    tables: Sequence[ReferenceRows], score: Vector, settings: MonitoringSettings
) -> tuple[Calibration | None, ExpectedLoss | None, list[str]]:
    if any(table.label is None for table in tables):
        return None, None, ["there are no labels in the reference: losses are not watched"]
    label, at = np.concatenate([_labelled(table.label) for table in tables]), _times(tables)
    is_complete = ~np.isnan(label) & ~np.isnan(score)
    binary = all(table.probabilities for table in tables) and bool(np.isin(label[is_complete], (0, 1)).all())
    if not is_complete.any():
        return None, None, ["no row of the reference has a label: losses are not watched"]
    calibration, notes = _calibration(label, score, at, settings) if binary else (None, [])
    error = np.abs(label[is_complete] - score[is_complete])
    scale = 1.0 if binary else max(float(np.quantile(error, SCALE_QUANTILE)), 1e-12)
    loss = error**2 if binary else np.minimum(error / scale, 1.0)
    when = np.arange(len(loss), dtype=np.float64) if at is None else np.nan_to_num(at[is_complete])
    expected = _expected("brier" if binary else "absolute", loss, when, scale, settings)
    return calibration, expected, notes + ([expected.reason] if expected.reason else [])


def _of_decisions(
    tables: Sequence[ReferenceRows], settings: MonitoringSettings
) -> tuple[ExpectedLoss | None, list[str]]:
    """What is expected of a classifier of several classes: the share of its decisions that are wrong."""
    if any(table.wrong is None for table in tables):
        return None, ["there are no labels in the reference: losses are not watched"]
    wrong, at = np.concatenate([_labelled(table.wrong) for table in tables]), _times(tables)
    has_label = ~np.isnan(wrong)
    if not has_label.any():
        return None, ["no row of the reference has a label: losses are not watched"]
    when = np.arange(int(has_label.sum()), dtype=np.float64) if at is None else np.nan_to_num(at[has_label])
    expected = _expected(ERROR_RATE, wrong[has_label], when, 1.0, settings)
    return expected, [expected.reason] if expected.reason else []


def _calibration(
    label: Vector, score: Vector, at: Vector | None, settings: MonitoringSettings
) -> tuple[Calibration | None, list[str]]:
    block = blocks_of(len(label), at, settings)
    try:
        has_score = ~np.isnan(score)
        part = None if block is None else np.unique(block[has_score], return_inverse=True)[1]
        return fit_calibration(score[has_score], label[has_score], block=part), []
    except UsageError as error:
        return None, [f"what scores mean is not known: {error.message}"]


def _expected(metric: str, loss: Vector, at: Vector, scale: float, settings: MonitoringSettings) -> ExpectedLoss:
    ordered = loss[np.argsort(at, kind="stable")]
    usual = max(1, settings.least, min(USUAL_LOSS_BLOCK, len(loss) // FEWEST_LOSS_BLOCKS))
    rows = max(usual, rows_per_block(ordered))
    mean = float(loss.mean())
    try:
        blocks = by_count(Losses(loss, at), rows)
        baseline = calibrate(blocks, run_length=10.0 * settings.run_length, tolerance=settings.tolerated(mean))
    except UsageError as error:
        return ExpectedLoss(metric, mean, scale, rows, None, f"no concept monitor: {error.message}")
    return ExpectedLoss(metric, mean, scale, rows, baseline)
