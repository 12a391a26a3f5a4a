"""MLflow's scoring protocol: `dataframe_split`, `dataframe_records`, `instances` and `inputs` to a payload."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Any

import msgspec
import numpy as np

from falaj.dataplane.model_server.casting import compile_cast
from falaj.dataplane.model_server.decoding import column_decoder, record_decoder, row_decoder, whole_values, without_nan
from falaj.models.errors import InvalidInputError
from falaj.models.signature import ModelFeature, ModelSignature
from falaj.models.tables import Array, InputColumns, Payload, Rows

_FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")
_UNSET = msgspec.UNSET


class _Params(msgspec.Struct):
    """What is asked of the server; other parameters are the model's own."""

    answer: str | None = None


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    dataframe_split: msgspec.Raw | msgspec.UnsetType = _UNSET
    dataframe_records: msgspec.Raw | msgspec.UnsetType = _UNSET
    instances: msgspec.Raw | msgspec.UnsetType = _UNSET
    inputs: msgspec.Raw | msgspec.UnsetType = _UNSET
    params: _Params | None = None


class _Split(msgspec.Struct, forbid_unknown_fields=True):
    data: msgspec.Raw
    columns: tuple[str, ...] | msgspec.UnsetType = _UNSET
    index: msgspec.Raw | msgspec.UnsetType = _UNSET


@dataclass(frozen=True, slots=True)
class InvokeRequest:
    """A decoded request.

    Attributes:
        payload: Validated rows.
        answer: What the caller asked for: label, probabilities, both; None where it did not say.
    """

    payload: Payload
    answer: str | None


class InvocationDecoder:
    """Decodes `/invocations` bodies of one signature.

    Args:
        signature: The model's inputs; compiled here, once.
    """

    def __init__(self, signature: ModelSignature) -> None:
        self._signature = signature
        self._body = msgspec.json.Decoder(_Body)
        self._split = msgspec.json.Decoder(_Split)
        self._rows_of = lru_cache(maxsize=64)(self._compile_rows)
        if signature.columns:
            self._records = record_decoder(signature.features)
            self._by_column = self._compile_by_column()

    def decode(self, body: bytes) -> Payload:
        """Turn a body into its rows, at least one, in signature order; see `decode_request`."""
        return self.decode_request(body).payload

    def decode_request(self, body: bytes) -> InvokeRequest:
        """Turn a body into a request.

        Args:
            body: JSON text; NaN is read as null.

        Returns:
            The request, its rows validated and in signature order.

        Raises:
            InvalidInputError: The body does not fit; names row and column where there is one to blame.
        """
        try:
            request = self._decode(body)
        except msgspec.DecodeError as error:
            request = self._decode_strict(without_nan(body, error))
        if request.payload.count == 0:
            raise InvalidInputError("the request has no rows")
        return request

    def _decode_strict(self, body: bytes) -> InvokeRequest:
        try:
            return self._decode(body)
        except msgspec.DecodeError as error:
            raise InvalidInputError(f"the body is not what was expected: {error}") from None

    def _decode(self, body: bytes) -> InvokeRequest:
        members = self._body.decode(body)
        answer = members.params.answer if members.params else None
        return InvokeRequest(self._payload(members), answer)

    def _payload(self, members: _Body) -> Payload:
        present_forms = [form for form in _FORMS if getattr(members, form) is not _UNSET]
        if len(present_forms) != 1:
            raise InvalidInputError(
                f"the body must have exactly one of {', '.join(_FORMS)}; it has {len(present_forms)}"
            )
        raw: msgspec.Raw = getattr(members, present_forms[0])
        if not self._signature.columns:
            return self._tensors(present_forms[0], raw)
        match present_forms[0]:
            case "dataframe_split":
                split = self._split.decode(raw)
                names = self._signature.names if split.columns is _UNSET else split.columns
                return self._rows_of(names)(split.data)
            case "inputs":
                return self._columns(raw)
            case "instances" if bytes(raw).lstrip()[1:].lstrip()[:1] == b"[":
                return self._rows_of(self._signature.names)(raw)
            case _:
                return Rows(self._records(raw))

    def _compile_rows(self, names: tuple[str, ...]) -> Callable[[Any], Payload]:
        """Decoder of list rows whose columns come in the given order."""
        features, order = _arrange(self._signature, names)
        decode = row_decoder(features, _by_position(names))
        if order is None:
            return lambda raw: Rows(decode(raw))
        pick, padded = order, (None,)
        return lambda raw: Rows([pick(row + padded) for row in decode(raw)])

    def _compile_by_column(self) -> dict[str, Callable[[Any], list[Any]]]:
        return {feature.name: column_decoder(feature) for feature in self._signature.features}

    def _columns(self, raw: msgspec.Raw) -> Payload:
        """Decode `inputs` of a column signature: an object of equally long lists."""
        members = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        _check_names(self._signature, tuple(members))
        decoded = {name: self._by_column[name](value) for name, value in members.items()}
        lengths = {name: len(values) for name, values in decoded.items()}
        count = max(lengths.values(), default=0)
        short = next((name for name, length in lengths.items() if length != count), None)
        if short is not None:
            raise InvalidInputError(f"column {short!r} has {lengths[short]} values, others {count}", field=short)
        whole = [decoded.get(name) or [None] * count for name in self._signature.names]
        return Rows(list(zip(*whole, strict=True)))

    def _tensors(self, form: str, raw: msgspec.Raw) -> Payload:
        """Decode `instances` or `inputs` of a tensor signature."""
        if form not in ("instances", "inputs"):
            raise InvalidInputError(f"this model takes tensors: send `instances` or `inputs`, not {form!r}")
        features = self._signature.features
        value = msgspec.json.decode(raw)
        if len(features) > 1 or (isinstance(value, dict) and features[0].name in value):
            if not isinstance(value, dict):
                raise InvalidInputError(f"send an object with {', '.join(self._signature.names)}")
            _check_names(self._signature, tuple(value))
            arrays = [tensor_of(feature, value[feature.name]) for feature in features]
        else:
            arrays = [tensor_of(features[0], value)]
        same_length(self._signature.names, arrays)
        return InputColumns(arrays)


def tensor_of(feature: ModelFeature, values: Any) -> Array:
    """Make an array of nested lists and check its shape.

    Raises:
        InvalidInputError: Values of another type, ragged lists, or another shape.
    """
    return checked_shape(feature, array_of(feature, values))


def array_of(feature: ModelFeature, values: Any) -> Array:
    """Make an array of nested lists, of any shape.

    Raises:
        InvalidInputError: Values of another type, or ragged lists.
    """
    name = feature.name or "input"
    try:
        array = _untyped_array(feature, values)
    except (ValueError, TypeError) as error:
        raise InvalidInputError(f"tensor {name!r} must hold {feature.kind} values: {error}", field=name) from None
    return compile_cast(feature, missing=True)(array)


def _untyped_array(feature: ModelFeature, values: Any) -> Array:
    """Nested lists as an array of the type that they have; null is NaN among floats."""
    if feature.kind == "string":
        return np.asarray(values, dtype="O")
    array = np.asarray(values)
    if array.dtype.kind == "O" and not feature.whole:
        return np.asarray(np.where(array == np.array(None), np.nan, array).tolist())
    if array.dtype.kind == "f" and feature.whole:  # also what whole numbers become beside others, and lose digits
        exact = np.asarray(values, dtype="O")
        return np.array(whole_values(feature, exact.reshape(-1).tolist()), feature.dtype).reshape(exact.shape)
    return array


def checked_shape(feature: ModelFeature, array: Array) -> Array:
    """Return the array if its dimensions are the feature's."""
    expected_shape = (-1, *feature.shape)
    fits = array.ndim == len(expected_shape) and all(
        w in (-1, n) for w, n in zip(expected_shape, array.shape, strict=False)
    )
    if not fits:
        name = feature.name or "input"
        raise InvalidInputError(
            f"tensor {name!r} must have shape {list(expected_shape)}, not {list(array.shape)}", field=name
        )
    return array


def same_length(names: Sequence[str], arrays: Sequence[Array]) -> None:
    """Raise InvalidInputError unless all arrays have the same number of rows."""
    for name, array in zip(names, arrays, strict=True):
        if len(array) != len(arrays[0]):
            raise InvalidInputError(f"{name!r} has {len(array)} rows, {names[0]!r} {len(arrays[0])}", field=name)


def _check_names(signature: ModelSignature, names: tuple[str, ...]) -> None:
    column_names = signature.names
    for name in names:
        if name not in column_names:
            raise InvalidInputError(f"column {name!r} is not in the signature: {', '.join(column_names)}", field=name)
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidInputError(f"column {twice!r} is given twice", field=twice)
    for feature in signature.features:
        if feature.required and feature.name not in names:
            raise InvalidInputError(f"column {feature.name!r} is missing", field=feature.name)


def _arrange(
    signature: ModelSignature, names: tuple[str, ...]
) -> tuple[list[ModelFeature], Callable[[tuple[Any, ...]], tuple[Any, ...]] | None]:
    """Features in the order given, and what puts a row into signature order (None when it already is)."""
    _check_names(signature, names)
    by_name = {feature.name: feature for feature in signature.features}
    features = [by_name[name] for name in names]
    if names == signature.names:
        return features, None
    absent = len(names)  # position of the None appended to every row
    positions = [names.index(name) if name in names else absent for name in signature.names]
    if len(positions) == 1:
        return features, lambda row: (row[positions[0]],)
    return features, itemgetter(*positions)


def _by_position(names: tuple[str, ...]) -> Callable[[str], str | None]:
    def column_of(rest: str) -> str | None:
        index = rest.strip("[]")
        return names[int(index)] if index.isdigit() else None

    return column_of
