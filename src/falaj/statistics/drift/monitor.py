"""Drift over time: evidence is added up window by window, and an alarm keeps its promise.

Without a change the evidence e of a window has expectation at most 1, so R = (1 + R) e grows by at most 1 a window in
expectation, and so does its mean over the features. The mean is expected to need N windows to reach N (Shiryaev and
Roberts): that is the promise, whatever the features' dependence. The step from "expectation at most 1" to the windows
rests on p-values that hold beyond the minimum effect, which leaves room for the reference's own error.

An alarm that lasts is one alarm: what it named is not gathered evidence of again until it was like the reference for
some windows in a row.

Sources: J. Shin, A. Ramdas, A. Rinaldo, "E-detectors: a nonparametric framework for sequential change detection"
(2023); the e-value p^(-1/2)/2 is a calibrator of V. Vovk, R. Wang, "E-values: calibration, combination and
applications", Annals of Statistics 49 (2021).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import accumulate

from falaj.core.json_record import JsonRecord
from falaj.statistics.drift.judging import DriftReport, FeatureDrift

RUN_LENGTH = 100
LARGEST = 1e100
CALM_WINDOWS = 3
CALM_EVIDENCE = 1.0
"""Evidence of a window below which it speaks for the reference: without a change three of four windows are so."""


@dataclass(frozen=True)
class DriftAlarm:
    """A change that the monitor found.

    Args:
        at: End of the window that completed the evidence, Unix seconds.
        windows: Windows since the monitor began, or since the alarm before.
        features: What the evidence is on, strongest first.
        evidence: Mean evidence over the features, at least the promised run length.
    """

    at: float
    windows: int
    features: tuple[str, ...]
    evidence: float


@dataclass(frozen=True)
class Lasting:
    """A feature that an alarm named and that is not like the reference again.

    Args:
        since: End of the window that completed the evidence, Unix seconds.
        calm: Windows in a row, the last ones, in which it was like the reference.
    """

    since: float
    calm: int = 0

    def after(self, feature_drift: FeatureDrift | None) -> Lasting:
        """After another window; one that tested nothing changes nothing."""
        if feature_drift is None or not feature_drift.tested:
            return self
        return replace(self, calm=self.calm + 1 if feature_drift.evidence < CALM_EVIDENCE else 0)


@dataclass(frozen=True)
class DriftMonitor(JsonRecord):
    """What a monitor of a release remembers.

    Args:
        run_length: N of the promise: windows until a false alarm, on average at least.
        evidence: R by feature.
        windows: Windows seen since the beginning or the last alarm.
        lasting: What alarms named and is not like the reference again, by feature.
    """

    run_length: int = RUN_LENGTH
    evidence: Mapping[str, float] = field(default_factory=dict)
    windows: int = 0
    lasting: Mapping[str, Lasting] = field(default_factory=dict)

    @property
    def guarantee(self) -> str:
        """The promise in words."""
        return f"at most 1 false alarm in {self.run_length} windows on average, over all features together"

    def step(self, report: DriftReport) -> tuple[DriftMonitor, DriftAlarm | None]:
        """Take a window; windows come in time order, each once.

        Returns:
            The monitor after it, and an alarm if the evidence is complete; the evidence then begins anew. A window
            or a feature that was not tested changes nothing.
        """
        tested = {feature_drift.feature: feature_drift for feature_drift in report.all_features if feature_drift.tested}
        if not tested:
            return self, None
        after = {name: each.after(tested.get(name)) for name, each in self.lasting.items()}
        lasting = {name: each for name, each in after.items() if each.calm < CALM_WINDOWS}
        grown = {**self.evidence, **{name: self._grown(feature_drift) for name, feature_drift in tested.items()}}
        grown |= dict.fromkeys(lasting, 0.0)
        windows, mean = self.windows + 1, sum(grown.values()) / len(grown)
        if mean < self.run_length:
            return replace(self, evidence=grown, windows=windows, lasting=lasting), None
        blamed = _blamed(grown, self.run_length)
        lasting |= {name: Lasting(report.end) for name in blamed}
        return DriftMonitor(self.run_length, lasting=lasting), DriftAlarm(report.end, windows, blamed, mean)

    def _grown(self, feature_drift: FeatureDrift) -> float:
        return min(LARGEST, (1 + self.evidence.get(feature_drift.feature, 0.0)) * feature_drift.evidence)


def _blamed(grown: Mapping[str, float], line: float) -> tuple[str, ...]:
    """What the evidence is on, strongest first: each that reaches the line, or the fewest with half of it all."""
    order = sorted(grown, key=lambda name: -grown[name])
    strong = [name for name in order if grown[name] >= line]
    if strong:
        return tuple(strong)
    total, parts = sum(grown.values()), list(accumulate(grown[name] for name in order))
    return tuple(order[: 1 + sum(part < total / 2 for part in parts)])
