"""Records that become JSON values, and come back from them, by the types of their fields."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, Self


class JsonRecord:
    """Base of a dataclass whose JSON form has its fields' names; enums are their values, tuples are lists."""

    def to_json(self) -> dict[str, Any]:
        """JSON values; `from_json` reads them back unchanged."""
        import msgspec  # the command line imports specifications, and has no time for it

        document: dict[str, Any] = msgspec.to_builtins(self, str_keys=True, enc_hook=_plain_number)
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read what `to_json` gave, also after it went through JSON; a field that is left out has its default.

        Raises:
            ValueError: It is no such record; says the place of what is wrong.
        """
        import msgspec

        try:
            return msgspec.convert(document, cls, str_keys=True)
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from error


def _plain_number(value: object) -> int | float:
    """A number of NumPy."""
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
