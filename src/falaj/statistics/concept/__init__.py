"""Has a model become worse? Losses of labelled predictions, judged one block after another with a promised run length.

Pure: losses and times come in. The state is small and JSON, so that it can be kept with the monitor.
"""

from falaj.statistics.concept.baseline import Baseline, calibrate
from falaj.statistics.concept.blocks import LossBlocks, Losses, by_count, by_time, rows_per_block, single_rows
from falaj.statistics.concept.detector import ConceptAlarm, ConceptState, advance
from falaj.statistics.concept.errors import BaselineError, LossError

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
