"""Typed JSON decoding compiled once from the signature, with errors that name row and column.

msgspec checks every value's type while it parses, in C; its error path (`$[3][5]`) is turned into row and column.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, NoReturn

import msgspec

from falaj.serving.modelserver.errors import InvalidInputError
from falaj.serving.modelserver.signature import Feature

_TYPES: dict[str, Any] = {
    "boolean": bool,
    "integer": Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)],
    "long": Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)],
    "float": float,
    "double": float,
    "string": str,
}
_PATH = re.compile(r"^(?P<what>.*) - at `\$(?:\[(?P<row>\d+)\])?(?P<rest>.*)`$", re.DOTALL)
_NAMED = re.compile(r"field `(?P<field>.*)`$", re.DOTALL)
# A line of JSON may hold NaN where Python and pandas wrote it; the standard forbids it and msgspec refuses it.
_NOT_JSON = re.compile(rb"\b(NaN|Infinity)\b")


def value_type(feature: Feature) -> Any:
    """Python type annotation of one value of a column."""
    return _TYPES[feature.kind] if feature.required else _TYPES[feature.kind] | None


def row_type(features: Sequence[Feature]) -> Any:
    """Annotation of a row written as a JSON list."""
    return tuple[tuple(value_type(feature) for feature in features)]  # type: ignore[misc]


def record_type(features: Sequence[Feature]) -> type[msgspec.Struct]:
    """Struct of a row written as a JSON object; columns that are not required may be left out."""
    names = [f"c{index}" for index in range(len(features))]
    required = [(name, value_type(f)) for name, f in zip(names, features, strict=True) if f.required]
    optional = [(name, value_type(f), None) for name, f in zip(names, features, strict=True) if not f.required]
    return msgspec.defstruct(
        "Record",
        [*required, *optional],
        rename={name: f.name for name, f in zip(names, features, strict=True)},
        forbid_unknown_fields=True,
        gc=False,
    )


def compile_decoder(annotation: Any, column_of: Callable[[str], str | None]) -> Callable[[bytes], Any]:
    """Make a decoder of one JSON fragment.

    Args:
        annotation: What the fragment holds.
        column_of: Gives the column of the part of msgspec's error path that follows the row, if there is one.

    Returns:
        A function from the fragment's bytes to the decoded value; raises InvalidInputError.
    """
    decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(annotation)

    def decode(fragment: bytes) -> Any:
        try:
            return decoder.decode(fragment)
        except msgspec.ValidationError as error:
            raise_located(error, column_of)

    return decode


def raise_located(error: msgspec.ValidationError, column_of: Callable[[str], str | None]) -> NoReturn:
    """Raise the InvalidInputError that names row and column of a msgspec error."""
    found = _PATH.match(str(error))
    if found is None:
        raise InvalidInputError(str(error)) from None
    row = int(found["row"]) if found["row"] is not None else None
    named = _NAMED.search(found["what"])
    column = named["field"] if named else column_of(found["rest"])
    place = ", ".join([f"row {row}"] * (row is not None) + [f"column {column!r}"] * (column is not None))
    raise InvalidInputError(f"{place}: {found['what']}" if place else found["what"], row=row, field=column) from None


def without_nan(body: bytes, error: msgspec.DecodeError) -> bytes:
    """Give a body that is JSON except for NaN as strict JSON with null in its place.

    Args:
        body: A body that msgspec could not parse.
        error: What msgspec said.

    Returns:
        The rewritten body.

    Raises:
        InvalidInputError: The body is not JSON, or holds an infinity.
    """
    if isinstance(error, msgspec.ValidationError) or not _NOT_JSON.search(body):
        raise InvalidInputError(f"the body is not what was expected: {error}") from None
    try:
        return msgspec.json.encode(json.loads(body, parse_constant=_constant))
    except (ValueError, RecursionError) as problem:
        raise InvalidInputError(f"the body is not JSON: {problem}") from None


def _constant(text: str) -> None:
    if text != "NaN":
        raise ValueError(f"{text} is not a number that JSON can hold")
