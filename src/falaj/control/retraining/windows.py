"""Which rows a retraining learns from, and which later ones judge it (pure).

The rows that judge are the last ones, in whole blocks, and the training does not see them. No strategy is always best:
on flights, two months were worse than no retraining in September, because the base rate is another one in summer; all
months were best there. Hence the strategies, the backtest, and `all` as the default.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from falaj.core.errors import UsageError

DAY_S = 86_400.0


class TrainingWindowError(UsageError):
    """A window that cannot be."""

    code = "retraining.window"


class WindowStrategy(StrEnum):
    """Which rows to learn from."""

    ALL = "all"
    SLIDING = "sliding"
    SINCE_DRIFT = "since-drift"
    WEIGHTED = "weighted"


@dataclass(frozen=True)
class WindowPlan:
    """How a model chooses its rows.

    Args:
        strategy: Which rows to learn from.
        length_s: With `sliding`: how far back.
        half_life_s: With `weighted`: the age at which a row counts half.
        shortest_s: With `since-drift`: not fewer seconds than this, if need be from before the drift.
        block_s: Width of a block; rows of one are alike, and whole blocks judge.
        backtest_share: Share of the time since the drift (or of the window) that judges.
        fewest_blocks: The least number of blocks that judge.
        most_blocks: The largest number of blocks that judge; more would be missed in the training.

    Raises:
        TrainingWindowError: The strategy lacks its number, or a number cannot be.
    """

    strategy: WindowStrategy = WindowStrategy.ALL
    length_s: float | None = None
    half_life_s: float | None = None
    shortest_s: float = 28 * DAY_S
    block_s: float = DAY_S
    backtest_share: float = 0.25
    fewest_blocks: int = 8
    most_blocks: int = 28

    def __post_init__(self) -> None:
        needed = {WindowStrategy.SLIDING: self.length_s, WindowStrategy.WEIGHTED: self.half_life_s}
        if self.strategy in needed and not _positive(needed[self.strategy]):
            raise TrainingWindowError(f"{self.strategy.value} needs a length of time that is positive")
        if not (_positive(self.block_s) and self.shortest_s >= 0 and self.most_blocks >= self.fewest_blocks >= 1):
            raise TrainingWindowError("blocks have a positive width, and at least one judges")
        if not 0 < self.backtest_share < 1:
            raise TrainingWindowError("the share that judges is between 0 and 1")


def _positive(number: float | None) -> bool:
    return number is not None and math.isfinite(number) and number > 0


@dataclass(frozen=True)
class TrainingWindow:
    """Rows to learn from and rows to be judged by, by event time.

    Attributes:
        train_from: Unix seconds, inclusive.
        train_until: Unix seconds, exclusive; the backtest begins there.
        backtest_until: Unix seconds, exclusive: later rows have no labels yet.
        half_life_s: The age at which a row counts half; None when all count the same.
        reason: In words.
    """

    train_from: float
    train_until: float
    backtest_until: float
    half_life_s: float | None
    reason: str

    def parameters(self) -> dict[str, Any]:
        """What the project's steps are given, as `params`: ISO times in UTC, and days."""
        times = {"train_from": self.train_from, "train_until": self.train_until, "backtest_until": self.backtest_until}
        window_params: dict[str, Any] = {
            name: datetime.fromtimestamp(at, UTC).isoformat() for name, at in times.items()
        }
        return (
            window_params if self.half_life_s is None else {**window_params, "half_life_days": self.half_life_s / DAY_S}
        )


@dataclass(frozen=True)
class TooShort:
    """There are not enough rows to learn from and to be judged by.

    Attributes:
        ready_at: When there will be, unix seconds.
        reason: In words.
    """

    ready_at: float
    reason: str


def training_window(
    plan: WindowPlan, *, data_from: float, drift_at: float | None, label_delay_s: float, now: float
) -> TrainingWindow | TooShort:
    """Choose the rows.

    Args:
        plan: How the model chooses.
        data_from: Event time of the first row there is, unix seconds.
        drift_at: Event time at which drift is thought to have begun; None without drift.
        label_delay_s: How long labels take; younger rows are left out.
        now: Unix seconds.

    Raises:
        TrainingWindowError: A time is not finite.
    """
    if not all(map(math.isfinite, (data_from, label_delay_s, now, 0.0 if drift_at is None else drift_at))):
        raise TrainingWindowError("times must be finite")
    end = math.floor((now - label_delay_s) / plan.block_s) * plan.block_s
    drift = None if drift_at is None else min(max(drift_at, data_from), end)
    start, reason = _start(plan, data_from, drift, end)
    judged_of = end - (start if drift is None else drift)
    share = math.floor(judged_of * plan.backtest_share / plan.block_s)
    holdout_blocks = min(max(plan.fewest_blocks, share), plan.most_blocks)
    boundary = end - holdout_blocks * plan.block_s
    if boundary <= start:
        missing = start + plan.block_s - boundary
        return TooShort(now + missing, f"{holdout_blocks} whole blocks are to judge, and none is left to learn from")
    half_life = plan.half_life_s if plan.strategy is WindowStrategy.WEIGHTED else None
    return TrainingWindow(start, boundary, end, half_life, f"{reason}; the last {holdout_blocks} blocks judge")


def _start(plan: WindowPlan, data_from: float, drift: float | None, end: float) -> tuple[float, str]:
    match plan.strategy:
        case WindowStrategy.ALL:
            return data_from, "all rows"
        case WindowStrategy.WEIGHTED:
            return data_from, f"all rows, at half weight after {(plan.half_life_s or 0) / DAY_S:.3g} days"
        case WindowStrategy.SLIDING:
            return max(data_from, end - (plan.length_s or 0)), f"the last {(plan.length_s or 0) / DAY_S:.3g} days"
        case WindowStrategy.SINCE_DRIFT:
            if drift is None:
                return data_from, "all rows, as no drift is known"
            earliest = end - plan.shortest_s
            if drift <= earliest:
                return drift, "rows since the drift"
            return max(data_from, earliest), f"the last {plan.shortest_s / DAY_S:.3g} days, as the drift is younger"


def plan_from_mapping(document: Mapping[str, Any]) -> WindowPlan:
    """Read a plan from a project file's or a policy's words, such as `{"strategy": "sliding", "length_s": 5184000}`.

    Raises:
        TrainingWindowError: A word is not known.
    """
    field_names = set(WindowPlan.__dataclass_fields__)
    if odd := sorted(set(document) - field_names):
        raise TrainingWindowError(
            f"a training window has no {odd[0]!r}", hint=f"known: {', '.join(sorted(field_names))}"
        )
    strategy = document.get("strategy", WindowStrategy.ALL)
    if strategy not in list(WindowStrategy):
        raise TrainingWindowError(f"there is no strategy {strategy!r}", hint=", ".join(WindowStrategy))
    return WindowPlan(**{**document, "strategy": WindowStrategy(strategy)})
