"""What a response holds of a model's outputs: labels, probabilities, or both."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Literal, get_args

import msgspec

from falaj.models.errors import InvalidInputError, ModelError
from falaj.models.tables import Array

Answer = Literal["label", "probabilities", "both"]
ANSWERS: tuple[str, ...] = get_args(Answer)
PROBABILITY = "probability"

Outputs = Mapping[str, Array]
Encode = Callable[[Outputs], bytes]


class AnswerForms:
    """The forms in which one model answers, compiled once.

    Args:
        outputs: Names of the model's outputs.
        default: What `/invocations` answers with where the caller does not say; an output's name.
        configured: What the project says about answers of both protocols; None where it says nothing.
        classes: What the columns of the probabilities stand for; None where that is not known.

    Raises:
        ModelError: The model cannot answer as configured.
    """

    def __init__(
        self,
        outputs: Collection[str],
        default: str,
        configured: str | None = None,
        classes: Sequence[Any] | None = None,
    ) -> None:
        self._has_probabilities = PROBABILITY in outputs
        labels = tuple(name for name in outputs if name != PROBABILITY)
        label = _label(labels[0] if default == PROBABILITY and labels else default)
        if len(labels) > 1:  # a graph of several outputs; estimators have one beside the probabilities
            label = _all_of(labels)
        tail = b"" if classes is None else b',"classes":' + msgspec.json.encode(classes)
        self._encoders: dict[str, Encode] = {
            "label": label,
            "probabilities": _probabilities(tail),
            "both": _both(label, tail) if self._has_probabilities else label,
        }
        self._names = {"label": labels, "probabilities": (PROBABILITY,), "both": tuple(outputs)}
        if configured == "probabilities" and not self._has_probabilities:
            raise ModelError(
                "serving.answer is probabilities, and the model gives none", hint="falaj.yaml: answer: label"
            )
        self._default = self._encoders[configured or ("probabilities" if default == PROBABILITY else "label")]
        self._default_names = None if configured in (None, "both") else self._names[configured]

    def invocations(self, answer: str | None) -> Encode:
        """What makes the body of a response of `/invocations` from the outputs.

        Args:
            answer: What the caller asked for; None for the default.

        Raises:
            InvalidInputError: There is no such answer.
        """
        if answer is None:
            return self._default
        self._check(answer)
        return self._encoders[answer]

    def output_names(self, answer: str | None) -> tuple[str, ...] | None:
        """Names of the outputs that an inference answers with where it does not name them; None for all.

        Raises:
            InvalidInputError: There is no such answer.
        """
        if answer is None:
            return self._default_names
        self._check(answer)
        return self._names[answer]

    def _check(self, answer: str) -> None:
        if answer not in ANSWERS:
            message = f"there is no answer {answer[:40]!r}; it is one of {', '.join(ANSWERS)}"
            raise InvalidInputError(message, field="answer")
        if answer == "probabilities" and not self._has_probabilities:
            raise InvalidInputError("the model gives no probabilities", field="answer")


def _json(values: Array) -> bytes:
    return msgspec.json.encode(values.tolist())


def _label(name: str) -> Encode:
    return lambda outputs: b'{"predictions":%b}' % _json(outputs[name])


def _all_of(names: Sequence[str]) -> Encode:
    """Every output under its name, as MLflow answers for a model of several."""
    return lambda outputs: msgspec.json.encode({"predictions": {name: outputs[name].tolist() for name in names}})


def _probabilities(tail: bytes) -> Encode:
    return lambda outputs: b'{"predictions":%b%b}' % (_json(outputs[PROBABILITY]), tail)


def _both(label: Encode, tail: bytes) -> Encode:
    return lambda outputs: b'%b,"probabilities":%b%b}' % (label(outputs)[:-1], _json(outputs[PROBABILITY]), tail)
