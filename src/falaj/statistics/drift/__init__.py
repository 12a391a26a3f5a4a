"""Data drift: a window's profiles beside the reference's, with effect, evidence and a promise about false alarms.

`judge_window` reports one window, `DriftMonitor` adds up its evidence over time and raises the alarms.
"""

from falaj.statistics.drift.dependence import DependenceShift
from falaj.statistics.drift.judging import DriftReport, DriftVerdict, FeatureDrift, judge_window
from falaj.statistics.drift.monitor import DriftAlarm, DriftMonitor, Lasting
from falaj.statistics.drift.shifts import Shift

__all__ = [
    "DependenceShift",
    "DriftAlarm",
    "DriftMonitor",
    "DriftReport",
    "DriftVerdict",
    "FeatureDrift",
    "Lasting",
    "Shift",
    "judge_window",
]
