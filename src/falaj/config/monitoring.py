"""How a project wants its releases to be watched."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from falaj.config.expectations import Fraction
from falaj.config.fields import Duration, Name, NonEmpty, Strict, problem


class Monitoring(Strict):
    """What is known after a prediction, and how releases are watched; all of it has a default but the label."""

    label: NonEmpty | Annotated[list[NonEmpty], Field(min_length=2, max_length=100)] | None = Field(
        default=None,
        description="The column that holds the truth, or a list of them where the model gives several numbers a row; "
        "gates need it.",
    )
    group: NonEmpty | None = Field(
        default=None, description="The column whose rows are ranked among each other; gates of `ndcg@K` need it."
    )
    scale: NonEmpty | None = Field(
        default=None,
        description="The column that holds, a row, the mean absolute error of a naive forecast of its series on the "
        "training data; gates of `mase` need it.",
    )
    label_delay: Duration | None = Field(default=None, description="When the truth is known, after the prediction.")
    time: NonEmpty | None = Field(
        default=None,
        description="The column of the tables that says when a row happened. The reference is cut into blocks by it; "
        "by default the finest column of dates, else equal parts in the order of the rows.",
    )
    block: Literal["hour", "day"] | Annotated[int, Field(ge=50, le=10_000_000)] = Field(
        default="hour", description="The part of the log that becomes one profile: `hour`, `day`, or so many rows."
    )
    window: int | None = Field(
        default=None,
        ge=1,
        le=1_000,
        description="So many blocks are judged together. By default a day of hours, and one block of the other kinds.",
    )
    leave_out: list[NonEmpty] = Field(default=[], description="Features that are not looked at.")
    sources: dict[Name, Annotated[list[NonEmpty], Field(min_length=1)]] = Field(
        default={},
        description="Where features come from, by source. When all features of one source move at once and others do "
        "not, it is taken for a fault of the source.",
    )
    tolerance: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="By how much the loss (from 0 to 1) may rise. By default a tenth of what it was when the model was "
        "accepted, and at least 0.01.",
    )
    run_length: int = Field(
        default=100, ge=5, le=1_000_000, description="Windows from one false alarm of drift to the next, on average."
    )
    minimum_effect: float | None = Field(
        default=None,
        gt=0,
        le=10,
        description="The smallest change that counts, about in standard deviations. By default two standard errors of "
        "the reference, and at least 0.02.",
    )
    recalibrate: Literal["on", "off"] | None = Field(
        default=None,
        description="Whether answers are moved a little each day by what labels show. By default `on`, and `off` for "
        "`risk: high`, where `on` is part of what a change approves.",
    )
    threshold: float = Field(
        default=0.5,
        gt=0,
        lt=1,
        description="A probability from here on is the second class; labels of answers that are moved follow it.",
    )
    missing: Fraction = Field(
        default=0.05, description="So much more missing than in the reference is taken for a fault."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        named = [name for names in self.sources.values() for name in names]
        twice = sorted({name for name in named if named.count(name) > 1})
        if twice:
            raise problem(f"the feature {twice[0]!r} comes from two sources", "each feature once")
        return self

    def to_spec(self) -> dict[str, Any]:
        """What differs from the defaults, as JSON values; durations in seconds."""
        written = self.model_dump(exclude_defaults=True)
        if "label_delay" in written:
            written["label_delay_s"] = written.pop("label_delay")
        if "recalibrate" in written:
            written["recalibrate"] = written["recalibrate"] == "on"
        return written
