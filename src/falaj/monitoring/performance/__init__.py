"""How good a model is in service: measured where labels have come, estimated with its doubt where they have not."""

from falaj.monitoring.performance.calibration import ESTIMATED, Calibration, fit_calibration
from falaj.monitoring.performance.estimation import Window, estimate
from falaj.monitoring.performance.intervals import Measured, Method, measure, unknown
from falaj.monitoring.performance.isotonic import IsotonicMap, fit_isotonic
from falaj.monitoring.performance.joining import Joined, Labels, PerformanceRowsError, join
from falaj.monitoring.performance.windows import WindowPerformance, performance_windows

__all__ = [
    "ESTIMATED",
    "Calibration",
    "IsotonicMap",
    "Joined",
    "Labels",
    "Measured",
    "Method",
    "PerformanceRowsError",
    "Window",
    "WindowPerformance",
    "estimate",
    "fit_calibration",
    "fit_isotonic",
    "join",
    "measure",
    "performance_windows",
    "unknown",
]
