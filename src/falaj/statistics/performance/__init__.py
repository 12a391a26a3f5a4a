"""How good a model is in service: measured where labels have come, estimated with its doubt where they have not."""

from falaj.statistics.performance.calibration import ESTIMATED, Calibration, fit_calibration
from falaj.statistics.performance.estimation import EstimationWindow, estimate
from falaj.statistics.performance.intervals import Measured, Method, measure, unknown
from falaj.statistics.performance.isotonic import IsotonicMap, fit_isotonic
from falaj.statistics.performance.joining import JoinedRows, Labels, PerformanceRowsError, join
from falaj.statistics.performance.selection import (
    STRIPS,
    UNCOVERED,
    Strips,
    is_selective,
    strip_of,
    uncovered,
    weighted_by,
    weighted_loss,
)
from falaj.statistics.performance.windows import WindowPerformance, performance_windows

__all__ = [
    "ESTIMATED",
    "STRIPS",
    "UNCOVERED",
    "Calibration",
    "EstimationWindow",
    "IsotonicMap",
    "JoinedRows",
    "Labels",
    "Measured",
    "Method",
    "PerformanceRowsError",
    "Strips",
    "WindowPerformance",
    "estimate",
    "fit_calibration",
    "fit_isotonic",
    "is_selective",
    "join",
    "measure",
    "performance_windows",
    "strip_of",
    "uncovered",
    "unknown",
    "weighted_by",
    "weighted_loss",
]
