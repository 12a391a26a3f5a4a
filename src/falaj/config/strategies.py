"""How a candidate replaces the stable release: the strategies as the files write them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from falaj.config.errors import nearest
from falaj.config.fields import Duration, NonEmpty, Or, Share, Strict, problem
from falaj.config.quantities import SHARE_PATTERN, parse_duration, parse_share
from falaj.config.spec import Strategy as Kind
from falaj.config.spec import StrategySpec
from falaj.statistics.rollout.headers import header_fault, query_fault, unit_fault, value_fault

RolloutMetric = Literal["errors", "latency", "predictions", "accuracy", "brier", "log_loss", "mae", "rmse", "pinball"]
METRICS = get_args(RolloutMetric)
RATIOS = ("errors", "latency", "predictions")
SMALLEST = 0.0001
"""The smallest share that traffic is divided by."""
WEEK = 7 * 86_400.0
LEAST_BLOCKS, USUAL_BLOCKS = 8, 30
"""Of labels: with fewer nothing can be told, and with so many a difference of the usual size is."""
KINDS: tuple[Kind, ...] = ("recreate", "blue_green", "canary", "shadow")


class NoOptions(Strict):
    """The strategy has no options."""


def _fraction(value: Any) -> Any:
    """`10%` as 0.1; numbers stay."""
    if not isinstance(value, str):
        return value
    try:
        return parse_share(value)
    except ValueError:
        raise problem(f"'{value[:60]}' is not a bound", "a number, or a share such as 10%") from None


Bound = Annotated[
    float, BeforeValidator(_fraction), Or({"type": "string", "pattern": SHARE_PATTERN, "examples": ["10%"]})
]


class Tolerance(Strict):
    """How much worse a candidate may be in one metric."""

    tolerate: Bound | None = Field(
        default=None,
        ge=0,
        description="What is tolerated. Errors and predictions: times the stable release. Latency: the share of time"
        " that may be added, by default 10%. A loss: how much may be added.",
    )
    margin: Bound | None = Field(
        default=None, gt=0, description="The same, for what must be ruled out before the candidate gets all traffic."
    )
    quantile: float | None = Field(
        default=None, gt=0, lt=1, description="Of `pinball`: which quantile is predicted; 0.5 by default."
    )
    at_least: Duration | None = Field(
        default=None, description="Of latency: a smaller difference is tolerated, by default 0.2ms."
    )

    def options(self) -> dict[str, Any]:
        """The bounds as plans hold them."""
        option_values = self.model_dump(exclude_none=True, exclude={"at_least"})
        return option_values if self.at_least is None else {**option_values, "at_least_ms": 1000 * self.at_least}


def _metrics(value: Any) -> Any:
    """`[errors, latency]` as `{errors: {}, latency: {}}`."""
    if isinstance(value, list):
        value = {str(name): {} for name in value}
    for name in value if isinstance(value, dict) else ():
        if name not in METRICS:
            suggestion = nearest(str(name), METRICS)
            expected = f"some of {', '.join(METRICS)}"
            raise problem(f"there is no metric {str(name)[:60]!r}", expected, suggestion=suggestion)
    return value


def _possible(metrics: dict[str, Tolerance]) -> dict[str, Tolerance]:
    """Refuse bounds that no candidate could be judged by."""
    for name, bounds in metrics.items():
        if bounds.quantile is not None and name != "pinball":
            raise problem(f"{name} is not about a quantile", "`quantile` with `pinball`")
        least, most, words = _SHARE_OF_TIME if name == "latency" else _RATIO if name in RATIOS else _DIFFERENCE
        if bounds.at_least is not None and name != "latency":
            raise problem(f"{name} has no least difference in time", "`at_least` belongs to latency")
        tolerated = least if bounds.tolerate is None else bounds.tolerate
        if not least <= tolerated < most or (bounds.margin or 0.0) >= most:
            raise problem(f"{name} cannot be judged by these bounds", words)
        if bounds.margin is not None and bounds.margin <= tolerated:
            raise problem(f"the margin of {name} is not above what is tolerated", f"more than {tolerated:g}")
    return metrics


_SHARE_OF_TIME = (0.0, math.inf, "a share of time that may be added, such as 10%")
_RATIO = (1.0, math.inf, "a ratio of 1 or more")
_DIFFERENCE = (0.0, 1.0, "a difference of losses, from 0 to less than 1")

Metrics = Annotated[
    dict[RolloutMetric, Tolerance],
    BeforeValidator(_metrics),
    AfterValidator(_possible),
    Or({"type": "array", "items": {"enum": list(METRICS)}, "minItems": 1}),
]


def _sound(fault_of: Callable[[str], str]) -> AfterValidator:
    def checked(value: str) -> str:
        if fault := fault_of(value):
            raise problem(fault)
        return value

    return AfterValidator(checked)


def _part(value: float) -> float:
    if not SMALLEST <= value < 1:
        raise problem(f"{value:.4%} is not a part of the requests", "at least 0.01% and less than 100%")
    return value


Part = Annotated[Share, AfterValidator(_part)]
"""Some of the requests, and not all of them."""


class Match(Strict):
    """Requests that go to the candidate whatever the weights are; they are not judged."""

    header: Annotated[NonEmpty, _sound(header_fault)] | None = Field(
        default=None, description="Name of a request header."
    )
    query: Annotated[NonEmpty, _sound(query_fault)] | None = Field(
        default=None, description="Name of a query parameter."
    )
    is_: Annotated[NonEmpty, _sound(value_fault)] = Field(alias="is", description="Its value.")

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
        holdback = {"share": parse_share(share), "for_s": parse_duration(duration)}
    except (AttributeError, ValueError):
        raise problem("the holdback cannot be read", "a share and a duration, such as `2% for 24h`") from None
    return {**holdback, "share": _part(holdback["share"])}


class Routed(Strict):
    """What every strategy that runs both releases at once can be told."""

    match: list[Match] = Field(default=[], description="Requests that go to the candidate whatever the weights are.")

    def options(self) -> dict[str, Any]:
        """The common options as plans hold them."""
        return {"matches": [each.to_json() for each in self.match]} if self.match else {}


def _block(value: float) -> float:
    if value < 1:
        raise problem("a block of labels is at least a second long")
    return value


class JudgedStrategy(Routed):
    """What every strategy that judges the candidate can be told."""

    metrics: Metrics = Field(default={}, description="What the candidate is judged by; by default errors and latency.")
    false_alarm: Part = Field(
        default=0.01,
        json_schema_extra={"default": "1%"},
        description="How often a candidate that is no worse may be rolled back.",
    )
    burn_in: Duration = Field(
        default=10.0,
        json_schema_extra={"default": "10s"},
        description="Latency is not judged so soon after the start, and longer until the candidate has settled.",
    )
    burn_in_max: Duration = Field(
        default=300.0, json_schema_extra={"default": "5m"}, description="By then latency is judged in any case."
    )
    sticky: Annotated[NonEmpty, _sound(unit_fault)] | None = Field(
        default=None, description="Request header whose value keeps a unit on one side."
    )
    max_: Duration | None = Field(
        alias="max",
        default=None,
        description="A step that takes longer is inconclusive, and a person decides. By default 7 days, or 30 blocks"
        " of labels where a loss is judged and that is longer.",
    )
    label_block: Annotated[Duration, AfterValidator(_block)] = Field(
        default=86_400.0,
        json_schema_extra={"default": "1d"},
        description="Labels of predictions of so long are one observation: a day, since days differ.",
    )

    @model_validator(mode="after")
    def _decidable(self) -> Self:
        if self.max_ is not None and self._has_losses and self.max_ < LEAST_BLOCKS * self.label_block:
            raise problem(
                "no loss can be judged in so short a time",
                f"a `max` of at least {LEAST_BLOCKS} blocks of labels, or a shorter `label_block`",
            )
        return self

    @property
    def _has_losses(self) -> bool:
        return any(name not in RATIOS for name in self.metrics)

    @property
    def _longest(self) -> float:
        usual = max(WEEK, USUAL_BLOCKS * self.label_block) if self._has_losses else WEEK
        return usual if self.max_ is None else self.max_

    def options(self) -> dict[str, Any]:
        """The common options as plans hold them."""
        metrics = [{"name": name, **each.options()} for name, each in self.metrics.items()]
        option_values = {
            **super().options(), "false_alarm": self.false_alarm, "burn_in_s": self.burn_in,
            "burn_in_max_s": max(self.burn_in, self.burn_in_max), "max_s": self._longest,
        }  # fmt: skip
        if metrics:
            option_values["metrics"] = metrics
        if self._has_losses:
            option_values["label_block_s"] = self.label_block
        if self.sticky:
            option_values["sticky"] = self.sticky
        return option_values


class Canary(JudgedStrategy):
    """The candidate gets a growing share of the traffic."""

    steps: list[Part] = Field(
        default=[0.01, 0.05, 0.25, 0.5],
        min_length=1,
        json_schema_extra={"default": ["1%", "5%", "25%", "50%"]},
        description="Shares of the traffic, growing.",
    )
    hold: Duration = Field(default=60.0, json_schema_extra={"default": "1m"}, description="Least time of each step.")
    baseline: bool = Field(
        default=True,
        description="Compare with as many new replicas of the stable release, with as much traffic. Without them no"
        " bound on false alarms is promised for latency.",
    )
    holdback: Annotated[
        dict[str, float] | None,
        BeforeValidator(_holdback),
        WithJsonSchema({"type": "string", "examples": ["2% for 24h"]}),
    ] = Field(default=None, description="Traffic that stays with the stable release after the last step.")

    no_new_units: Literal["wait", "leave"] = Field(
        default="wait",
        description="What becomes of a step whose `sticky` users were all counted before: `wait` for new ones, or"
        " `leave` it after `hold`. The last step always waits.",
    )

    @model_validator(mode="after")
    def _growing(self) -> Self:
        if any(later <= earlier for earlier, later in zip(self.steps, self.steps[1:], strict=False)):
            raise problem("the shares do not grow", "growing shares such as [1%, 5%, 25%]")
        return self

    def options(self) -> dict[str, Any]:
        """The options as plans hold them."""
        more: dict[str, Any] = {"holdback": self.holdback} if self.holdback else {}
        if self.no_new_units != "wait":
            more["no_new_units"] = self.no_new_units
        return {**super().options(), "steps": self.steps, "hold_s": self.hold, "baseline": self.baseline, **more}


class BlueGreen(Routed):
    """The candidate starts beside the stable release and takes all of the traffic at once.

    Nothing is judged: after the switch there is no traffic on the stable release to compare with.
    """

    preview: Duration = Field(
        default=0.0,
        json_schema_extra={"default": "0s"},
        description="How long it can be tried by the header `falaj-use-release` before the switch.",
    )
    rollback_window: Duration = Field(
        default=900.0,
        json_schema_extra={"default": "15m"},
        description="How long the stable release stays warm after the switch, for an instant rollback.",
    )

    def options(self) -> dict[str, Any]:
        """The options as plans hold them."""
        return {**super().options(), "preview_s": self.preview, "rollback_window_s": self.rollback_window}


def _copied(value: float) -> float:
    if value < SMALLEST:
        raise problem("a shadow without copies sees nothing", "a share of at least 0.01%")
    return value


class Shadow(JudgedStrategy):
    """The candidate gets a copy of the traffic; its answers are compared and thrown away."""

    for_: Duration = Field(
        alias="for", default=3_600.0, json_schema_extra={"default": "1h"}, description="How long at least."
    )
    share: Annotated[Share, AfterValidator(_copied)] = Field(
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
        return StrategySpec(kind, chosen.options() if isinstance(chosen, Routed) else {})


def _named(value: Any) -> Any:
    """`recreate` as `{recreate: {}}`."""
    if isinstance(value, str) and value not in KINDS:
        raise problem(
            f"there is no strategy {value[:60]!r}", f"one of {', '.join(KINDS)}", suggestion=nearest(value, KINDS)
        )
    return {value: {}} if isinstance(value, str) else value


StrategyField = Annotated[Strategy, BeforeValidator(_named), Or({"enum": list(KINDS)})]
