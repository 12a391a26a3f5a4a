"""Take out of tables what a reference is built from: one `.npz` of features, labels, scores and times for each.

Task: `model` (folder), `tables` {name: path}, `label` (or null), `time` (or null), `features` [name], `most` (rows),
`out` (folder).
Result: `tables` {name: {"file": path, "problem": text, "levels": {feature: [text]}, "score": problem text or "",
"probabilities": bool, "classes": [text], "times": features that hold days or moments and are left out,
"rows": of the whole table}}.

Numbers are float64 with NaN for missing ones; categories are codes into levels, -1 for missing ones. Of a classifier
of more than two classes there are no score and label, but what is decided, as a code into its classes, and whether
that is wrong.
"""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .models import LoadedModel, model_folder
from .problems import ProblemError
from .tables import column, column_names, is_polars, read_table


def main(task: dict[str, Any]) -> dict[str, Any]:
    """Take out every table."""
    model = _load(Path(task["model"]))
    return {"tables": {name: _sample(name, index, model, task) for index, name in enumerate(task["tables"])}}


def _load(path: Path) -> LoadedModel | str:
    try:
        return LoadedModel(model_folder(path))
    except Exception as error:  # the project's own code may raise anything; the reference goes without scores
        return f"the model cannot be loaded: {type(error).__name__}: {error}"


def _sample(name: str, index: int, model: LoadedModel | str, task: dict[str, Any]) -> dict[str, Any]:
    file, levels = Path(task["out"]) / f"{index}.npz", {}
    try:
        whole = read_table(Path(task["tables"][name]))
        table = _thinned(whole, task["most"])
        arrays: dict[str, NDArray[np.generic]] = {}
        times = [feature for feature in task["features"] if _holds_times(column(table, feature))]
        for feature in task["features"]:
            if feature not in times:
                arrays[f"feature:{feature}"], levels[feature] = _feature(column(table, feature))
        classes = model.classes if isinstance(model, LoadedModel) else None
        several = len(classes or ()) > 2
        if isinstance(task["label"], str) and task["label"] in column_names(table):
            labels = column(table, task["label"])
            arrays["label"] = _places(labels, classes or []) if several else _labels(labels, classes)
        at = _times(table, task["time"])
        if at is not None:
            arrays["at"] = at
    except ProblemError as problem:
        return {"file": "", "problem": f"{name}: {problem}", "rows": 0}
    unscored = _scored(model, table, task["label"], arrays)
    if several:
        _decide(arrays)
    np.savez(file, allow_pickle=False, **arrays)
    present_levels = {
        feature: feature_levels for feature, feature_levels in levels.items() if feature_levels is not None
    }
    return {
        "file": str(file), "problem": "", "levels": present_levels, "score": unscored, "probabilities": bool(classes),
        "classes": [str(each) for each in classes or ()] if several else [], "times": times, "rows": len(whole),
    }  # fmt: skip


def _thinned(table: Any, most: int) -> Any:
    """Every n-th row of a long table, so that what is taken out stays small."""
    step = -(-len(table) // most) if most else 1
    if step <= 1:
        return table
    return table.gather_every(step) if is_polars(table) else table.iloc[::step]


def _feature(values: list[Any]) -> tuple[NDArray[np.generic], list[str | bool | float] | None]:
    """A column as numbers, or as codes and the levels that they stand for."""
    present = [value for value in values if value is not None]
    if all(_is_number(value) for value in present):
        return np.array([np.nan if value is None else float(value) for value in values], dtype=np.float64), None
    levels: dict[Any, int] = {}
    codes = [-1 if value is None else levels.setdefault(_plain(value), len(levels)) for value in values]
    return np.array(codes, dtype=np.int32), list(levels)


def _holds_times(values: list[Any]) -> bool:
    """Whether all values are days or moments, each of which comes once: no distribution of them is expected to last."""
    present = [value for value in values if value is not None]
    return bool(present) and all(isinstance(value, datetime.date) for value in present)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool | np.bool_)


def _plain(value: Any) -> Any:
    return bool(value) if isinstance(value, bool | np.bool_) else str(value)


def _labels(values: list[Any], classes: list[Any] | None) -> NDArray[np.generic]:
    """Labels as numbers: 1 for a classifier's second class, 0 for its first, NaN where missing."""
    if classes is not None and len(classes) == 2:
        return np.array([_class_number(value, classes) for value in values], dtype=np.float64)
    try:
        return np.array([np.nan if value is None else float(value) for value in values], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ProblemError(f"the labels are not numbers: {error}") from error


def _places(values: list[Any], classes: list[Any]) -> NDArray[np.generic]:
    """The place of each label among the classes; NaN for one that is missing or none of them."""
    places = {each: index for index, each in enumerate(classes)}
    return np.array([places.get(value, np.nan) for value in values], dtype=np.float64)


def _decide(arrays: dict[str, NDArray[np.generic]]) -> None:
    """Put what is decided, and whether that is wrong, in the place of scores and labels of several classes."""
    score, label = arrays.pop("score", None), arrays.pop("label", None)
    if score is None:
        return
    arrays["decided"] = np.where(np.isfinite(score).all(axis=1), score.argmax(axis=1), -1).astype(np.int32)
    if label is not None:
        arrays["wrong"] = np.where(np.isnan(label), np.nan, arrays["decided"] != label)


def _class_number(value: Any, classes: list[Any]) -> float:
    if value is None:
        return float("nan")
    if value not in classes:
        raise ProblemError(f"the label {value!r} is not a class of the model ({classes[0]!r}, {classes[1]!r})")
    return float(value == classes[1])


def _times(table: Any, named: str | None) -> NDArray[np.generic] | None:
    """Event times as Unix seconds: the named column, else the finest column of dates; None where there is none."""
    if named is not None:
        return _seconds(column(table, named))
    best: NDArray[np.generic] | None = None
    for name in column_names(table):
        first = next((value for value in table[name].head(100).to_list() if value is not None), None)
        if not isinstance(first, datetime.date):
            continue
        seconds = _seconds(column(table, name))
        if best is None or isinstance(first, datetime.datetime):
            best = seconds
    return best


def _seconds(values: list[Any]) -> NDArray[np.generic]:
    try:
        return np.array([_second(value) for value in values], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ProblemError(f"the event times cannot be read: {error}") from error


def _second(value: Any) -> float:
    if value is None:
        return float("nan")
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        value = datetime.datetime.combine(value, datetime.time())
    if isinstance(value, datetime.datetime):
        return (value if value.tzinfo else value.replace(tzinfo=datetime.UTC)).timestamp()
    return float(value)


def _scored(model: LoadedModel | str, table: Any, label: str | None, arrays: dict[str, NDArray[np.generic]]) -> str:
    """Add the model's scores; answers with the problem, empty when there is none."""
    if isinstance(model, str):
        return model
    try:
        scores = model.score(model.features(table, label=label))
    except Exception as error:  # the project's own code may raise anything
        return f"the model cannot predict these rows: {type(error).__name__}: {error}"
    if len(scores) != len(table):
        return f"the model gave {len(scores)} predictions for {len(table)} rows"
    if scores.ndim > 1 and len(model.classes or ()) <= 2:
        return "the model gives several numbers a row"
    arrays["score"] = scores
    return ""
