"""How a candidate replaces the stable release: the strategies as the files write them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from falaj.project.errors import nearest
from falaj.project.fields import Duration, NonEmpty, Or, Share, Strict, problem
from falaj.project.quantities import parse_duration, parse_share
from falaj.project.spec import Strategy as Kind
from falaj.project.spec import StrategySpec

RolloutMetric = Literal["errors", "latency", "predictions", "accuracy", "brier", "log_loss"]
METRICS = get_args(RolloutMetric)
KINDS: tuple[Kind, ...] = ("recreate", "blue_green", "canary", "shadow")


class NoOptions(Strict):
    """The strategy has no options."""


class Tolerance(Strict):
    """How much worse a candidate may be in one metric."""

    tolerate: float | None = Field(
        default=None, ge=0, description="Times the stable release (in a shadow: added loss) that is no harm."
    )
    margin: float | None = Field(
        default=None, gt=0, description="Times the stable release (in a shadow: added loss) to rule out first."
    )


def _metrics(value: Any) -> Any:
    """`[errors, latency]` as `{errors: {}, latency: {}}`."""
    if isinstance(value, list):
        value = {str(name): {} for name in value}
    for name in value if isinstance(value, dict) else ():
        if name not in METRICS:
            suggestion = nearest(str(name), METRICS)
            wanted = f"some of {', '.join(METRICS)}"
            raise problem(f"there is no metric {str(name)[:60]!r}", wanted, suggestion=suggestion)
    return value


Metrics = Annotated[
    dict[RolloutMetric, Tolerance],
    BeforeValidator(_metrics),
    Or({"type": "array", "items": {"enum": list(METRICS)}, "minItems": 1}),
]


class Match(Strict):
    """Requests that go to the candidate whatever the weights are; they are not judged."""

    header: NonEmpty | None = Field(default=None, description="Name of a request header.")
    query: NonEmpty | None = Field(default=None, description="Name of a query parameter.")
    is_: NonEmpty = Field(alias="is", description="Its value.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.header is None) == (self.query is None):
            raise problem("a match looks at one place", "`header` or `query`")
        return self

    def to_json(self) -> dict[str, str]:
        """The match as plans hold it."""
        kind = "header" if self.header else "query"
        return {"kind": kind, "name": str(self.header or self.query), "value": self.is_}


def _holdback(value: Any) -> Any:
    try:
        share, word, duration = value.split()
        if word != "for":
            raise ValueError
        return {"share": parse_share(share), "for_s": parse_duration(duration)}
    except (AttributeError, ValueError):
        raise problem("the holdback cannot be read", "a share and a duration, such as `2% for 24h`") from None


class Judged(Strict):
    """What every strategy that judges the candidate can be told."""

    metrics: Metrics = Field(default={}, description="What the candidate is judged by; by default errors and latency.")
    false_alarm: Share = Field(
        default=0.01,
        json_schema_extra={"default": "1%"},
        description="How often a candidate that is no worse may be rolled back.",
    )
    burn_in: Duration = Field(
        default=0.0, json_schema_extra={"default": "0s"}, description="Not judged after the start: caches are cold."
    )
    sticky: NonEmpty | None = Field(default=None, description="Request header whose value keeps a unit on one side.")
    match: list[Match] = Field(default=[], description="Requests that go to the candidate whatever the weights are.")
    max_: Duration = Field(
        alias="max",
        default=7 * 86_400.0,
        json_schema_extra={"default": "7d"},
        description="A step that takes longer is inconclusive, and a person decides.",
    )

    def options(self) -> dict[str, Any]:
        """The common options as plans hold them."""
        metrics = [{"name": name, **each.model_dump(exclude_none=True)} for name, each in self.metrics.items()]
        found: dict[str, Any] = {"false_alarm": self.false_alarm, "burn_in_s": self.burn_in, "max_s": self.max_}
        if metrics:
            found["metrics"] = metrics
        if self.sticky:
            found["sticky"] = self.sticky
        if self.match:
            found["matches"] = [each.to_json() for each in self.match]
        return found


class Canary(Judged):
    """The candidate gets a growing share of the traffic."""

    steps: list[Share] = Field(
        default=[0.01, 0.05, 0.25, 0.5],
        min_length=1,
        json_schema_extra={"default": ["1%", "5%", "25%", "50%"]},
        description="Shares of the traffic, growing.",
    )
    hold: Duration = Field(default=60.0, json_schema_extra={"default": "1m"}, description="Least time of each step.")
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

    def options(self) -> dict[str, Any]:
        """The options as plans hold them."""
        holdback = {"holdback": self.holdback} if self.holdback else {}
        return {**super().options(), "steps": self.steps, "hold_s": self.hold, **holdback}


class BlueGreen(Judged):
    """The candidate starts beside the stable release and takes all of the traffic at once."""

    preview: Duration = Field(
        default=0.0,
        json_schema_extra={"default": "0s"},
        description="How long it can be tried by the header `falaj-use-release` before the switch.",
    )
    way_back: Duration = Field(
        default=900.0,
        json_schema_extra={"default": "15m"},
        description="How long the stable release stays warm after the switch, for an instant way back.",
    )

    def options(self) -> dict[str, Any]:
        """The options as plans hold them."""
        return {**super().options(), "preview_s": self.preview, "way_back_s": self.way_back}


class Shadow(Judged):
    """The candidate gets a copy of the traffic; its answers are compared and thrown away."""

    for_: Duration = Field(
        alias="for", default=3_600.0, json_schema_extra={"default": "1h"}, description="How long at least."
    )
    share: Share = Field(
        default=1.0, json_schema_extra={"default": "100%"}, description="Share of the requests that is copied."
    )

    def options(self) -> dict[str, Any]:
        """The options as plans hold them."""
        return {**super().options(), "for_s": self.for_, "mirror": self.share}


class Strategy(Strict):
    """One strategy by its name."""

    recreate: NoOptions | None = Field(default=None, description="Start the new, switch, stop the old.")
    blue_green: BlueGreen | None = Field(default=None, description="Start the new beside the old, then switch.")
    canary: Canary | None = Field(default=None, description="Move the traffic in steps.")
    shadow: Shadow | None = Field(default=None, description="Copy the traffic first, then switch.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(self.model_fields_set) != 1 or getattr(self, next(iter(self.model_fields_set))) is None:
            raise problem("an environment has one strategy", f"one of {', '.join(KINDS)}")
        return self

    def to_spec(self) -> StrategySpec:
        """The strategy with durations in seconds and shares between 0 and 1."""
        kind: Kind = next(each for each in KINDS if getattr(self, each) is not None)
        chosen = getattr(self, kind)
        return StrategySpec(kind, chosen.options() if isinstance(chosen, Judged) else {})


def _named(value: Any) -> Any:
    """`recreate` as `{recreate: {}}`."""
    if isinstance(value, str) and value not in KINDS:
        raise problem(
            f"there is no strategy {value[:60]!r}", f"one of {', '.join(KINDS)}", suggestion=nearest(value, KINDS)
        )
    return {value: {}} if isinstance(value, str) else value


StrategyField = Annotated[Strategy, BeforeValidator(_named), Or({"enum": list(KINDS)})]
