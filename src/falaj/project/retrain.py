"""What starts a new training."""

from __future__ import annotations

from typing import Literal, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import Field, model_validator

from falaj.project.cron import Cron, CronError
from falaj.project.errors import nearest
from falaj.project.fields import NonEmpty, Strict, problem


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
