"""How a model behaves when its input is changed, and how long it takes.

Task: `model`, `table`, `label`, `rows`, `seed`, `invariance` [column], `direction` {column: "up" | "down"},
`missing` [column], `latency_calls`.
Result: `rows`, `spread`, `invariance` {column: largest change}, `direction` {column: mean change},
`missing` {column: problem text or ""}, `latency_ms` {"p50", "p99"}, `versions`.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from falaj.build.checks.runner.scoring import versions

from .models import LoadedModel, model_folder
from .problems import ProblemError
from .tables import is_polars, read_table

WARM_UP_CALLS = 5


def main(task: dict[str, Any]) -> dict[str, Any]:
    """Change the input in each asked way and score it again."""
    model = LoadedModel(model_folder(Path(task["model"])))
    table = read_table(Path(task["table"]))
    if len(table) == 0:
        raise ProblemError("there are no rows")
    rng = np.random.default_rng(task["seed"])
    features = _take(model.features(table, label=task["label"]), rng.permutation(len(table))[: task["rows"]])
    scores = model.score(features)
    return {
        "rows": len(scores),
        "invariance": {name: _shuffled(model, features, name, scores, rng) for name in task["invariance"]},
        "direction": {name: _moved(model, features, name, way, scores) for name, way in task["direction"].items()},
        "missing": {name: _emptied(model, features, name) for name in _columns(task["missing"], features)},
        "latency_ms": _latency(model, features, task["latency_calls"]),
        "versions": versions(),
    }


def _columns(selection: list[str], features: Any) -> list[str]:
    return [str(name) for name in features.columns] if selection == ["all"] else selection


def _take(features: Any, rows: NDArray[np.generic]) -> Any:
    return features[rows.tolist()] if is_polars(features) else features.iloc[rows].reset_index(drop=True)


def _values(features: Any, name: str) -> Any:
    if name not in list(features.columns):
        raise ProblemError(f"the model reads no column {name!r}; it reads {', '.join(map(str, features.columns))}")
    return features[name]


def _with(features: Any, name: str, values: Any) -> Any:
    if is_polars(features):
        return features.with_columns(values.alias(name))
    return features.assign(**{name: values})


def _shuffled(model: LoadedModel, features: Any, name: str, scores: Any, rng: np.random.Generator) -> float:
    """The largest change of a score when a column's values are dealt to other rows."""
    values, order = _values(features, name), rng.permutation(len(scores))
    dealt = values[order.tolist()] if is_polars(features) else values.iloc[order].to_numpy()
    return float(np.abs(model.score(_with(features, name, dealt)) - scores).max())


def _moved(model: LoadedModel, features: Any, name: str, way: str, scores: Any) -> float:
    """The mean change of the score, in the wanted way, when a column grows by one standard deviation."""
    values = _values(features, name)
    try:
        moved = values + float(values.std())
    except Exception as error:
        raise ProblemError(f"the column {name!r} is not a number that could grow") from error
    if scores.ndim > 1:
        raise ProblemError(f"which way {name!r} moves the model cannot be said of scores of several classes")
    change = float((model.score(_with(features, name, moved)) - scores).mean())
    return change if way == "up" else -change


def _emptied(model: LoadedModel, features: Any, name: str) -> str:
    """Why the model does not predict without a column's values; empty when it does."""
    values = _values(features, name)
    none = np.zeros(len(values), dtype=bool)
    empty = values.clear(len(values)) if is_polars(features) else values.where(none)
    try:
        scores = model.score(_with(features, name, empty))
    except Exception as error:  # the project's own code may raise anything; the check reports it
        return f"{type(error).__name__}: {str(error)[:200]}"
    bad = int((~np.isfinite(scores)).sum())
    return f"{bad} of {len(scores)} predictions are not finite" if bad else ""


def _latency(model: LoadedModel, features: Any, calls: int) -> dict[str, float]:
    """Milliseconds of predicting one row at a time."""
    rows = [_take(features, np.array([index % len(features)])) for index in range(calls + WARM_UP_CALLS)]
    latencies_ms = []
    for row in rows:
        start = time.perf_counter()
        model.score(row)
        latencies_ms.append((time.perf_counter() - start) * 1000)
    p50, p99 = np.quantile(latencies_ms[WARM_UP_CALLS:], (0.5, 0.99))
    return {"p50": float(p50), "p99": float(p99)}
