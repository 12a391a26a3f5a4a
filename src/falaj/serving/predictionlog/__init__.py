"""The prediction log: every answered request, written before its reply and readable after any kind of end.

A replica appends one write per batch to segment files of its own; a kill leaves every answered request readable,
since a completed write is in the kernel's hands. (A loss of power may cost the last seconds: nothing is fsynced.)
Files are readable by their owner only, because they hold features; with a key their records are encrypted one by one.
"""

from falaj.serving.predictionlog.columns import PredictionColumns, columns_of
from falaj.serving.predictionlog.format import LABELS, PREDICTIONS, PredictionRecord, SegmentHeader
from falaj.serving.predictionlog.forms import segments
from falaj.serving.predictionlog.labels import LabelRecord, labels_of
from falaj.serving.predictionlog.lookup import Lookup
from falaj.serving.predictionlog.reader import find_prediction, read_segment
from falaj.serving.predictionlog.routing import Routing
from falaj.serving.predictionlog.sealing import LogKey, LogKeys, LogOwner, new_log_key
from falaj.serving.predictionlog.tailing import Entry, Position, follow, tail
from falaj.serving.predictionlog.writer import LogWriter
from falaj.serving.predictionlog.written import LogSealedError

__all__ = [
    "LABELS",
    "PREDICTIONS",
    "Entry",
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
    "columns_of",
    "find_prediction",
    "follow",
    "labels_of",
    "new_log_key",
    "read_segment",
    "segments",
    "tail",
]
