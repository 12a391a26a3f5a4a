"""Arrays of a request in the types of the signature: whole floats are whole numbers, and no value becomes another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from falaj.dataplane.model_server.decoding import check_times
from falaj.models.errors import InvalidInputError
from falaj.models.signature import ModelFeature
from falaj.models.tables import Array

Cast = Callable[[Array], Array]

# By what a feature holds: the kinds of NumPy that are taken for it. Truth values are no numbers, as in JSON; the
# numbers 0 and 1 are truth values, for a matrix of all columns has one type.
_TAKES = {"string": "O", "boolean": "biuf", "number": "iuf"}


def compile_cast(feature: ModelFeature, *, missing: bool) -> Cast:
    """Make what brings arrays into a feature's dtype, where that loses nothing but precision of floats.

    Args:
        feature: What the arrays are for; its dtype and bounds count, not its shape.
        missing: Whether NaN among floats is a missing value that the model takes.

    Returns:
        A function of an array (numbers, truth values, or texts as objects) whose first dimension is the row. It raises
        InvalidInputError for values of another type and for the first that the feature's type does not hold.
    """
    dtype = np.dtype(feature.dtype)
    takes = _TAKES.get(feature.kind, _TAKES["number"])
    convert = _conversion(feature, dtype, missing)

    def cast(array: Array) -> Array:
        if array.dtype == dtype and dtype.kind != "f":
            if feature.time:
                check_times(feature, array)
            return array
        if array.dtype.kind not in takes:
            message = f"{_place_of(feature)} must be {feature.datatype}, not {array.dtype}"
            raise InvalidInputError(message, field=feature.name)
        return convert(array)

    return cast


def _conversion(feature: ModelFeature, dtype: np.dtype[Any], missing: bool) -> Cast:
    if feature.kind == "boolean":
        return lambda array: _truths(feature, array).astype(dtype, copy=False)
    if feature.whole:
        return _to_whole_numbers(feature, dtype)
    return _to_floats(feature, dtype, missing)


def _truths(feature: ModelFeature, array: Array) -> Array:
    if array.dtype.kind != "b":
        gone = not feature.required and array != array  # NaN is not itself
        _refuse_where(feature, array, ~((array == 0) | (array == 1) | gone))
    return array


def _to_whole_numbers(feature: ModelFeature, dtype: np.dtype[Any]) -> Cast:
    low, high = feature.bounds

    def convert(array: Array) -> Array:
        if array.dtype.kind == "f":
            exact = array.astype(np.float64, copy=False)
            # high + 1 is a power of two, which a float holds; high itself it would round up to that.
            fits = (np.trunc(exact) == exact) & (exact >= low) & (exact < high + 1)
            _refuse_where(feature, array, ~(fits if feature.required else fits | np.isnan(exact)))
        else:
            limits = np.iinfo(array.dtype)
            if int(limits.min) < low or int(limits.max) > high:
                _refuse_where(feature, array, (array < low) | (array > high))
        return array.astype(dtype, copy=False)

    return convert


def _to_floats(feature: ModelFeature, dtype: np.dtype[Any], missing: bool) -> Cast:
    def convert(array: Array) -> Array:
        if array.dtype == dtype:
            converted = array
        else:
            with np.errstate(over="ignore"):  # what is infinite in the narrower type is refused below
                converted = array.astype(dtype)
        if not np.isfinite(converted).all():
            _refuse_where(feature, array, np.isinf(converted) if missing else ~np.isfinite(converted))
        return converted

    return convert


def _refuse_where(feature: ModelFeature, array: Array, bad: Any) -> None:
    if not bad.any():
        return
    first = tuple(np.argwhere(bad)[0])
    row, value = int(first[0]), array[first]
    raise InvalidInputError(
        f"row {row}, {_place_of(feature)}: {value} is not {_expected_type(feature)}", row=row, field=feature.name
    )


def _expected_type(feature: ModelFeature) -> str:
    if feature.kind == "boolean":
        return "a truth value"
    if not feature.whole:
        return f"a finite {feature.datatype} number" if feature.required else f"a finite {feature.datatype}, or missing"
    low, high = feature.bounds
    return f"a whole number from {low} to {high}"


def _place_of(feature: ModelFeature) -> str:
    return f"column {feature.name!r}" if feature.name else "the input"
