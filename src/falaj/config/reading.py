"""How a data source is read as a table: the `read` of falaj.yaml."""

from __future__ import annotations

import codecs
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, StringConstraints, WithJsonSchema, model_validator

from falaj.config.fields import NonEmpty, Strict, problem, shown, text_like

Kind = Literal["text", "int", "float", "bool", "date", "datetime"]

_TEXT_ONLY = ("separator", "encoding", "decimal", "thousands", "types", "dates", "null_values")
_ENDINGS = {
    ".parquet": "parquet", ".arrow": "arrow", ".feather": "arrow", ".jsonl": "jsonl", ".ndjson": "jsonl",
}  # fmt: skip


def _known_encoding(value: Any) -> Any:
    try:
        codecs.lookup(value)
    except (LookupError, TypeError, ValueError):
        raise problem(f"{shown(value)} is not an encoding", "a name such as utf-8, latin-1, cp1252 or utf-16") from None
    return value


Encoding = Annotated[str, BeforeValidator(_known_encoding), WithJsonSchema({"type": "string"})]
Mark = Annotated[str, text_like(r'^[^"\r\n]$', 'one character, such as ";" or "\\t"')]
ColumnName = Annotated[str, StringConstraints(min_length=1, max_length=500)]


class Reading(Strict):
    """How a file is read as a table, where it is not as its ending says. All but `format` and `columns` are of CSV."""

    format: Literal["csv", "tsv", "parquet", "arrow", "jsonl"] | None = Field(
        default=None, description="What the file is, where its ending does not say it."
    )
    separator: Mark | None = Field(default=None, description='What stands between fields, such as ";" or "\\t".')
    encoding: Encoding | None = Field(default=None, description="What the text is written in; utf-8 by default.")
    decimal: Literal[".", ","] | None = Field(default=None, description="The decimal mark of numbers.")
    thousands: Literal[",", ".", " ", "'", "_"] | None = Field(
        default=None, description="What stands between groups of three digits; a space may also be a hard one."
    )
    types: dict[ColumnName, Kind] | None = Field(
        default=None, description="Type by column. `text` keeps leading zeros; `date` and `datetime` are ISO 8601."
    )
    dates: dict[ColumnName, NonEmpty] | None = Field(
        default=None, description='How dates and times of a column are written, such as "%d.%m.%Y".'
    )
    null_values: list[str] | None = Field(
        default=None, description='Texts that stand for a missing value; "" and "NA" by default.'
    )
    columns: Annotated[list[ColumnName], Field(min_length=1)] | None = Field(
        default=None, description="The columns to read, in this order; all by default."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        separator = self.separator or ("\t" if self.format == "tsv" else ",")
        if self.decimal is not None and self.decimal == self.thousands:
            raise problem("`decimal` and `thousands` are the same mark", "two that differ")
        if self.thousands == "." and self.decimal is None:
            raise problem("`thousands` is the decimal mark", 'another one, or `decimal: ","`')
        if self.separator and separator in (self.decimal, self.thousands) and separator != ",":
            raise problem("`separator` is a mark of numbers, too", "marks that differ")
        if self.columns and len(set(self.columns)) < len(self.columns):
            raise problem("a column is named twice in `columns`", "each name once")
        for column in self.dates or {}:
            if (self.types or {}).get(column, "date") not in ("date", "datetime"):
                raise problem(f"{shown(column)} has a form of dates and another type", "`date` or `datetime`")
        return self

    def require_fits(self, source: str) -> None:
        """Refuse options of CSV for a file that is none.

        Args:
            source: The URL.
        """
        kind = self.format or _ENDINGS.get(PurePosixPath(source).suffix.lower())
        wrong = [name for name in _TEXT_ONLY if getattr(self, name) is not None]
        if kind in ("parquet", "arrow", "jsonl") and wrong:
            raise problem(f"`{wrong[0]}` is of CSV, and this is {kind}", "`columns`; a step can convert the rest")
