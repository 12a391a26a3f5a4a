"""`metrics` of the project file: what functions of the project compute from labels and predictions."""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from falaj.config.fields import Function, Strict, problem, text_like
from falaj.config.gates import KEYWORDS, is_built_in
from falaj.config.spec import OwnMetric


def _unused(name: str) -> str:
    if is_built_in(name):
        raise problem(f"`{name}` is a metric that needs no function", "another name")
    if name in KEYWORDS:
        raise problem(f"`{name}` is a word of gates", "another name")
    return name


MetricName = Annotated[
    str, text_like(r"^[a-z][a-z0-9_]*$", "a lower-case name, such as profit", 63), AfterValidator(_unused)
]


class DeclaredMetric(Strict):
    """A metric that a function of the project computes from labels and predictions."""

    function: Function = Field(
        description="The function, as `module:function`. It is called with `label` and `prediction`, and with "
        "`probabilities` where it has such a parameter; it returns a number, or one a row, whose mean is the metric."
    )
    better: Literal["greater", "less"] = Field(description="Which values are better.")
    bounds: list[float] | None = Field(
        default=None,
        min_length=2,
        max_length=2,
        description="The least and the greatest value, such as `[0, 1]`. A value outside of them fails the gate.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.bounds and not all(map(math.isfinite, self.bounds)):
            raise problem("a bound is a finite number", "such as `[0, 1]`")
        if self.bounds and not self.bounds[0] < self.bounds[1]:
            raise problem("the first bound is not below the second", "such as `[0, 1]`")
        return self

    def to_spec(self) -> OwnMetric:
        """The metric as gates consume it."""
        bounds = (self.bounds[0], self.bounds[1]) if self.bounds else None
        return OwnMetric(self.function, self.better == "greater", bounds)
