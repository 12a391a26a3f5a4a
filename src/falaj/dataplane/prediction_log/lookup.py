"""Reading records by their place."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

from falaj.dataplane.prediction_log.format import LogFormatError, Raw, SegmentHeader
from falaj.dataplane.prediction_log.segment import LogSegment, open_segment
from falaj.dataplane.prediction_log.segment_encryption import LogKeys
from falaj.supply_chain.encryption.errors import DamagedCiphertextError, KeyGoneError

_MOST_OPEN = 64


class Lookup:
    """Reads single records of a log, with the last used segments kept open.

    Args:
        folder: The log folder.
        keys: For encrypted segments.
    """

    def __init__(self, folder: Path, keys: LogKeys | None = None) -> None:
        self._folder, self._keys = folder, keys
        self._open: OrderedDict[str, LogSegment] = OrderedDict()

    def read(self, segment: str, place: int) -> tuple[SegmentHeader, Raw] | None:
        """Read one record.

        Args:
            segment: Path of the segment below the folder, as `Entry` gives it.
            place: Offset in the segment, in bytes.

        Returns:
            None when it is no longer there, was erased with its key, or is not what was written there.

        Raises:
            MissingExtraError: The segment is in columns, and Parquet cannot be read here.
        """
        try:
            log_segment = self._segment(segment)
            raw = log_segment.read(place)
        except (FileNotFoundError, KeyGoneError, LogFormatError, DamagedCiphertextError):
            return None
        return None if raw is None else (log_segment.header, raw)

    def close(self) -> None:
        """Close the segments."""
        while self._open:
            self._open.popitem()[1].close()

    def let_go(self) -> None:
        """Close the segments whose files were removed, which take room on the disk for as long as they are open."""
        for name in [name for name, segment in self._open.items() if segment.gone()]:
            self._open.pop(name).close()

    def _segment(self, name: str) -> LogSegment:
        if self._open and (last := next(reversed(self._open))) != name:
            self._open[last].forget()  # segments stay open in numbers, and what they hold must not add up
        if name in self._open and not self._open[name].gone():
            self._open.move_to_end(name)
            return self._open[name]
        self.let_go()
        log_segment, _ = open_segment(self._folder / name, self._keys)
        self._open[name] = log_segment
        if len(self._open) > _MOST_OPEN:
            self._open.popitem(last=False)[1].close()
        return log_segment
