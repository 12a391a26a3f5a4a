"""What starts a new training."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, WithJsonSchema, model_validator

from falaj.config.cron import Cron, CronError
from falaj.config.errors import ProjectError, nearest
from falaj.config.fields import Duration, ModelName, Name, NonEmpty, Strict, problem, shown
from falaj.config.files import read
from falaj.config.files import shown as shown_file
from falaj.config.quantities import parse_duration
from falaj.config.schema_issues import issues_of
from falaj.config.yaml_reader import read_document

_DAY_S = 86_400.0
SHORTEST_SLIDING_S = 14 * _DAY_S
"""Eight days at least judge; fewer than this would leave too few to learn from."""
_HALF_LIFE_S = 60 * _DAY_S
WINDOW_PATTERN = r"^(all|since drift|sliding [0-9.]+(d|w)|weighted( [0-9.]+(d|w))?)$"
_WINDOWS = "`all`, `sliding 90d`, `since drift` or `weighted 60d`"


def parse_window(text: str) -> dict[str, Any]:
    """A window of rows to learn from, as the retraining room reads it.

    `weighted 60d` is weighted with a half-life of 60 days.

    Raises:
        ValueError: It is none of the forms; the message says what was expected.
    """
    words = " ".join(text.split())
    if words == "all":
        return {"strategy": "all"}
    if words == "since drift":
        return {"strategy": "since-drift"}
    if words == "weighted":
        return {"strategy": "weighted", "half_life_s": _HALF_LIFE_S}
    match = re.fullmatch(r"(sliding|weighted) ([0-9.]+[a-z]+)", words)
    if match is None:
        raise ValueError(_WINDOWS)
    length_s = parse_duration(match[2])
    if match[1] == "weighted":
        return {"strategy": "weighted", "half_life_s": length_s}
    if length_s < SHORTEST_SLIDING_S:
        raise ValueError("a sliding window of 14d or more, the last days of which judge")
    return {"strategy": "sliding", "length_s": length_s}


def _window(value: Any) -> dict[str, Any]:
    if not isinstance(value, str):
        raise problem("a window is text", _WINDOWS)
    try:
        return parse_window(value)
    except ValueError as error:
        first = value.split()[0] if value.split() else ""
        window_kinds = ("all", "sliding", "since drift", "weighted")
        suggestion = None if first in window_kinds else nearest(first, window_kinds)
        raise problem(f"{shown(value)} is not a window", str(error), suggestion=suggestion) from None


def once_a_minute(value: float) -> float:
    """A pause between two looks at a source."""
    if value < 60:
        raise problem("the interval is shorter than a minute", "1m or more")
    return value


def _a_day_or_more(value: float) -> float:
    if value < _DAY_S:
        raise problem("a model is not old before a day has passed", "1d or more")
    return value


Window = Annotated[
    dict[str, Any],
    BeforeValidator(_window),
    WithJsonSchema({"type": "string", "pattern": WINDOW_PATTERN, "examples": ["all", "sliding 90d", "since drift"]}),
]


class Budget(Strict):
    """How much training a trigger may use."""

    runs_a_week: int | None = Field(
        default=None, ge=1, le=1000, description="Most trainings of the model in seven days; 7 by default."
    )
    compute: Duration | None = Field(
        default=None, description="Most time that trainings of the model run in seven days; 10h by default."
    )


class Retrain(Strict):
    """A trigger of a new training."""

    on: Literal["drift", "growth", "labels", "schedule", "event"] = Field(
        description="`drift` that triage confirms, `growth` of the labelled rows, `labels` that came, a `schedule`, "
        "or an `event`: new data."
    )
    factor: float | None = Field(
        default=None,
        gt=1,
        le=1000,
        description="With `growth`: so many times the rows that the live model learned from; 1.5 by default.",
    )
    max_age: Annotated[Duration, AfterValidator(_a_day_or_more)] | None = Field(
        default=None, description="With `growth`: a model that was trained longer ago is trained again; 60d by default."
    )
    every: int | None = Field(default=None, ge=1, description="With `labels`: how many new ones.")
    loss_above: float | None = Field(
        default=None, ge=0, description="With `labels`: a mean loss that they must not show."
    )
    cron: NonEmpty | None = Field(default=None, description="With `schedule`: minute, hour, day, month, weekday.")
    timezone: NonEmpty | None = Field(default=None, description="With `schedule`: such as Asia/Dubai; UTC by default.")
    source: Name | None = Field(default=None, description="With `event`: the data source that has something new.")
    upstream: ModelName | None = Field(
        default=None, description="With `event`: the model that has a new release, whose answers this one learns from."
    )
    poll: Annotated[Duration, AfterValidator(once_a_minute)] | None = Field(
        default=None, description="With `event`: how often the source is looked at; 5m by default."
    )
    window: Window | None = Field(
        default=None, description="Rows to learn from: `all`, `sliding 90d`, `since drift`, `weighted 60d`."
    )
    blocks: NonEmpty | None = Field(
        default=None,
        description="Column whose values keep rows together, such as their day: candidates are compared by blocks.",
    )
    refit: bool | None = Field(
        default=None,
        description="Whether what wins is trained again on all rows, those that judged it too; true by default.",
    )
    cooldown: Duration | None = Field(
        default=None,
        description="From the end of a training to the next by this trigger; 6h for drift and labels, 1h for events.",
    )
    budget: Budget | None = Field(default=None, description="How much training the trigger may use.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name in sorted(self.model_fields_set - _COMMON - _ALLOWED[self.on]):
            raise problem(f"`{name}` does not belong to `on: {self.on}`", _belongs(name))
        needed = _NEEDED[self.on]
        present_names = [name for name in needed if getattr(self, name) is not None]
        if needed and not present_names:
            words = " or ".join(f"`{name}`" for name in needed)
            raise problem(f"`on: {self.on}` needs {words}", f"for example {_EXAMPLES[self.on]}")
        if self.source and self.upstream:
            raise problem("an event is of a `source` or of an `upstream` model, not of both", "two entries")
        if self.upstream and self.poll is not None:
            raise problem("`poll` belongs to `source`: releases are known when they are made")
        check_cron(self.cron)
        check_timezone(self.timezone)
        return self

    def to_spec(self) -> dict[str, Any]:
        """The trigger as other rooms read it, durations in seconds."""
        trigger_spec = self.model_dump(exclude_none=True)
        for name in ("poll", "cooldown", "max_age"):
            if name in trigger_spec:
                trigger_spec[f"{name}_s"] = trigger_spec.pop(name)
        if "compute" in (budget := trigger_spec.get("budget", {})):
            budget["compute_s"] = budget.pop("compute")
        return trigger_spec


_COMMON = {"on", "window", "blocks", "refit", "cooldown", "budget"}
_ALLOWED: dict[str, set[str]] = {
    "drift": set(),
    "growth": {"factor", "max_age"},
    "labels": {"every", "loss_above"},
    "schedule": {"cron", "timezone"},
    "event": {"source", "upstream", "poll"},
}
_NEEDED: dict[str, tuple[str, ...]] = {
    "drift": (), "growth": (), "labels": ("every", "loss_above"), "schedule": ("cron",),
    "event": ("source", "upstream"),
}  # fmt: skip
_EXAMPLES = {
    "labels": "{on: labels, every: 50000}",
    "schedule": '{on: schedule, cron: "0 3 1 * *"}',
    "event": "{on: event, source: flights}",
}


def _belongs(name: str) -> str:
    return next((f"`{name}` belongs to `on: {on}`" for on, names in _ALLOWED.items() if name in names), "")


def check_cron(cron: str | None) -> None:
    """Refuse what is no cron line."""
    if cron is None:
        return
    try:
        Cron.parse(cron).after(0.0)
    except CronError as error:
        raise problem(
            f"{cron[:60]!r} is not a cron line: {error}", 'minute, hour, day, month, weekday, such as "0 3 1 * *"'
        ) from None


def check_timezone(name: str | None) -> None:
    """Refuse an unknown time zone, on machines that know time zones at all."""
    if name is None:
        return
    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        timezones = available_timezones()
        if timezones:
            suggestion = nearest(name, timezones)
            raise problem(
                f"there is no time zone {name[:60]!r}", "a name such as Asia/Dubai", suggestion=suggestion
            ) from None


class PolicyFile(Strict):
    """A file with a policy of trainings alone, to be replayed beside others."""

    retrain: list[Retrain] = Field(min_length=1, description="What starts a training, as in falaj.yaml.")


def read_policy(file: Path) -> tuple[dict[str, Any], ...]:
    """Read the entries of a policy file, as other rooms read those of falaj.yaml.

    Raises:
        ProjectError: With every mistake that was found.
    """
    document = read_document(read(file, "a file with a policy of trainings"), shown_file(file))
    try:
        policy = PolicyFile.model_validate(document.value)
    except ValidationError as error:
        raise ProjectError(issues_of(error, document, PolicyFile.model_json_schema())) from None
    return tuple(entry.to_spec() for entry in policy.retrain)
