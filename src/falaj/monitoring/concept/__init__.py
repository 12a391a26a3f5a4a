"""Has a model become worse? Losses of labelled predictions, judged one block after another with a promised run length.

Pure: losses and times come in. The state is small and JSON, so that it can be kept with the monitor.
"""

from falaj.monitoring.concept.baseline import Baseline, calibrate
from falaj.monitoring.concept.blocks import LossBlocks, Losses, by_count, by_time, rows_per_block, single_rows
from falaj.monitoring.concept.detector import ConceptAlarm, ConceptState, advance
from falaj.monitoring.concept.errors import BaselineError, LossError

__all__ = [
    "Baseline",
    "BaselineError",
    "ConceptAlarm",
    "ConceptState",
    "LossBlocks",
    "LossError",
    "Losses",
    "advance",
    "by_count",
    "by_time",
    "calibrate",
    "rows_per_block",
    "single_rows",
]
