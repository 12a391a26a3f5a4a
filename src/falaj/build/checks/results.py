"""What a check or a gate reports: one frozen record that becomes evidence unchanged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from falaj.build.checks.paired import Power
    from falaj.config.spec import GateSpec

NOTHING_WAS_CHECKED = "nothing was checked"


@dataclass(frozen=True)
class CheckValue:
    """One measured value beside its limit.

    Attributes:
        name: What was measured, such as `distance.max` or `errors`.
        value: What was found; text where a number has no meaning.
        limit: What was allowed; None when nothing was demanded.
        op: How value and limit are compared: `<=`, `>=`, `==`, `in`; empty without a limit.
        passed: Whether the demand was met.
        where: The table, file or column that it speaks of.
    """

    name: str
    value: float | str | None
    limit: float | str | None = None
    op: str = ""
    passed: bool = True
    where: str = ""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong at one place.

    Attributes:
        path: File within the worktree or the model folder.
        line: 1-based line; 0 when the place has no lines.
        rule: Stable name of the rule, such as `F401` or `aws-access-key`.
        message: What is wrong; never holds a secret itself.
    """

    path: str
    line: int
    rule: str
    message: str

    def __str__(self) -> str:
        """`path:line: rule message`."""
        place = f"{self.path}:{self.line}" if self.line else self.path
        return f"{place}: {self.rule} {self.message}"


@dataclass(frozen=True)
class CheckResult:
    """The outcome of one check.

    Attributes:
        name: The check, such as `static`.
        passed: Whether the candidate may go on.
        summary: One line for people.
        checked: How many things were looked at (files, tests, packages, rows); 0 is always a failure.
        values: Measured values beside their limits.
        tools: Versions of what did the work.
        findings: What is wrong, place by place.
        log: What the tools printed, shortened at the front.
    """

    name: str
    passed: bool
    summary: str
    checked: int
    values: tuple[CheckValue, ...] = ()
    tools: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    log: str = ""

    def __post_init__(self) -> None:
        if self.passed and self.checked <= 0:
            object.__setattr__(self, "passed", False)
            object.__setattr__(self, "summary", f"{NOTHING_WAS_CHECKED}: {self.summary}".rstrip(": "))


def failed(name: str, reason: str, *, tools: Mapping[str, str] | None = None, log: str = "") -> CheckResult:
    """A check that could not look at anything, for the given reason."""
    return CheckResult(name, False, reason, 0, tools=tools or {}, log=log)


@dataclass(frozen=True)
class SliceResult:
    """A gate's verdict on one slice of its rows.

    Attributes:
        name: The slice's value in the `by` column; empty for all rows.
        rows: Rows in the slice.
        value: The metric, or its difference from live; None when it has no value there.
        passed: Whether the slice meets the limit.
        interval: Confidence bounds of a difference, each end one-sided at the gate's confidence.
        reason: Why it failed or has no value.
    """

    name: str
    rows: int
    value: float | None
    passed: bool
    interval: tuple[float, float] | None = None
    reason: str = ""


@dataclass(frozen=True)
class GateResult:
    """The verdict of one gate.

    Attributes:
        gate: The gate as declared.
        passed: Whether the candidate meets it.
        value: The metric, or for a comparison candidate minus live, on the worst slice; None when there is none.
        limit: The threshold, or the margin of a comparison.
        rows: Rows behind the value.
        interval: Bounds of a comparison, each end one-sided at the gate's confidence.
        slice: The worst slice as `column=value`; None without `by`.
        reason: One line: the value beside its limit, or why there is no value.
        method: How a comparison was bounded; empty for a threshold.
        slices: The verdict on each slice that had enough rows.
    """

    gate: GateSpec
    passed: bool
    value: float | None
    limit: float | None
    rows: int
    interval: tuple[float, float] | None
    slice: str | None
    reason: str
    method: str = ""
    slices: tuple[SliceResult, ...] = ()


@dataclass(frozen=True)
class ChampionVerdict:
    """Whether a retrained candidate takes the way of the champion.

    Attributes:
        wins: Whether it does; one that does not is kept, and goes nowhere by itself.
        reason: In words.
        metric: Compared; empty when nothing was.
        candidate: Its value.
        champion: The live release's value.
        better_by: Two one-sided bounds of how much better the candidate is; None when they cannot be told.
        rows: Compared.
        blocks: Compared.
        effective_blocks: So many independent blocks would tell as much; None when there are too few.
        power: What the comparison could have seen; None when nothing could be compared.
    """

    wins: bool
    reason: str
    metric: str = ""
    candidate: float | None = None
    champion: float | None = None
    better_by: tuple[float, float] | None = None
    rows: int = 0
    blocks: int = 0
    effective_blocks: float | None = None
    power: Power | None = None
