"""The process runtime: one pass brings the machine one step nearer to what is wanted."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from falaj.dataplane.callers import Admittance, CallerTrust, Door
from falaj.dataplane.desired_state import EndpointState, EndpointStatus, ReleaseRole, Servable
from falaj.dataplane.errors import LocationError
from falaj.dataplane.runtimes.process import placement
from falaj.dataplane.runtimes.process.activator import Activator, HoldLimits
from falaj.dataplane.runtimes.process.envoy.callers import CallerRules, Entrance, caller_rules
from falaj.dataplane.runtimes.process.envoy.config import EnvoyLayout
from falaj.dataplane.runtimes.process.gateway import Gateway, GatewayCertificate
from falaj.dataplane.runtimes.process.memory import available_bytes, shortage
from falaj.dataplane.runtimes.process.replica import (
    GiveLogKey,
    RecalibrationFiles,
    Replica,
    ReplicaCommand,
    ReplicaOptions,
    ReplicaRecords,
    Slot,
    arm_name,
    modelserver_command,
    slot_id,
)
from falaj.dataplane.runtimes.process.routing import RoutingTable, mirror_of
from falaj.dataplane.runtimes.process.scaler import Scaler
from falaj.dataplane.runtimes.process.supervision import ProcessSupervisor
from falaj.dataplane.traffic_split import Traffic

_LONGEST_SOCKET = 107  # bytes of a Unix socket's path, from sockaddr_un
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LocationFolders:
    """Where a location keeps its files.

    Args:
        folder: The location's folder, absolute.
        logs: Where processes log.
    """

    folder: Path
    logs: Path

    @property
    def sockets(self) -> Path:
        """Folder of the Unix sockets: in the location, or in the temporary folder when that path is too long."""
        own = self.folder / "run"
        if len(str(own)) + 90 <= _LONGEST_SOCKET:
            return own
        short = sha256(str(self.folder).encode()).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"falaj-{os.getuid()}-{short}"

    @property
    def predictions(self) -> Path:
        """Folder of the prediction log."""
        return self.folder / "predictions"

    @property
    def recalibration(self) -> Path:
        """Folder of the files that say by what answers are moved; model servers may read it."""
        return self.folder / "recalibration"

    @property
    def layout(self) -> EnvoyLayout:
        """Files of the gateway."""
        admin = self.sockets / "envoy" / "admin.sock"  # in a folder of its own, as those of replicas are
        return EnvoyLayout(self.folder / "envoy", admin, self.logs / "predictions-access.jsonl")


class ProcessRuntime:
    """Serves endpoints by processes of this machine.

    Args:
        place: Where the files are.
        port: Of the gateway, on 127.0.0.1.
        command: What starts a replica.
        clock: Unix time.
        log_key: Gives a replica the key of its prediction log; None for logs in the clear.
        recalibration: Where the agent says by what answers are moved; None where nothing moves them.
        certificate: What the door shows to callers; None while there is none.
        hold: Bounds of the requests that wait for endpoints which sleep.
    """

    def __init__(
        self,
        place: LocationFolders,
        *,
        port: int,
        command: ReplicaCommand = modelserver_command,
        clock: Callable[[], float] = time.time,
        log_key: GiveLogKey | None = None,
        recalibration: RecalibrationFiles | None = None,
        certificate: Callable[[Door], GatewayCertificate | None] = lambda _door: None,
        hold: HoldLimits | None = None,
    ) -> None:
        self._door_certificate = certificate
        self._place, self._recalibration = place, recalibration
        self._log_sealed = log_key is not None
        self._command = command
        self._clock = clock
        self.activator = Activator(place.sockets / "held", clock, hold)
        self._scaler = Scaler(self.activator, self._load, clock)
        self._records = ReplicaRecords(place.folder / "replicas")
        self.supervisor = ProcessSupervisor(place.folder, place.logs, self._records, clock, log_key)
        self.gateway = Gateway(place.layout, place.logs / "envoy.log", port=port, node_id=place.folder.name)

    def adopt(self) -> None:
        """Take over what an earlier agent left running; to be called once, before the first pass."""
        self.supervisor.end_strays()
        self.supervisor.forget_ended()

    def converge(
        self,
        servables: Sequence[Servable],
        traffic: Mapping[str, Traffic] | None = None,
        admittance: Admittance | None = None,
    ) -> tuple[EndpointStatus, ...]:
        """Do the next steps towards serving exactly these endpoints; idempotent, and safe to kill anywhere.

        Args:
            servables: What to serve; several of one endpoint where it has a traffic.
            traffic: By endpoint (`environment/model`): how its releases share the requests.
            admittance: Who may ask, and where.

        Returns:
            How each servable is doing, in their order.

        Raises:
            PortInUseError: Another program has the gateway's port; replicas were looked after nevertheless.
            LocationError: Envoy does not work; the next pass tries again.
        """
        _private_folder(self._place.sockets)
        self._place.predictions.mkdir(parents=True, exist_ok=True)
        self._place.recalibration.mkdir(parents=True, exist_ok=True, mode=0o700)
        traffic, admittance = traffic or {}, admittance or Admittance()
        servables = self._scaler.sized(servables, self.gateway.table(), traffic)
        baselines, short = self._fitting(placement.baselines(servables, traffic))
        everything = (*servables, *baselines)
        replicas = self._tended(everything)
        self.gateway.ensure(admittance.entry, self._certificate(admittance.entry))
        before = self.gateway.table()
        table = placement.routing_table(everything, replicas, before, traffic, admittance.callers)
        table = self._scaler.with_activator(table, servables, traffic)
        self.gateway.apply(table)
        self._scaler.handed_over(table)
        surplus = [*placement.surplus(everything, replicas, table), *self._scaler.asleep(replicas)]
        replicas = self._retired(replicas, surplus)
        statuses = [
            placement.status(s, replicas, table, self._url(s), steered=s.endpoint.name in traffic) for s in everything
        ]
        reported = placement.with_baselines(everything, statuses, short)
        reported = [self._with_sleep(status) for status in reported]
        return tuple(self._with_callers(self._with_in_flight(status, traffic), table) for status in reported)

    def settle(
        self,
        servables: Sequence[Servable],
        traffic: Mapping[str, Traffic] | None = None,
        admittance: Admittance | None = None,
        *,
        timeout_s: float,
    ) -> tuple[EndpointStatus, ...]:
        """Repeat passes until every endpoint is ready or failed and nothing is draining, or the time is over."""
        deadline = time.monotonic() + timeout_s
        while True:
            statuses = self.converge(servables, traffic, admittance)
            is_settled = all(s.state in (EndpointState.READY, EndpointState.FAILED) for s in statuses)
            draining = any(replica.retired_at is not None for replica in self._records)
            if (is_settled and not draining) or time.monotonic() > deadline:
                return statuses
            time.sleep(0.05)

    def copies(self, endpoint: str, release: int) -> tuple[int, int]:
        """How many copies of requests a release was to get since Envoy started, and how many of them it failed."""
        prefix = f"{endpoint}@{release}."
        name = next((name for name in self.gateway.table().arms if name.startswith(prefix)), None)
        return self.gateway.process.admin.answered(mirror_of(name)) if name else (0, 0)

    def _fitting(self, baselines: Sequence[Servable]) -> tuple[list[Servable], dict[tuple[str, int], str]]:
        """The baselines that run or that there is memory for; of the others, by endpoint and release, what is short."""
        running: dict[str, list[int]] = {}
        for replica in self._records:
            if replica.process is not None:
                running.setdefault(replica.slot.release, []).append(replica.process.pid)
        arms = {replica.slot.arm for replica in self._records}
        fitting, short = [], {}
        for servable in baselines:
            endpoint = servable.endpoint
            like = running.get(f"{endpoint.model}@{endpoint.release}", [])
            why = "" if arm_name(servable) in arms else shortage(like, endpoint.replicas, available_bytes())
            if why:
                short[endpoint.name, endpoint.release] = why
            else:
                fitting.append(servable)
        return fitting, short

    def _with_in_flight(self, status: EndpointStatus, traffic: Mapping[str, Traffic]) -> EndpointStatus:
        """The status of a canary with the requests that it works on: a candidate that hangs answers nothing else."""
        steered = traffic.get(status.endpoint)
        if steered is None or steered.candidate != status.release or not steered.weights.get(status.release):
            return status
        arms = self.gateway.table().arms.values()
        prefix = f"{status.endpoint}@{status.release}."
        names = [arm.name for arm in arms if arm.name.startswith(prefix) and not arm.baseline]
        return replace(status, in_flight=sum(self.gateway.process.admin.in_flight(name) for name in names))

    def _with_sleep(self, status: EndpointStatus) -> EndpointStatus:
        """The status with the word that it sleeps: it is ready, without a replica."""
        asleep = self._scaler.is_asleep(status.endpoint) and not status.message
        return replace(status, message="asleep") if asleep else status

    def _with_callers(self, status: EndpointStatus, table: RoutingTable) -> EndpointStatus:
        """The status with who is let in now, and where; the gateway has confirmed the table."""
        route, door = table.routes.get(status.endpoint), self.gateway.open_door
        if route is None:
            return status
        served = door is not None and caller_rules(route.callers, Entrance.DOOR) is not CallerRules.IMPOSSIBLE
        url = f"{door.url}/{status.endpoint}" if door is not None and served else ""
        return replace(status, door=url, callers=route.callers.ids)

    def _load(self, arm: str) -> tuple[int, int]:
        return self.gateway.process.admin.load(arm) if self.gateway.process.current() else (0, 0)

    def stop(self) -> None:
        """End Envoy and all replicas."""
        self.activator.stop()
        self.gateway.process.stop()
        for replica in self._records:
            if replica.process:
                replica.process.end(grace_s=10.0)
            self._records.forget(replica)
        self.supervisor.end_strays()
        shutil.rmtree(self._place.sockets, ignore_errors=True)

    def _tended(self, servables: Sequence[Servable]) -> list[Replica]:
        """All replicas, after starting what is missing and looking after what is there."""
        by_slot = {replica.slot.id: replica for replica in self._records}
        for servable in servables:
            for index in range(servable.endpoint.replicas):
                slot = self._slot(servable, index)
                current = by_slot.get(slot.id)
                if current is None or (current.retired_at is not None and current.process is None):
                    by_slot[slot.id] = Replica(slot)
        return [r if r.retired_at is not None else self.supervisor.tend(r) for r in by_slot.values()]

    def _retired(self, replicas: Sequence[Replica], surplus: Sequence[Replica]) -> list[Replica]:
        """The replicas that remain, after taking the surplus out and ending what has drained."""
        remaining: list[Replica] = []
        for replica in replicas:
            current = replica
            if replica in surplus:
                current = replica.retired(self._clock())
                self._records.save(current)
            if current.retired_at is None or not self.supervisor.end(current):
                remaining.append(current)
        return remaining

    def _slot(self, servable: Servable, index: int) -> Slot:
        arm = arm_name(servable)
        socket = self._place.sockets / f"{sha256(arm.encode()).hexdigest()[:16]}-{index}" / "s"
        log, sealed = self._place.predictions / slot_id(arm, index), self._log_sealed
        command = tuple(self._command(ReplicaOptions(servable, socket, log, index, sealed, self._recalibration)))
        endpoint = servable.endpoint
        release, baseline = f"{endpoint.model}@{endpoint.release}", endpoint.role is ReleaseRole.BASELINE
        return Slot(arm, endpoint.name, release, index, str(socket), command, baseline)

    def _certificate(self, entry: CallerTrust) -> GatewayCertificate | None:
        return None if entry.door is None else self._door_certificate(entry.door)

    def _url(self, servable: Servable) -> str:
        return f"http://127.0.0.1:{self.gateway.port}/{servable.endpoint.name}"


def _private_folder(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if folder.stat().st_uid != os.getuid():
        raise LocationError("the folder for sockets belongs to another user", where=str(folder))
    folder.chmod(0o700)
