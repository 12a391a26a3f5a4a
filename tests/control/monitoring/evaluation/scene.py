"""Windows of a release as a location tells of them: drawn like its reference, or changed on purpose."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from falaj.control.monitoring.evaluation import LossBlock, WindowBlock
from falaj.statistics.reference import PREDICTION, MonitoringSettings, ReferenceRows, build_reference

ROWS = 300
Change = Callable[[np.random.Generator, dict[str, Any]], None]
SETTINGS = MonitoringSettings(block=ROWS, window=1, tolerance=0.05, sources={"temp": "weather", "wind": "weather"})


def drawn(rng: np.random.Generator, count: int) -> dict[str, Any]:
    """Features of which two say how likely a 1 is."""
    return {
        "temp": rng.normal(15, 6, count),
        "wind": rng.gamma(3, 3, count),
        "distance": rng.normal(1000, 300, count),
        "carrier": np.array(["AA", "UA", "DL"], dtype=object)[rng.integers(0, 3, count)],
    }


def score_of(columns: dict[str, Any]) -> np.ndarray:
    return 1 / (1 + np.exp(-(np.nan_to_num(columns["distance"], nan=1000) - 1000) / 300))


def reference_rows(seed: int = 1, count: int = 12_000) -> ReferenceRows:
    rng = np.random.default_rng(seed)
    columns = drawn(rng, count)
    score = score_of(columns)
    label = (rng.random(count) < score).astype(float)
    return ReferenceRows(columns, held_out=True, label=label, score=score, probabilities=True)


REFERENCE = build_reference([reference_rows()], SETTINGS)


def window(
    seed: int, change: Change | None = None, *, labelled: int = 0, flipped: float = 0.0
) -> tuple[list[WindowBlock], np.ndarray]:
    """One window as a location tells of it, and the losses of its rows."""
    rng = np.random.default_rng(seed)
    columns = drawn(rng, ROWS)
    if change:
        change(rng, columns)
    score = score_of(columns)
    label = (rng.random(ROWS) < score).astype(float)
    turned = rng.random(ROWS) < flipped
    label = np.where(turned, 1 - label, label)
    loss = (score - label) ** 2
    start = 1000.0 * seed
    features = REFERENCE.features.schema.profile(columns, start, start + 999)
    assert REFERENCE.predictions is not None
    predictions = REFERENCE.predictions.schema.profile({PREDICTION: score}, start, start + 999)
    return [WindowBlock(start, start + 999, ROWS, features, predictions, tally(loss[:labelled]))], loss


def tally(loss: np.ndarray) -> dict[str, Any]:
    cells = np.bincount(np.minimum(49, (loss * 50).astype(int)), minlength=50)
    return {"labelled": len(loss), "total": float(loss.sum()), "cells": cells.tolist(), "wrong": None}


def runs(losses: list[np.ndarray]) -> Iterator[LossBlock]:
    assert REFERENCE.loss is not None
    size, all_of_them = REFERENCE.loss.block_rows, np.concatenate(losses)
    for number in range(len(all_of_them) // size):
        part = all_of_them[number * size : (number + 1) * size]
        yield LossBlock(number, size, float(part.mean()), number * 10.0, number * 10.0 + 9, number * 10.0 + 20)


def shifted(rng: np.random.Generator, columns: dict[str, Any]) -> None:
    columns["temp"] += 4


def missing(rng: np.random.Generator, columns: dict[str, Any]) -> None:
    columns["wind"][: ROWS // 4] = np.nan
