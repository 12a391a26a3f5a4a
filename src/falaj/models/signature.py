"""What a model takes and gives: the signature of an MLmodel file as plain data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from falaj.models.errors import ModelError

# MLflow type -> (NumPy dtype, Open Inference Protocol datatype)
KINDS: Mapping[str, tuple[str, str]] = {
    "boolean": ("?", "BOOL"),
    "integer": ("<i4", "INT32"),
    "long": ("<i8", "INT64"),
    "float": ("<f4", "FP32"),
    "double": ("<f8", "FP64"),
    "string": ("O", "BYTES"),
}
# Types that columns do not have and tensors may.
_TENSOR_ONLY: Mapping[str, tuple[str, str]] = {
    "int8": ("|i1", "INT8"),
    "int16": ("<i2", "INT16"),
    "uint8": ("|u1", "UINT8"),
    "uint16": ("<u2", "UINT16"),
    "uint32": ("<u4", "UINT32"),
    "uint64": ("<u8", "UINT64"),
    "float16": ("<f2", "FP16"),
}
_TIME = "datetime"  # JSON and the Open Inference Protocol have no times: they travel as text
_ALL: Mapping[str, tuple[str, str]] = {**KINDS, **_TENSOR_ONLY}
_TENSOR_KINDS = {
    "bool": "boolean",
    "int32": "integer",
    "int64": "long",
    "float32": "float",
    "float64": "double",
    "str": "string",
    "object": "string",
    **{name: name for name in _TENSOR_ONLY},
}
_EXACT_IN_A_FLOAT = (-(2**53), 2**53 - 1)


def _bounds(dtype: str) -> tuple[int, int]:
    """Least and greatest whole number of a NumPy dtype, by its letter and its bytes."""
    bits = 8 * int(dtype[2])
    return (0, 2**bits - 1) if dtype[1] == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


_BOUNDS = {kind: _bounds(dtype) for kind, (dtype, _datatype) in _ALL.items() if dtype[1:2] in ("i", "u")}
_DTYPES = {
    (kind, required): dtype if required or not (kind in _BOUNDS or kind == "boolean") else "<f8"
    for kind, (dtype, _datatype) in _ALL.items()
    for required in (True, False)
}
KIND_OF_DATATYPE: Mapping[str, str] = {datatype: kind for kind, (_dtype, datatype) in _ALL.items()}


@dataclass(frozen=True, slots=True)
class ModelFeature:
    """One input of a model.

    Attributes:
        name: Column or tensor name; "" for the only, unnamed tensor.
        kind: MLflow type: boolean, integer, long, float, double, string; of a tensor also the other NumPy types.
        required: A required column may be neither left out nor missing in a row.
        shape: Dimensions after the row dimension; () for a column, -1 for any length.
        time: Whether the texts are days or moments in ISO 8601; the model is given what its table had.
    """

    name: str
    kind: str
    required: bool = True
    shape: tuple[int, ...] = ()
    time: bool = False

    @property
    def dtype(self) -> str:
        """NumPy dtype of the array given to the model; whole numbers that may be missing become float64."""
        return _DTYPES[self.kind, self.required]

    @property
    def datatype(self) -> str:
        """Open Inference Protocol datatype."""
        return _ALL[self.kind][1]

    @property
    def whole(self) -> bool:
        """True for whole numbers."""
        return self.kind in _BOUNDS

    @property
    def bounds(self) -> tuple[int, int]:
        """Least and greatest whole number; of those that may be missing only what a float holds exactly."""
        low, high = _BOUNDS[self.kind]
        if self.required:
            return low, high
        return max(low, _EXACT_IN_A_FLOAT[0]), min(high, _EXACT_IN_A_FLOAT[1])


@dataclass(frozen=True, slots=True)
class ModelSignature:
    """The inputs of a model in the order it was trained with.

    Attributes:
        features: Columns, or tensors.
        columns: True for a table of columns, False for tensors.
    """

    features: tuple[ModelFeature, ...]
    columns: bool

    @property
    def names(self) -> tuple[str, ...]:
        """Feature names in order."""
        return tuple(feature.name for feature in self.features)


def parse_signature(inputs_json: str) -> ModelSignature:
    """Read the `signature.inputs` text of an MLmodel file.

    Args:
        inputs_json: JSON list of MLflow column or tensor specifications.

    Returns:
        The signature.

    Raises:
        ModelError: A type is not one that this server validates (binary, objects, arrays, maps).
    """
    specs = json.loads(inputs_json)
    if not specs:
        raise ModelError("the model's signature has no inputs", code="serving.no-signature")
    tensors = any(spec["type"] == "tensor" for spec in specs)
    parse = _tensor if tensors else _column
    return ModelSignature(tuple(parse(index, spec) for index, spec in enumerate(specs)), columns=not tensors)


def _column(index: int, spec: Mapping[str, Any]) -> ModelFeature:
    name, required = spec.get("name", str(index)), bool(spec.get("required", True))
    if spec["type"] == _TIME:
        return ModelFeature(name, "string", required, time=True)
    if spec["type"] not in KINDS:
        raise ModelError(
            f"the model reads column {name!r}, which has the type {spec['type']!r}",
            hint=f"make it one of these in a step before: {', '.join((*KINDS, _TIME))}",
        )
    return ModelFeature(name, spec["type"], required)


def _tensor(_index: int, spec: Mapping[str, Any]) -> ModelFeature:
    tensor, name = spec["tensor-spec"], spec.get("name", "")
    if tensor["dtype"] not in _TENSOR_KINDS:
        raise ModelError(
            f"tensor {name!r} has dtype {tensor['dtype']!r}", hint=f"supported: {', '.join(_TENSOR_KINDS)}"
        )
    return ModelFeature(name, _TENSOR_KINDS[tensor["dtype"]], shape=tuple(tensor["shape"][1:]))
