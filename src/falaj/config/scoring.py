"""What scores files without being asked."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from falaj.config.fields import Duration, ModelName, Name, NonEmpty, Strict, problem
from falaj.config.retrain import check_cron, check_timezone, once_a_minute


class Scoring(Strict):
    """A source that is scored by what an environment serves, by the clock or when it has something new."""

    input: Name = Field(description="The data source, one `.parquet` or `.csv` file at `file:///` or `s3://`.")
    output: Annotated[str, Field(pattern=r"^file:///.+")] = Field(
        description="The folder on the machine of the location that a file of predictions is added to, as `file:///`."
    )
    environment: ModelName = Field(default="prod", description="Whose admission counts.")
    location: ModelName = Field(default="local", description="Where; the worker must be on its machine.")
    keep: list[NonEmpty] = Field(default=[], description="Columns of the input that the output repeats.")
    on: Literal["schedule", "event"] = Field(description="A `schedule`, or an `event`: new data in the source.")
    cron: NonEmpty | None = Field(default=None, description="With `schedule`: minute, hour, day, month, weekday.")
    timezone: NonEmpty | None = Field(default=None, description="With `schedule`: such as Asia/Dubai; UTC by default.")
    poll: Annotated[Duration, AfterValidator(once_a_minute)] | None = Field(
        default=None, description="With `event`: how often the source is looked at; 5m by default."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.on == "schedule" and self.cron is None:
            raise problem("`on: schedule` needs `cron`", 'for example cron: "0 3 * * *"')
        wrong = ("poll",) if self.on == "schedule" else ("cron", "timezone")
        for name in wrong:
            if getattr(self, name) is not None:
                raise problem(f"`{name}` does not belong to `on: {self.on}`")
        check_cron(self.cron)
        check_timezone(self.timezone)
        return self

    def to_spec(self) -> dict[str, Any]:
        """The entry as other rooms read it, durations in seconds."""
        scoring_spec = self.model_dump(exclude_none=True)
        if "poll" in scoring_spec:
            scoring_spec["poll_s"] = scoring_spec.pop("poll")
        return scoring_spec
