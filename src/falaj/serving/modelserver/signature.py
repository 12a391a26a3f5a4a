"""What a model takes and gives: the signature of an MLmodel file as plain data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from falaj.serving.modelserver.errors import ModelError

# MLflow type -> (NumPy dtype, Open Inference Protocol datatype)
KINDS: Mapping[str, tuple[str, str]] = {
    "boolean": ("?", "BOOL"),
    "integer": ("<i4", "INT32"),
    "long": ("<i8", "INT64"),
    "float": ("<f4", "FP32"),
    "double": ("<f8", "FP64"),
    "string": ("O", "BYTES"),
}
_TENSOR_KINDS = {
    "bool": "boolean",
    "int32": "integer",
    "int64": "long",
    "float32": "float",
    "float64": "double",
    "str": "string",
    "object": "string",
}


@dataclass(frozen=True, slots=True)
class Feature:
    """One input of a model.

    Attributes:
        name: Column or tensor name; "" for the only, unnamed tensor.
        kind: MLflow type: boolean, integer, long, float, double, string.
        required: A required column may be neither left out nor missing in a row.
        shape: Dimensions after the row dimension; () for a column, -1 for any length.
    """

    name: str
    kind: str
    required: bool = True
    shape: tuple[int, ...] = ()

    @property
    def dtype(self) -> str:
        """NumPy dtype of the array given to the model; whole numbers that may be missing become float64."""
        if not self.required and self.kind in ("boolean", "integer", "long"):
            return "<f8"
        return KINDS[self.kind][0]

    @property
    def datatype(self) -> str:
        """Open Inference Protocol datatype."""
        return KINDS[self.kind][1]


@dataclass(frozen=True, slots=True)
class Signature:
    """The inputs of a model in the order it was trained with.

    Attributes:
        features: Columns, or tensors.
        columns: True for a table of columns, False for tensors.
    """

    features: tuple[Feature, ...]
    columns: bool

    @property
    def names(self) -> tuple[str, ...]:
        """Feature names in order."""
        return tuple(feature.name for feature in self.features)


def parse_signature(inputs_json: str) -> Signature:
    """Read the `signature.inputs` text of an MLmodel file.

    Args:
        inputs_json: JSON list of MLflow column or tensor specifications.

    Returns:
        The signature.

    Raises:
        ModelError: A type is not one that this server validates (binary, datetime, objects, arrays, maps).
    """
    specs = json.loads(inputs_json)
    if not specs:
        raise ModelError("the model's signature has no inputs", code="serving.no-signature")
    tensors = any(spec["type"] == "tensor" for spec in specs)
    parse = _tensor if tensors else _column
    return Signature(tuple(parse(index, spec) for index, spec in enumerate(specs)), columns=not tensors)


def _column(index: int, spec: Mapping[str, Any]) -> Feature:
    name = spec.get("name", str(index))
    if spec["type"] not in KINDS:
        raise ModelError(f"column {name!r} has type {spec['type']!r}", hint=f"supported: {', '.join(KINDS)}")
    return Feature(name, spec["type"], bool(spec.get("required", True)))


def _tensor(_index: int, spec: Mapping[str, Any]) -> Feature:
    tensor, name = spec["tensor-spec"], spec.get("name", "")
    if tensor["dtype"] not in _TENSOR_KINDS:
        raise ModelError(
            f"tensor {name!r} has dtype {tensor['dtype']!r}", hint=f"supported: {', '.join(_TENSOR_KINDS)}"
        )
    return Feature(name, _TENSOR_KINDS[tensor["dtype"]], shape=tuple(tensor["shape"][1:]))
