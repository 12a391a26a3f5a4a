"""How a candidate replaces the stable release, and what starts a new training."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from falaj.project.cron import Cron, CronError
from falaj.project.errors import nearest
from falaj.project.fields import Duration, NonEmpty, Or, Share, Strict, problem
from falaj.project.quantities import parse_duration, parse_share
from falaj.project.spec import Strategy as Kind
from falaj.project.spec import StrategySpec

RolloutMetric = Literal[
    "errors",
    "latency",
    "predictions",
    "accuracy",
    "brier",
    "log_loss",
    "mae",
    "mse",
]
KINDS: tuple[Kind, ...] = ("recreate", "blue_green", "canary", "shadow")


class NoOptions(Strict):
    """The strategy has no options."""


def _holdback(value: Any) -> Any:
    try:
        share, word, duration = value.split()
        if word != "for":
            raise ValueError
        return {"share": parse_share(share), "for_s": parse_duration(duration)}
    except (AttributeError, ValueError):
        raise problem("the holdback cannot be read", "a share and a duration, such as `2% for 24h`") from None


class Canary(Strict):
    """The candidate gets a growing share of the traffic."""

    steps: list[Share] = Field(min_length=1, description="Shares of the traffic, growing.")
    metrics: list[RolloutMetric] = Field(
        default=["errors", "latency"], min_length=1, description="What the candidate is judged by."
    )
    holdback: Annotated[
        dict[str, float] | None,
        BeforeValidator(_holdback),
        WithJsonSchema({"type": "string", "examples": ["2% for 24h"]}),
    ] = Field(default=None, description="Traffic that stays with the stable release after the last step.")

    @model_validator(mode="after")
    def _growing(self) -> Self:
        if any(later <= earlier for earlier, later in zip(self.steps, self.steps[1:], strict=False)):
            raise problem("the shares do not grow", "growing shares such as [1%, 5%, 25%]")
        return self


class Shadow(Strict):
    """The candidate gets a copy of the traffic; its answers are compared and thrown away."""

    for_: Duration = Field(alias="for", description="How long.")


class Strategy(Strict):
    """One strategy by its name."""

    recreate: NoOptions | None = Field(default=None, description="Stop the old, start the new.")
    blue_green: NoOptions | None = Field(default=None, description="Start the new beside the old, then switch.")
    canary: Canary | None = Field(default=None, description="Move the traffic in steps.")
    shadow: Shadow | None = Field(default=None, description="Copy the traffic first, then switch.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(self.model_fields_set) != 1 or getattr(self, next(iter(self.model_fields_set))) is None:
            raise problem("an environment has one strategy", f"one of {', '.join(KINDS)}")
        return self

    def to_spec(self) -> StrategySpec:
        """The strategy with durations in seconds and shares between 0 and 1."""
        if self.canary is not None:
            return StrategySpec("canary", self.canary.model_dump(exclude_none=True))
        if self.shadow is not None:
            return StrategySpec("shadow", {"for_s": self.shadow.for_})
        return StrategySpec("blue_green" if self.blue_green is not None else "recreate")


def _named(value: Any) -> Any:
    """`recreate` as `{recreate: {}}`."""
    if isinstance(value, str) and value not in KINDS:
        raise problem(
            f"there is no strategy {value[:60]!r}", f"one of {', '.join(KINDS)}", suggestion=nearest(value, KINDS)
        )
    return {value: {}} if isinstance(value, str) else value


class Retrain(Strict):
    """A trigger of a new training."""

    on: Literal["drift", "labels", "schedule"] = Field(
        description="`drift` that triage confirms, a number of new `labels`, or a `schedule`."
    )
    every: int | None = Field(default=None, ge=1, description="With `labels`: how many new ones.")
    cron: NonEmpty | None = Field(default=None, description="With `schedule`: minute, hour, day, month, weekday.")
    timezone: NonEmpty | None = Field(default=None, description="With `schedule`: such as Asia/Dubai; UTC by default.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        needed = {"labels": "every", "schedule": "cron"}.get(self.on)
        allowed = {"labels": {"every"}, "schedule": {"cron", "timezone"}}.get(self.on, set())
        extra = sorted(self.model_fields_set - {"on"} - allowed)
        if extra:
            raise problem(f"`{extra[0]}` does not belong to `on: {self.on}`")
        if needed and getattr(self, needed) is None:
            raise problem(f"`on: {self.on}` needs `{needed}`", f"for example {_EXAMPLES[self.on]}")
        _check_cron(self.cron)
        _check_timezone(self.timezone)
        return self


_EXAMPLES = {"labels": "{on: labels, every: 50000}", "schedule": '{on: schedule, cron: "0 3 1 * *"}'}


def _check_cron(cron: str | None) -> None:
    if cron is None:
        return
    try:
        Cron.parse(cron).after(0.0)
    except CronError as error:
        raise problem(
            f"{cron[:60]!r} is not a cron line: {error}", 'minute, hour, day, month, weekday, such as "0 3 1 * *"'
        ) from None


def _check_timezone(name: str | None) -> None:
    """Refuse an unknown time zone, on machines that know time zones at all."""
    if name is None:
        return
    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        known = available_timezones()
        if known:
            suggestion = nearest(name, known)
            raise problem(
                f"there is no time zone {name[:60]!r}", "a name such as Asia/Dubai", suggestion=suggestion
            ) from None


StrategyField = Annotated[Strategy, BeforeValidator(_named), Or({"enum": ["recreate", "blue_green"]})]
