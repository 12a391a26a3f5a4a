"""How wrong a prediction was, as a number from 0 to 1 (pure).

Losses are bounded because the bets on them are (`rollout.analysis`, `monitoring.concept`); the logarithmic loss is cut
off at a probability of 1%, and divided by what it is there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

LOSSES = ("accuracy", "brier", "log_loss")
_LEAST = 0.01
_PROBABILITIES = ("probability", "probabilities", "predict_proba", "proba")


def losses(metric: str, outputs: Mapping[str, Sequence[Any]], labels: Sequence[Any]) -> list[float]:
    """The loss of each row of one request.

    Args:
        metric: One of `LOSSES`; `accuracy` is 1 for a wrong decision and 0 for a right one.
        outputs: The model's outputs by name, one value (or list of values) a row.
        labels: What really happened, one value a row; None for a row of which nothing was said.

    Returns:
        A number from 0 to 1 a row; NaN where the label or the outputs say nothing that this loss can be taken of.
    """
    rows = [probabilities_of(outputs, row) for row in range(len(labels))]
    decided = [_decision(outputs, row, found) for row, found in enumerate(rows)]
    return [_loss(metric, found, decision, label) for found, decision, label in zip(rows, decided, labels, strict=True)]


def probabilities_of(outputs: Mapping[str, Sequence[Any]], row: int) -> Sequence[float]:
    """The probability of each class in a row, empty where the outputs hold none.

    A single number from 0 to 1 beside no class is the probability of class 1.
    """
    name = next((name for name in _PROBABILITIES if name in outputs), None)
    if name is None and len(outputs) == 1 and "label" not in outputs:
        name = next(iter(outputs))
    if name is None:
        return ()
    value = outputs[name][row]
    if isinstance(value, Mapping):  # ONNX's ZipMap
        return [float(value[key]) for key in sorted(value)]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [float(each) for each in value]
    single = isinstance(value, float) and 0 <= value <= 1
    return (1 - value, value) if single else ()


def score_of(outputs: Mapping[str, Sequence[Any]], row: int) -> float:
    """The number by which predictions are compared: the probability of the last class, or the number itself."""
    found = probabilities_of(outputs, row)
    if found:
        return float(found[-1])
    value = next(iter(outputs.values()))[row]
    return float(value) if isinstance(value, int | float) else math.nan


def _decision(outputs: Mapping[str, Sequence[Any]], row: int, probabilities: Sequence[float]) -> Any:
    if "label" in outputs:
        return outputs["label"][row]
    if probabilities:
        return max(range(len(probabilities)), key=probabilities.__getitem__)
    return next(iter(outputs.values()))[row]


def _loss(metric: str, probabilities: Sequence[float], decision: Any, label: Any) -> float:
    if label is None:
        return math.nan
    if metric == "accuracy":
        return float(not _same(decision, label))
    place = int(label) if isinstance(label, bool | int | float) and float(label).is_integer() else -1
    if not 0 <= place < len(probabilities):
        return math.nan
    if metric == "log_loss":
        return math.log(max(probabilities[place], _LEAST)) / math.log(_LEAST)
    missed = (probability - (k == place) for k, probability in enumerate(probabilities))
    return min(1.0, sum(each * each for each in missed) / 2)


def _same(decision: Any, label: Any) -> bool:
    """Whether a class was named as the label says; JSON may write the class 1 as `1`, `1.0`, `true` or `"1"`."""
    if isinstance(decision, bool | int | float) and isinstance(label, bool | int | float):
        return float(decision) == float(label)
    return str(decision) == str(label)
