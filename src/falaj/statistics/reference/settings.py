"""How a release is monitored: what a project says of it, with defaults that are right for most."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from falaj.core.json_record import JsonRecord

HOUR_S, DAY_S = 3600.0, 86_400.0
RESTRICTED = frozenset({"confidential", "personal", "health", "banking", "government"})
"""Classifications of data of which small counts stay at the location."""
LEAST = 10


@dataclass(frozen=True)
class MonitoringSettings(JsonRecord):
    """What monitors of a release go by.

    Args:
        block: `hour`, `day`, or so many rows: the part of the log that becomes one profile.
        window: So many blocks are judged together.
        leave_out: Features that are not looked at.
        sources: Where features come from, by feature.
        tolerance: By how much the loss may rise; None is a tenth of the reference's, at least 0.01.
        run_length: Windows until a false alarm, on average at least.
        minimum_effect: Smallest change that counts, about in standard deviations; None is found from the reference.
        missing: So much more of a feature missing than in the reference is a fault.
        label_delay_s: When the truth is known, after the prediction.
        least: Smallest count that leaves a location; 0 where the data may be told as it is.
        recalibrate: Whether answers are moved each day by what labels show.
        threshold: A probability from here on is the second class.
    """

    block: str | int = "hour"
    window: int = 24
    leave_out: tuple[str, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)
    tolerance: float | None = None
    run_length: int = 100
    minimum_effect: float | None = None
    missing: float = 0.05
    label_delay_s: float | None = None
    least: int = 0
    recalibrate: bool = True
    threshold: float = 0.5

    @property
    def width_s(self) -> float | None:
        """How long a block is; None when it is so many rows."""
        return {"hour": HOUR_S, "day": DAY_S}.get(self.block) if isinstance(self.block, str) else None

    def tolerated(self, expected: float) -> float:
        """By how much the loss may exceed what is expected."""
        return max(0.01, 0.1 * expected) if self.tolerance is None else self.tolerance

    @classmethod
    def of(
        cls, wishes: Mapping[str, Any], classifications: Collection[str] = (), risk: str = "medium"
    ) -> MonitoringSettings:
        """The settings of a project.

        Args:
            wishes: `monitoring` of the project's specification.
            classifications: Of its data sources; one that is restricted is enough to hold small counts back.
            risk: Of the project: answers of a model of high risk are moved only where the project says so.
        """
        block = wishes.get("block", "hour")
        sources = {name: source for source, names in (wishes.get("sources") or {}).items() for name in names}
        return cls(
            block=block,
            window=wishes.get("window") or {"hour": 24}.get(block, 1),
            leave_out=tuple(wishes.get("leave_out", ())),
            sources=sources,
            tolerance=wishes.get("tolerance"),
            run_length=wishes.get("run_length", 100),
            minimum_effect=wishes.get("minimum_effect"),
            missing=wishes.get("missing", 0.05),
            label_delay_s=wishes.get("label_delay_s"),
            least=LEAST if RESTRICTED & set(classifications) else 0,
            recalibrate=wishes.get("recalibrate", risk != "high"),
            threshold=wishes.get("threshold", 0.5),
        )
