"""Drift over time: evidence is added up window by window, and an alarm keeps its promise.

Without a change the evidence e of a window has expectation at most 1, so R = (1 + R) e grows by at most 1 a window in
expectation, and so does its mean over the features. The mean is expected to need N windows to reach N (Shiryaev and
Roberts): that is the promise, whatever the features' dependence. The step from "expectation at most 1" to the windows
rests on p-values that hold beyond the minimum effect, which leaves room for the reference's own error.

Sources: J. Shin, A. Ramdas, A. Rinaldo, "E-detectors: a nonparametric framework for sequential change detection"
(2023); the e-value p^(-1/2)/2 is a calibrator of V. Vovk, R. Wang, "E-values: calibration, combination and
applications", Annals of Statistics 49 (2021).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from falaj.errors import IntegrityError
from falaj.monitoring.drift.judging import DriftReport, Verdict

FORM = "falaj/drift-monitor/1"
RUN_LENGTH = 100
LARGEST = 1e100


class MonitorStateError(IntegrityError):
    """A document is not the state of a monitor."""

    code = "monitor.state"


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
class DriftMonitor:
    """What a monitor of a release remembers.

    Args:
        run_length: N of the promise: windows until a false alarm, on average at least.
        evidence: R by feature.
        windows: Windows seen since the beginning or the last alarm.
    """

    run_length: int = RUN_LENGTH
    evidence: Mapping[str, float] = field(default_factory=dict)
    windows: int = 0

    @property
    def guarantee(self) -> str:
        """The promise in words."""
        return f"at most 1 false alarm in {self.run_length} windows on average, over all features together"

    def step(self, report: DriftReport) -> tuple[DriftMonitor, DriftAlarm | None]:
        """Take a window; windows come in time order, each once.

        Returns:
            The monitor after it, and an alarm if the evidence is complete; the evidence then begins anew. A window
            that says nothing (too few rows) changes nothing.
        """
        if all(found.verdict is Verdict.UNKNOWN for found in report.judged):
            return self, None
        grown = {
            found.feature: min(LARGEST, (1 + self.evidence.get(found.feature, 0.0)) * found.evidence)
            for found in report.judged
        }
        windows, mean = self.windows + 1, sum(grown.values()) / len(grown)
        if mean < self.run_length:
            return replace(self, evidence=grown, windows=windows), None
        order = sorted(grown, key=lambda name: -grown[name])
        blamed = [name for name in order if grown[name] >= self.run_length]
        return replace(self, evidence={}, windows=0), DriftAlarm(report.end, windows, tuple(blamed), mean)

    def to_json(self) -> dict[str, Any]:
        """The state as a JSON document."""
        return {
            "form": FORM,
            "run_length": self.run_length,
            "evidence": dict(self.evidence),
            "windows": self.windows,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> DriftMonitor:
        """Read a state.

        Raises:
            MonitorStateError: The document is none of a known version.
        """
        if document.get("form") != FORM:
            raise MonitorStateError(f"this is no monitor state of the form {FORM}: {document.get('form')!r}")
        evidence = {str(name): float(value) for name, value in document["evidence"].items()}
        return cls(int(document["run_length"]), evidence, int(document["windows"]))
