"""Keeping replicas alive: start, notice readiness and death, start again, end."""

from __future__ import annotations

import logging
import os
import shutil
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from falaj.core.errors import FalajError
from falaj.dataplane.runtimes.process import backoff
from falaj.dataplane.runtimes.process.envoy.process import last_line
from falaj.dataplane.runtimes.process.os_process import spawn, tagged
from falaj.dataplane.runtimes.process.replica import (
    LOG_KEY,
    SLOT_TAG,
    TAG,
    GiveLogKey,
    Replica,
    ReplicaRecords,
    Slot,
    replica_environment,
    slot_mark,
)
from falaj.dataplane.runtimes.process.unix_http import request

READY_WITHIN_S = 120.0
DRAIN_S = 1.0
END_WITHIN_S = 30.0
WATCH_EVERY_S = 5.0
HUNG_AFTER_MISSES = 4
_PROBE_TIMEOUT_S = 1.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ProcessSupervisor:
    """Looks after the replicas of one location; every method returns the replica as it is then, already on disk.

    Args:
        location: Folder of the location.
        logs: Folder of the replicas' logs.
        records: Where their state is kept.
        clock: Unix time.
        log_key: Gives a replica the key of its log; None for logs in the clear.
        silence: By slot: when it was last asked, and how often in a row it did not answer.
    """

    location: Path
    logs: Path
    records: ReplicaRecords
    clock: Callable[[], float]
    log_key: GiveLogKey | None = None
    silence: dict[str, tuple[float, int]] = field(default_factory=dict)

    def log_of(self, slot: Slot) -> Path:
        """Where the output of a slot's processes goes."""
        return self.logs / f"replica-{slot.id}.log"

    def tend(self, replica: Replica) -> Replica:
        """Do the next thing that a wanted replica needs."""
        if replica.process is None:
            return self._start(replica) if self.clock() >= backoff.start_at(replica.deaths) else replica
        if not replica.process.alive():
            return self._bury(replica)
        if replica.ready_at is None:
            return self._probe(replica)
        return self._watched(replica)

    def end(self, replica: Replica) -> bool:
        """Bring a retired replica nearer to its end; True when it is gone and forgotten.

        It has one second to receive what was on its way, then SIGTERM, and SIGKILL after half a minute.
        """
        waited = self.clock() - (replica.retired_at or 0.0)
        if replica.process and replica.process.alive():
            if waited < DRAIN_S:
                return False
            replica.process.send(signal.SIGTERM if waited < DRAIN_S + END_WITHIN_S else signal.SIGKILL)
            return False
        shutil.rmtree(Path(replica.slot.socket).parent, ignore_errors=True)
        self.records.forget(replica)
        _log.info("replica.ended slot=%s", replica.slot.id)
        return True

    def forget_ended(self) -> None:
        """Begin anew with replicas that fell while there was no agent, as in a restart of the machine."""
        for replica in list(self.records):
            if replica.process and replica.retired_at is None and not replica.process.alive():
                self._saved(replace(replica, process=None, ready_at=None, deaths=()))

    def end_strays(self) -> None:
        """Kill processes of this location that no record knows: their agent died between start and record."""
        sessions = {r.process.pid for r in self.records if r.process and r.process.alive()}
        for process in tagged(TAG, str(self.location)):
            with suppress(ProcessLookupError):
                if os.getsid(process.pid) not in sessions:
                    process.send(signal.SIGKILL)

    def _start(self, replica: Replica) -> Replica:
        slot = replica.slot
        folder = Path(slot.socket).parent
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        Path(slot.socket).unlink(missing_ok=True)
        try:
            environment = replica_environment(slot, self.location)
            process = spawn(
                slot.command, log=self.log_of(slot), environment=environment, stdin_data=self._new_key(slot)
            )
        except (OSError, FalajError) as error:
            return self._died(replace(replica, started_at=self.clock()), f"cannot start {slot.command[0]}: {error}")
        _log.info("replica.started slot=%s pid=%d", slot.id, process.pid)
        return self._saved(replace(replica, process=process, started_at=self.clock(), ready_at=None))

    def _new_key(self, slot: Slot) -> bytes | None:
        """A key of its own for each start, so that none reads what an earlier one wrote."""
        return self.log_key(slot.log_owner) if self.log_key and LOG_KEY[0] in slot.command else None

    def _watched(self, replica: Replica) -> Replica:
        """Ask a ready replica now and then whether it still answers; one that is silent again and again has hung."""
        since, misses = self.silence.get(replica.slot.id, (replica.ready_at or 0.0, 0))
        if self.clock() - since < WATCH_EVERY_S:
            return replica
        misses = 0 if _answers(replica, "/v2/health/live") else misses + 1
        self.silence[replica.slot.id] = (self.clock(), misses)
        if misses < HUNG_AFTER_MISSES:
            return replica
        del self.silence[replica.slot.id]
        return self._bury(replica, f"it did not answer {misses} times in a row")

    def _probe(self, replica: Replica) -> Replica:
        if _answers(replica, "/v2/health/ready"):
            _log.info("replica.ready slot=%s after_s=%.2f", replica.slot.id, self.clock() - replica.started_at)
            return self._saved(replace(replica, ready_at=self.clock(), message=""))
        if self.clock() - replica.started_at > READY_WITHIN_S:
            return self._bury(replica, f"not ready within {READY_WITHIN_S:.0f} s")
        return replica

    def _bury(self, replica: Replica, why: str = "") -> Replica:
        """Note a death, and end what the process may have left behind."""
        if replica.process:
            replica.process.send(signal.SIGKILL)
        for process in tagged(SLOT_TAG, slot_mark(replica.slot, self.location)):
            process.send(signal.SIGKILL)
        return self._died(replica, why or last_line(self.log_of(replica.slot)))

    def _died(self, replica: Replica, message: str) -> Replica:
        deaths = backoff.remember_death(replica.deaths, started_at=replica.started_at, now=self.clock())
        _log.warning("replica.died slot=%s deaths=%d message=%s", replica.slot.id, len(deaths), message)
        return self._saved(replace(replica, process=None, ready_at=None, deaths=deaths, message=message))

    def _saved(self, replica: Replica) -> Replica:
        self.records.save(replica)
        return replica


def _answers(replica: Replica, target: str) -> bool:
    """Whether the process that was started for a slot answers; another one that listens there does not count."""
    pid = replica.process.pid if replica.process else 0
    try:
        status, _ = request(Path(replica.slot.socket), target, timeout_s=_PROBE_TIMEOUT_S, by=pid)
    except OSError:
        return False
    return status == 200
