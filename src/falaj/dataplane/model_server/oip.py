"""Open Inference Protocol V2: JSON and binary tensors to a payload, and results back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from falaj.dataplane.model_server.casting import compile_cast
from falaj.dataplane.model_server.decoding import column_decoder, without_nan
from falaj.dataplane.model_server.invocations import array_of, checked_shape, same_length
from falaj.models.errors import InvalidInputError
from falaj.models.signature import KIND_OF_DATATYPE, KINDS, ModelFeature, ModelSignature
from falaj.models.tables import Array, InputColumns, Payload

DTYPES: Mapping[str, str] = {
    "BOOL": "?",
    "UINT8": "<u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "<i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
    "BYTES": "O",
}


class _Parameters(msgspec.Struct):
    binary_data_size: int | None = None
    binary_data: bool | None = None
    binary_data_output: bool | None = None


class _RequestParameters(_Parameters):
    answer: str | None = None


class _Input(msgspec.Struct):
    name: str
    shape: list[int]
    datatype: str
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    parameters: _Parameters | None = None


class _Output(msgspec.Struct):
    name: str
    parameters: _Parameters | None = None


class _Request(msgspec.Struct):
    inputs: list[_Input]
    id: str | None = None
    outputs: list[_Output] | None = None
    parameters: _RequestParameters | None = None


@dataclass(frozen=True, slots=True)
class InferRequest:
    """A decoded request.

    Attributes:
        payload: Validated rows.
        id: The request's own id, if it gave one in the body.
        outputs: Names of the outputs asked for; None for all.
        binary: Names of the outputs wanted as binary tensors; None for all of them.
        answer: Which of label and probabilities where `outputs` does not say; None where the caller did not.
    """

    payload: Payload
    id: str | None
    outputs: tuple[str, ...] | None
    binary: frozenset[str] | None
    answer: str | None = None


class InferDecoder:
    """Decodes inference requests of one signature.

    Args:
        signature: The model's inputs; compiled here, once.
    """

    def __init__(self, signature: ModelSignature) -> None:
        self._signature = signature
        self._by_name = {feature.name: feature for feature in signature.features}
        self._request = msgspec.json.Decoder(_Request)
        self._values = {f.name: column_decoder(f) for f in signature.features} if signature.columns else {}
        self._casts = {f.name: self._compile_cast(f) for f in signature.features}

    def _compile_cast(self, feature: ModelFeature) -> Callable[[Array], Array]:
        if not self._signature.columns:
            cast = compile_cast(feature, missing=True)
            return lambda array: checked_shape(feature, cast(array))
        cast = compile_cast(feature, missing=not feature.required)
        return lambda array: cast(_one_value_a_row(feature, array))

    def decode(self, body: bytes, header_length: int | None) -> InferRequest:
        """Turn a body into a request.

        Args:
            body: JSON text, or JSON text followed by binary tensors.
            header_length: Bytes of JSON when binary tensors follow (`Inference-Header-Content-Length`).

        Returns:
            The request, its rows validated.

        Raises:
            InvalidInputError: It does not fit the signature or the protocol.
        """
        if header_length is not None and not 0 < header_length <= len(body):
            raise InvalidInputError(f"the header length {header_length} does not fit a body of {len(body)} bytes")
        head, tail = (body, b"") if header_length is None else (body[:header_length], body[header_length:])
        request = self._parse(head)
        arrays = self._arrays(request.inputs, memoryview(tail))
        payload = InputColumns(self._arranged(request.inputs, arrays))
        if payload.count == 0:
            raise InvalidInputError("the request has no rows")
        answer = request.parameters.answer if request.parameters else None
        return InferRequest(payload, request.id, _requested_outputs(request), _binary(request), answer)

    def _parse(self, head: bytes) -> _Request:
        try:
            return self._request.decode(head)
        except msgspec.DecodeError as error:
            strict = without_nan(head, error)
        try:
            return self._request.decode(strict)
        except msgspec.DecodeError as error:
            raise InvalidInputError(f"the body is not what was expected: {error}") from None

    def _arrays(self, inputs: Sequence[_Input], tail: memoryview) -> list[Array]:
        arrays, start = [], 0
        for tensor in inputs:
            if tensor.datatype not in DTYPES:
                raise InvalidInputError(
                    f"input {tensor.name!r} has unknown datatype {tensor.datatype!r}", field=tensor.name
                )
            size = tensor.parameters.binary_data_size if tensor.parameters else None
            if size is None:
                arrays.append(self._from_json(tensor))
            else:
                arrays.append(_from_binary(tensor, tail[start : start + size], size))
                start += size
        return arrays

    def _from_json(self, tensor: _Input) -> Array:
        if tensor.data is msgspec.UNSET:
            raise InvalidInputError(f"input {tensor.name!r} has no data", field=tensor.name)
        feature = self._by_name.get(tensor.name)
        if feature is None or not self._signature.columns:
            return _reshaped(tensor, _flat_json(tensor, tensor.data))
        values = self._values[tensor.name](tensor.data)
        array = _reshaped(tensor, np.array(values, dtype=feature.dtype))
        if tensor.datatype not in _PLAIN[feature.kind]:
            _check_declared(tensor, feature, array)
        return array

    def _arranged(self, inputs: Sequence[_Input], arrays: Sequence[Array]) -> list[Array]:
        """Arrays in signature order, types checked."""
        if self._is_whole_table(inputs, arrays):
            matrix = arrays[0]
            return [cast(matrix[:, index]) for index, cast in enumerate(self._casts.values())]
        named_arrays = self._named(inputs, arrays)
        same_length(tuple(named_arrays), list(named_arrays.values()))
        count = len(arrays[0]) if arrays else 0
        return [
            self._casts[f.name](named_arrays[f.name]) if f.name in named_arrays else _left_out(f, count)
            for f in self._signature.features
        ]

    def _is_whole_table(self, inputs: Sequence[_Input], arrays: Sequence[Array]) -> bool:
        """One [n, k] tensor stands for the k columns of an all-numeric table, as KServe's clients send it."""
        features = self._signature.features
        return (
            self._signature.columns
            and len(inputs) == 1
            and inputs[0].name not in self._by_name
            and arrays[0].ndim == 2
            and arrays[0].shape[1] == len(features)
            and all(feature.kind != "string" for feature in features)
        )

    def _named(self, inputs: Sequence[_Input], arrays: Sequence[Array]) -> dict[str, Array]:
        if not self._signature.columns and len(self._by_name) == len(inputs) == 1:
            return {self._signature.features[0].name: arrays[0]}
        named_arrays: dict[str, Array] = {}
        for tensor, array in zip(inputs, arrays, strict=True):
            if tensor.name not in self._by_name:
                signature_names = ", ".join(self._by_name)
                raise InvalidInputError(
                    f"input {tensor.name!r} is not in the signature: {signature_names}", field=tensor.name
                )
            if tensor.name in named_arrays:
                raise InvalidInputError(f"input {tensor.name!r} is given twice", field=tensor.name)
            named_arrays[tensor.name] = array
        for name, feature in self._by_name.items():
            if feature.required and name not in named_arrays:
                raise InvalidInputError(f"input {name!r} is missing", field=name)
        return named_arrays


def _requested_outputs(request: _Request) -> tuple[str, ...] | None:
    return None if request.outputs is None else tuple(output.name for output in request.outputs)


def _binary(request: _Request) -> frozenset[str] | None:
    if request.parameters and request.parameters.binary_data_output:
        return None
    binary_names = [o.name for o in request.outputs or () if o.parameters and o.parameters.binary_data]
    return frozenset(binary_names)


def _flat_json(tensor: _Input, data: msgspec.Raw) -> Array:
    """Values as the request declares them, where it does not speak of columns by name."""
    declared = ModelFeature(tensor.name, KIND_OF_DATATYPE[tensor.datatype])
    try:
        return array_of(declared, msgspec.json.decode(data)).reshape(-1)
    except msgspec.DecodeError as error:
        raise InvalidInputError(f"input {tensor.name!r}: {error}", field=tensor.name) from None


# Datatypes that hold every value of a column's kind, so that values of that kind need no second look.
_PLAIN = {
    kind: ("BYTES",) if kind == "string" else (datatype, "FP64", "FP32") for kind, (_dtype, datatype) in KINDS.items()
}


def _check_declared(tensor: _Input, feature: ModelFeature, array: Array) -> None:
    """Refuse values of another type than the request declares, as their bytes could not be sent."""
    declared = ModelFeature(tensor.name, KIND_OF_DATATYPE[tensor.datatype], feature.required)
    if "string" in (feature.kind, declared.kind):
        raise _another_type(feature, tensor.datatype)
    if feature.whole and declared.whole:
        compile_cast(declared, missing=not feature.required)(array)


def _another_type(feature: ModelFeature, datatype: str) -> InvalidInputError:
    return InvalidInputError(f"input {feature.name!r} must be {feature.datatype}, not {datatype}", field=feature.name)


def _from_binary(tensor: _Input, data: memoryview, size: int) -> Array:
    if len(data) != size:
        raise InvalidInputError(
            f"input {tensor.name!r}: {len(data)} of {size} binary bytes are there", field=tensor.name
        )
    if tensor.datatype == "BYTES":
        return _reshaped(tensor, np.array(_texts(tensor, data), dtype="O"))
    dtype = np.dtype(DTYPES[tensor.datatype])
    if size % dtype.itemsize:
        raise InvalidInputError(
            f"input {tensor.name!r}: {size} bytes are not a whole {tensor.datatype} values", field=tensor.name
        )
    return _reshaped(tensor, np.frombuffer(data, dtype))


def _texts(tensor: _Input, data: memoryview) -> list[str]:
    """Length-prefixed byte strings of the binary extension, as text."""
    texts, at = [], 0
    try:
        while at < len(data):
            length = int.from_bytes(data[at : at + 4], "little")
            if at + 4 + length > len(data):
                raise ValueError("a string reaches beyond the data")
            texts.append(str(data[at + 4 : at + 4 + length], "utf-8"))
            at += 4 + length
    except ValueError as error:
        raise InvalidInputError(f"input {tensor.name!r}: {error}", row=len(texts), field=tensor.name) from None
    return texts


def _reshaped(tensor: _Input, flat: Array) -> Array:
    try:
        if not tensor.shape or any(length < 0 for length in tensor.shape):
            raise ValueError("no length, or a negative one")
        return flat.reshape(tensor.shape)
    except ValueError:
        raise InvalidInputError(
            f"input {tensor.name!r}: {flat.size} values do not fill shape {tensor.shape}", field=tensor.name
        ) from None


def _left_out(feature: ModelFeature, count: int) -> Array:
    """A column that is not required and was not sent: missing in every row."""
    return np.full(count, None if feature.kind == "string" else np.nan, feature.dtype)


def _one_value_a_row(feature: ModelFeature, array: Array) -> Array:
    if array.ndim == 1:
        return array
    if array.ndim == 2 and array.shape[1] == 1:
        return array[:, 0]
    raise InvalidInputError(f"input {feature.name!r} must have shape [n] or [n, 1]", field=feature.name)
