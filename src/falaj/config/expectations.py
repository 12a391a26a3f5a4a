"""What a project expects of a table."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from falaj.config.fields import Duration, Strict, problem
from falaj.config.quantities import SHARE_PATTERN, parse_share


def _fraction(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return parse_share(value)
    except ValueError:
        raise problem(f"{value[:60]!r} cannot be read", "a percentage such as 5%, or a fraction such as 0.05") from None


Fraction = Annotated[
    float,
    Field(ge=0, le=1),
    BeforeValidator(_fraction),
    WithJsonSchema({"anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, {"pattern": SHARE_PATTERN}]}),
]


class ColumnExpectation(Strict):
    """What must hold for a column."""

    type: Literal["int", "float", "string", "bool", "date", "datetime"] | None = Field(
        default=None, description="Type of the values."
    )
    min: int | float | str | None = Field(default=None, description="Smallest value; text for dates.")
    max: int | float | str | None = Field(default=None, description="Largest value; text for dates.")
    missing: Fraction | None = Field(default=None, description="Largest share of missing values.")
    unique: bool = Field(default=False, description="`true` forbids that a value occurs twice.")
    values: list[str | bool | int | float] | None = Field(default=None, description="The only values allowed.")
    freshness: Duration | None = Field(default=None, description="Largest age of the newest value, a date or time.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if isinstance(self.min, str) != isinstance(self.max, str) and None not in (self.min, self.max):
            raise problem("`min` and `max` are of different types", "two numbers, or two dates")
        if self.min is not None and self.max is not None and self.min > self.max:  # type: ignore[operator]
            raise problem("`min` is greater than `max`", "min <= max")
        return self


class RowCount(Strict):
    """How many rows a table must have."""

    min: int | None = Field(default=None, ge=0, description="Fewest rows.")
    max: int | None = Field(default=None, ge=0, description="Most rows.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise problem("`min` is greater than `max`", "min <= max")
        return self


class TableExpectation(Strict):
    """Column to expectation; every column named here must exist. `rows` stands for the number of rows."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, ColumnExpectation]

    rows: RowCount | None = Field(default=None, description="How many rows there must be.")

    def to_spec(self) -> dict[str, dict[str, Any]]:
        """Column (or `rows`) to the expectations that were given, durations in seconds."""
        table_spec: dict[str, dict[str, Any]] = {}
        if self.rows is not None:
            table_spec["rows"] = self.rows.model_dump(exclude_none=True)
        for name, column in self.__pydantic_extra__.items():
            column_fields = column.model_dump(exclude_none=True, exclude_unset=True)
            table_spec[name] = {
                "freshness_s" if key == "freshness" else key: value for key, value in column_fields.items()
            }
        return table_spec
