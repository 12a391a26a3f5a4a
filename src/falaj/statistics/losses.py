"""How wrong a prediction was, as a number from 0 to 1 (pure).

Losses are bounded because the bets on them are (`rollout.analysis`, `monitoring.concept`); the logarithmic loss is cut
off at a probability of 1%, and divided by what it is there. Errors of numbers have no bound of their own: they are cut
off at one that is fixed before (a high quantile of past errors), and divided by it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

OF_CLASSES = ("accuracy", "brier", "log_loss")
OF_NUMBERS = ("mae", "rmse", "pinball")
LOSSES = (*OF_CLASSES, *OF_NUMBERS)
MOST_CLASSES = 200
_LEAST = 0.01
_PROBABILITIES = ("probability", "probabilities", "predict_proba", "proba")


@dataclass(frozen=True)
class LossContext:
    """What must be known beside one answer and its label to say how wrong it was.

    Attributes:
        classes: Classes of the model as they were met in labels and answers; in order, they are those of the
            probabilities as soon as there are as many.
        limit: Errors of numbers above this count like this; None while it is not known.
        quantile: Which quantile `pinball` takes the prediction for.
    """

    classes: tuple[Any, ...] = ()
    limit: float | None = None
    quantile: float = 0.5

    def meeting(self, classes: Iterable[Any]) -> LossContext:
        """With more classes; the same object where all were met before."""
        fresh = {_class(each) for each in classes if each is not None} - set(self.classes)
        if not fresh or len(self.classes) + len(fresh) > MOST_CLASSES:
            return self
        return replace(self, classes=tuple(sorted({*self.classes, *fresh}, key=_in_order)))


_NOTHING = LossContext()


def losses(
    metric: str, outputs: Mapping[str, Sequence[Any]], labels: Sequence[Any], context: LossContext = _NOTHING
) -> list[float]:
    """The loss of each row of one request.

    Args:
        metric: One of `LOSSES`; `accuracy` is 1 for a wrong decision and 0 for a right one, `rmse` the squared error.
        outputs: The model's outputs by name, one value (or list of values) a row.
        labels: What really happened, one value a row; None for a row of which nothing was said.
        context: What else is known.

    Returns:
        A number from 0 to 1 a row; NaN where the label or the outputs say nothing that this loss can be taken of.
    """
    if metric in OF_NUMBERS:
        return [_error(metric, _number(outputs, row), label, context) for row, label in enumerate(labels)]
    rows = [probabilities_of(outputs, row) for row in range(len(labels))]
    return [_loss(metric, outputs, row, probabilities, labels[row], context) for row, probabilities in enumerate(rows)]


def error_of(outputs: Mapping[str, Sequence[Any]], row: int, label: Any) -> float:
    """By how much a predicted number was off; NaN where there is none."""
    number = _number(outputs, row)
    is_number = isinstance(label, int | float) and not isinstance(label, bool)
    return math.nan if number is None or not is_number else abs(number - float(label))


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
    probabilities = probabilities_of(outputs, row)
    if probabilities:
        return float(probabilities[-1])
    value = next(iter(outputs.values()))[row]
    return float(value) if isinstance(value, int | float) else math.nan


def _number(outputs: Mapping[str, Sequence[Any]], row: int) -> float | None:
    """The predicted number; NaN where the model gave none, None where it predicts something else."""
    value = next(iter(outputs.values()))[row]
    if value is None:
        return math.nan
    while isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 1:
        value = value[0]
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _error(metric: str, number: float | None, label: Any, context: LossContext) -> float:
    limit = context.limit
    if number is None or limit is None or isinstance(label, bool) or not isinstance(label, int | float):
        return math.nan
    error = float(label) - number
    if not math.isfinite(error):
        return math.nan if math.isfinite(number) else 1.0  # an answer that is no number is as wrong as can be
    share = min(1.0, abs(error) / limit)
    if metric == "rmse":
        return share**2
    if metric == "mae":
        return share
    side = context.quantile if error > 0 else 1 - context.quantile
    return share * side / max(context.quantile, 1 - context.quantile)


def _decision(
    outputs: Mapping[str, Sequence[Any]], row: int, probabilities: Sequence[float], context: LossContext
) -> Any:
    if "label" in outputs:
        return outputs["label"][row]
    if probabilities:
        place = max(range(len(probabilities)), key=probabilities.__getitem__)
        names = _names(outputs, row, probabilities, context)
        return names[place] if names else place
    return next(iter(outputs.values()))[row]


def _names(
    outputs: Mapping[str, Sequence[Any]], row: int, probabilities: Sequence[float], context: LossContext
) -> Sequence[Any]:
    """The classes in the order of the probabilities; empty while they are not all known."""
    keyed = next((values[row] for values in outputs.values() if isinstance(values[row], Mapping)), None)
    if keyed is not None:
        return sorted(keyed)
    return context.classes if len(context.classes) == len(probabilities) else ()


def _loss(
    metric: str,
    outputs: Mapping[str, Sequence[Any]],
    row: int,
    probabilities: Sequence[float],
    label: Any,
    context: LossContext,
) -> float:
    if label is None:
        return math.nan
    if metric == "accuracy":
        return float(not _same(_decision(outputs, row, probabilities, context), label))
    place = _place(label, _names(outputs, row, probabilities, context))
    if not 0 <= place < len(probabilities):
        return math.nan
    if metric == "log_loss":
        return math.log(max(probabilities[place], _LEAST)) / math.log(_LEAST)
    missed = (probability - (k == place) for k, probability in enumerate(probabilities))
    return min(1.0, sum(each * each for each in missed) / 2)


def _place(label: Any, names: Sequence[Any]) -> int:
    """Where a class is among the probabilities; -1 where that is not known."""
    named = next((place for place, name in enumerate(names) if _same(name, label)), None)
    if named is not None:
        return named
    return int(label) if isinstance(label, bool | int | float) and float(label).is_integer() else -1


def _class(value: Any) -> Any:
    """A class as one spelling: JSON may write 1 as `1`, `1.0` or `true`."""
    if isinstance(value, bool | int | float):
        return int(value) if float(value).is_integer() else float(value)
    return str(value)


def _in_order(value: Any) -> tuple[bool, float, str]:
    """As libraries order classes: numbers by size, text by letters."""
    return isinstance(value, str), 0.0 if isinstance(value, str) else float(value), str(value)


def _same(decision: Any, label: Any) -> bool:
    """Whether a class was named as the label says; JSON may write the class 1 as `1`, `1.0`, `true` or `"1"`."""
    if isinstance(decision, bool | int | float) and isinstance(label, bool | int | float):
        return float(decision) == float(label)
    return str(decision) == str(label)
