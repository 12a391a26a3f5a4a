"""The prediction log: every answered request, written before its reply and readable after any kind of end.

A replica appends one write per batch to segment files of its own; a kill leaves every answered request readable,
since a completed write is in the kernel's hands. (A loss of power may cost the last seconds: nothing is fsynced.)
Files are readable by their owner only, because they hold features; with a key their records are encrypted one by one.
"""

from falaj.dataplane.prediction_log.columns import PredictionColumns, columns_of
from falaj.dataplane.prediction_log.format import LABELS, PREDICTIONS, PredictionRecord, SegmentHeader
from falaj.dataplane.prediction_log.labels import LabelRecord, labels_of
from falaj.dataplane.prediction_log.lookup import Lookup
from falaj.dataplane.prediction_log.reader import find_prediction, read_segment
from falaj.dataplane.prediction_log.routing import Routing
from falaj.dataplane.prediction_log.segment_encryption import LogKey, LogKeys, LogOwner, new_log_key
from falaj.dataplane.prediction_log.segment_paths import segments
from falaj.dataplane.prediction_log.tailing import Position, TailedRecord, follow, tail
from falaj.dataplane.prediction_log.wal_segment import LogSealedError
from falaj.dataplane.prediction_log.writer import LogWriter

__all__ = [
    "LABELS",
    "PREDICTIONS",
    "LabelRecord",
    "LogKey",
    "LogKeys",
    "LogOwner",
    "LogSealedError",
    "LogWriter",
    "Lookup",
    "Position",
    "PredictionColumns",
    "PredictionRecord",
    "Routing",
    "SegmentHeader",
    "TailedRecord",
    "columns_of",
    "find_prediction",
    "follow",
    "labels_of",
    "new_log_key",
    "read_segment",
    "segments",
    "tail",
]
