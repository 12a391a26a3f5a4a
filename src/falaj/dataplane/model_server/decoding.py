"""Typed JSON decoding compiled once from the signature, with errors that name row and column.

msgspec checks every value's type while it parses, in C; its error path (`$[3][5]`) is turned into row and column.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any, NoReturn

import msgspec

from falaj.models.errors import InvalidInputError
from falaj.models.signature import ModelFeature

# From here on a number is infinite in single precision.
_FLOAT_END = 3.4028235677973366e38
_TYPES: dict[str, Any] = {
    "boolean": bool,
    "float": Annotated[float, msgspec.Meta(gt=-_FLOAT_END, lt=_FLOAT_END)],
    "double": float,
    "string": str,
}
_PATH = re.compile(r"^(?P<what>.*) - at `\$(?:\[(?P<row>\d+)\])?(?P<rest>.*)`$", re.DOTALL)
_NAMED = re.compile(r"field `(?P<field>.*)`$", re.DOTALL)
# A line of JSON may hold NaN where Python and pandas wrote it; the standard forbids it and msgspec refuses it.
_OUT_OF_RANGE = msgspec.Raw(b"1e999")
_NOT_JSON = re.compile(rb"\b(NaN|Infinity)\b")


Decode = Callable[[bytes], Any]


def check_times(feature: ModelFeature, values: Iterable[Any]) -> None:
    """Refuse a column of times in which a text is none.

    Raises:
        InvalidInputError: With the row and column of the first.
    """
    for row, value in enumerate(values):
        try:
            _ = value is None or datetime.fromisoformat(value)
        except (TypeError, ValueError):
            message = f"row {row}, column {feature.name!r}: {value!r} is not a date or time of ISO 8601"
            hint = "such as 2026-03-31 or 2026-03-31T12:30:00"
            raise InvalidInputError(f"{message}, {hint}", row=row, field=feature.name) from None


def value_type(feature: ModelFeature, *, floats: bool = False) -> Any:
    """Python type annotation of one value of a column; with `floats` whole numbers may be written as floats."""
    value = _whole_type(feature) if feature.whole else _TYPES[feature.kind]
    if floats and feature.whole:
        value |= float
    return value if feature.required else value | None


def _whole_type(feature: ModelFeature) -> Any:
    low, high = feature.bounds
    return Annotated[int, msgspec.Meta(ge=low, le=high)]


def row_type(features: Sequence[ModelFeature], *, floats: bool = False) -> Any:
    """Annotation of a row written as a JSON list."""
    return tuple[tuple(value_type(feature, floats=floats) for feature in features)]  # type: ignore[misc]


def record_type(features: Sequence[ModelFeature], *, floats: bool = False) -> type[msgspec.Struct]:
    """Struct of a row written as a JSON object; columns that are not required may be left out."""
    names = [f"c{index}" for index in range(len(features))]
    typed = [(name, value_type(f, floats=floats), f) for name, f in zip(names, features, strict=True)]
    required = [(name, value) for name, value, f in typed if f.required]
    optional = [(name, value, None) for name, value, f in typed if not f.required]
    return msgspec.defstruct(
        "Record",
        [*required, *optional],
        rename={name: f.name for name, f in zip(names, features, strict=True)},
        forbid_unknown_fields=True,
        gc=False,
    )


def row_decoder(features: Sequence[ModelFeature], column_of: Callable[[str], str | None]) -> Decode:
    """Make a decoder of rows written as JSON lists: a list of tuples.

    A request that writes whole numbers as `3.0` is decoded twice; one that does not pays nothing.
    """
    exact, floats = (list[row_type(features, floats=each)] for each in (False, True))  # type: ignore[misc]
    if not any(feature.whole for feature in features):
        return _with_times(features, compile_decoder(exact, column_of))
    relaxed = compile_decoder(floats, column_of)
    decode = compile_decoder(exact, column_of, lambda fragment: _whole_rows(features, relaxed(fragment)))
    return _with_times(features, decode)


def _with_times(features: Sequence[ModelFeature], decode: Decode) -> Decode:
    """A decoder of rows that also looks at the texts of times; the decoder itself where there are none."""
    times = [(index, feature) for index, feature in enumerate(features) if feature.time]
    if not times:
        return decode

    def decode_and_check(fragment: bytes) -> Any:
        rows = decode(fragment)
        for index, feature in times:
            check_times(feature, (row[index] for row in rows))
        return rows

    return decode_and_check


def record_decoder(features: Sequence[ModelFeature]) -> Decode:
    """Make a decoder of rows written as JSON objects: a list of tuples in the order of the features."""
    exact, relaxed = (_record_decoder(features, floats=each) for each in (False, True))
    if not any(feature.whole for feature in features):
        return _with_times(features, exact)

    def decode(fragment: bytes) -> Any:
        try:
            return exact(fragment)
        except InvalidInputError:
            return _whole_rows(features, relaxed(fragment))

    return _with_times(features, decode)


def _record_decoder(features: Sequence[ModelFeature], *, floats: bool) -> Decode:
    record = record_type(features, floats=floats)
    decode = compile_decoder(list[record], lambda rest: rest.removeprefix(".") or None)  # type: ignore[valid-type]
    by_name = dict(zip(record.__struct_encode_fields__, record.__struct_fields__, strict=True))
    fields = [by_name[feature.name] for feature in features]
    return lambda fragment: [tuple(getattr(entry, field) for field in fields) for entry in decode(fragment)]


def _whole_rows(features: Sequence[ModelFeature], rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    columns = zip(features, zip(*rows, strict=True), strict=True) if rows else ()
    return list(zip(*(whole_values(f, values) if f.whole else values for f, values in columns), strict=True))


def whole_values(feature: ModelFeature, values: Sequence[Any]) -> list[Any]:
    """A column's values with whole floats as integers.

    Raises:
        InvalidInputError: A number is not whole, or beyond the feature's bounds.
    """
    low, high = feature.bounds
    return [None if v is None else _whole(feature, row, v, low, high) for row, v in enumerate(values)]


def _whole(feature: ModelFeature, row: int, value: float, low: int, high: int) -> int:
    if math.isfinite(value) and value == (whole := int(value)) and low <= whole <= high:
        return whole
    message = f"row {row}, column {feature.name!r}: {value} is not a whole number from {low} to {high}"
    raise InvalidInputError(message, row=row, field=feature.name)


def compile_decoder(annotation: Any, column_of: Callable[[str], str | None], otherwise: Decode | None = None) -> Decode:
    """Make a decoder of one JSON fragment.

    Args:
        annotation: What the fragment holds.
        column_of: Gives the column of the part of msgspec's error path that follows the row, if there is one.
        otherwise: Decodes a fragment that does not fit the annotation.

    Returns:
        A function from the fragment's bytes to the decoded value; raises InvalidInputError.
    """
    decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(annotation)

    def decode(fragment: bytes) -> Any:
        try:
            return decoder.decode(fragment)
        except msgspec.ValidationError as error:
            if otherwise is None:
                raise_located(error, column_of)
        return otherwise(fragment)

    return decode


def column_decoder(feature: ModelFeature) -> Decode:
    """Make a decoder of one column's values, a JSON list."""
    exact, floats = (list[value_type(feature, floats=each)] for each in (False, True))  # type: ignore[misc]
    if feature.time:
        return _time_decoder(feature)
    if not feature.whole:
        return compile_decoder(exact, lambda _rest: feature.name)
    relaxed = compile_decoder(floats, lambda _rest: feature.name)
    return compile_decoder(exact, lambda _rest: feature.name, lambda fragment: whole_values(feature, relaxed(fragment)))


def _time_decoder(feature: ModelFeature) -> Decode:
    decode = compile_decoder(list[value_type(feature)], lambda _rest: feature.name)  # type: ignore[misc]

    def decode_and_check(fragment: bytes) -> Any:
        values = decode(fragment)
        check_times(feature, values)
        return values

    return decode_and_check


def raise_located(error: msgspec.ValidationError, column_of: Callable[[str], str | None]) -> NoReturn:
    """Raise the InvalidInputError that names row and column of a msgspec error."""
    path_match = _PATH.match(str(error))
    if path_match is None:
        raise InvalidInputError(str(error)) from None
    row = int(path_match["row"]) if path_match["row"] is not None else None
    named = _NAMED.search(path_match["what"])
    column = named["field"] if named else column_of(path_match["rest"])
    place = ", ".join([f"row {row}"] * (row is not None) + [f"column {column!r}"] * (column is not None))
    what = path_match["what"].replace("`int | float", "`int")  # a float is meant where it is whole
    raise InvalidInputError(f"{place}: {what}" if place else what, row=row, field=column) from None


def without_nan(body: bytes, error: msgspec.DecodeError) -> bytes:
    """Give a body that is JSON except for NaN as strict JSON with null in its place.

    An infinity becomes a number that is out of range, which typed decoding refuses with its row and column.

    Args:
        body: A body that msgspec could not parse.
        error: What msgspec said.

    Returns:
        The rewritten body.

    Raises:
        InvalidInputError: The body is not JSON.
    """
    if isinstance(error, msgspec.ValidationError) or not _NOT_JSON.search(body):
        raise InvalidInputError(f"the body is not what was expected: {error}") from None
    try:
        return msgspec.json.encode(json.loads(body, parse_constant=_constant, parse_float=_float))
    except (ValueError, RecursionError) as problem:
        raise InvalidInputError(f"the body is not JSON: {problem}") from None


def _float(text: str) -> Any:
    value = float(text)
    return _OUT_OF_RANGE if math.isinf(value) else value  # an infinity would be written as null


def _constant(text: str) -> Any:
    return None if text == "NaN" else _OUT_OF_RANGE
