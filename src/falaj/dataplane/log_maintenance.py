"""The upkeep of a location's prediction log: ended segments are put into columns, and those go whose time is over."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from falaj.core.errors import MissingExtraError
from falaj.core.home import Home
from falaj.dataplane.background import Background, keep_running
from falaj.dataplane.local_policy import read_rules
from falaj.dataplane.log_keys import reader_keys
from falaj.dataplane.prediction_log import LogKeys, segments
from falaj.dataplane.prediction_log.compaction import ColumnsError, CompactionOutcome, compact
from falaj.dataplane.prediction_log.retention import remove_older
from falaj.supply_chain.encryption import Keystore, home_scope

_LOOK_S = 60.0
_QUIET_S = 600.0
_IDLE_SHARE = 3.0
_LONGEST_PAUSE_S = 1.0
_log = logging.getLogger(__name__)


class _StoppedError(Exception):
    """The agent ends."""


@dataclass
class LogUpkeep:
    """Looks after one log; used by one thread.

    Args:
        log: The log folder.
        keys: For encrypted segments.
        metadata: What files in columns say of themselves, such as their residency.
        keep_s: How long records are kept, in seconds; None for ever.
        quiet_s: So long after its last record a segment stays as it was written: the newest is read most, and by place.
        idle_share: How much longer than it works it rests, since it shares the processor with those who serve.
        clock: Unix time.
    """

    log: Path
    keys: LogKeys | None
    metadata: Callable[[], Mapping[str, str]]
    keep_s: Callable[[], float | None]
    quiet_s: float = _QUIET_S
    idle_share: float = _IDLE_SHARE
    clock: Callable[[], float] = time.time
    _skipped: set[Path] = field(default_factory=set)
    _without_parquet: bool = False

    def look(self, stopping: threading.Event) -> None:
        """Do what there is to do now.

        Args:
            stopping: Ends the work at the next rest; nothing is half done then.
        """
        self._remove_old()
        if not self._without_parquet:
            self._compact_ended(_Rest(stopping, self.idle_share))

    def _remove_old(self) -> None:
        keep_s = self.keep_s()
        if keep_s is not None:
            for path in remove_older(self.log, int((self.clock() - keep_s) * 1e9), self.keys):
                _log.info("prediction-log.removed segment=%s keep_s=%d", path, keep_s)

    def _compact_ended(self, rest: _Rest) -> None:
        self._skipped = {path for path in self._skipped if path.exists()}
        for path in segments(self.log):
            if path not in self._skipped and self._is_quiet(path):
                try:
                    self._compact(path, rest)
                except _StoppedError:
                    return
                except MissingExtraError as error:
                    _log.warning("prediction-log.left-as-written reason=%s hint=%s", error, error.hint)
                    self._without_parquet = True
                    return

    def _compact(self, path: Path, rest: _Rest) -> None:
        try:
            outcome = compact(path, self.keys, self.metadata(), rest)
        except ColumnsError as error:
            _log.warning("prediction-log.left-as-written code=%s segment=%s reason=%s", error.code, path, error)
            outcome = CompactionOutcome.LEFT
        if outcome is CompactionOutcome.LEFT:
            self._skipped.add(path)
        elif outcome is CompactionOutcome.DONE:
            _log.info("prediction-log.compacted segment=%s", path)

    def _is_quiet(self, path: Path) -> bool:
        try:
            return self.clock() - path.stat().st_mtime >= self.quiet_s
        except FileNotFoundError:
            return False  # it is in columns


class _Rest:
    """Rests in proportion to the work since the last rest."""

    def __init__(self, stopping: threading.Event, share: float) -> None:
        self._stopping, self._share = stopping, share
        self._since = time.monotonic()

    def __call__(self) -> None:
        worked = time.monotonic() - self._since
        if self._stopping.wait(min(self._share * worked, _LONGEST_PAUSE_S)):
            raise _StoppedError
        self._since = time.monotonic()


def open_upkeep(
    home: Home, chest: Keystore, folder: Path, location: str, wanted_s: Callable[[], float | None]
) -> LogUpkeep:
    """The upkeep of a location's log.

    Args:
        home: The installation, whose keys read the log.
        chest: Its data keys.
        folder: Of the location.
        location: Its name.
        wanted_s: How long the control plane wants records to be kept; None for ever.

    Raises:
        LocationRulesError: When it is used: the location's own rules cannot be read, and nothing is removed.
    """
    log = folder / "predictions"

    def keep_s() -> float | None:
        rules, configured_s = read_rules(folder, location), wanted_s()
        return None if configured_s is None else max(configured_s, rules.keep_predictions_s)

    def metadata() -> Mapping[str, str]:
        residency = read_rules(folder, location).jurisdiction or home_scope(home.settings).jurisdiction
        return {"residency": residency, "location": location}

    return LogUpkeep(log, reader_keys(home, chest, log), metadata, keep_s)


def keep_log(opened: Callable[[], LogUpkeep], *, look_s: float = _LOOK_S) -> Background:
    """What an agent does beside everything else: look after the log.

    Args:
        opened: Makes the upkeep, in the thread that uses it.
        look_s: How often to look, in seconds.
    """
    return keep_running(lambda: nullcontext(opened()), _look, name="prediction-log", look_s=look_s)


def _look(upkeep: LogUpkeep, stopping: threading.Event, look_s: float) -> None:
    while not stopping.wait(look_s):
        upkeep.look(stopping)
