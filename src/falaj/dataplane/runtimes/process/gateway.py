"""The gateway: makes Envoy follow a routing table without losing a request.

The order is what makes it safe. Clusters with old and new arms first; then wait until Envoy shows the endpoints; then
the routes; then the clusters without the old arms. In any other order some requests meet a route to a cluster that is
not there. Killed between any two steps, the files on disk are a state that Envoy can start from. When only weights
change, the clusters stay as they are and the routes are the one file that is written.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from falaj.dataplane.callers import CLOSED, CallerTrust, Door
from falaj.dataplane.errors import ConfigRejectedError, GatewayError, LocationError
from falaj.dataplane.runtimes.process.envoy import callers, config
from falaj.dataplane.runtimes.process.envoy import clusters as envoy_clusters
from falaj.dataplane.runtimes.process.envoy import routes as envoy_routes
from falaj.dataplane.runtimes.process.envoy.callers import Entrance
from falaj.dataplane.runtimes.process.envoy.config import DOOR, NAME, ROUTES, SECRETS, EnvoyLayout, Resource
from falaj.dataplane.runtimes.process.envoy.process import EnvoyProcess
from falaj.dataplane.runtimes.process.files import read_json, write_atomically, write_json
from falaj.dataplane.runtimes.process.ports import require_free
from falaj.dataplane.runtimes.process.routing import EMPTY, RoutingTable

_CONFIRM_WITHIN_S = 10.0
_AUDIT_EVERY_S = 5.0
_DOOR_AGAIN_S = 15.0
SILENT_FOR_S = 20.0
MAX_ACCESS_LOG_BYTES = 256 * 1024 * 1024
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _ExpectedFile:
    """One file and the version that Envoy must report for it."""

    kind: str
    version: str
    data: bytes


@dataclass(frozen=True)
class GatewayCertificate:
    """What the door shows to callers, in PEM."""

    chain: str
    key: str


class Gateway:
    """Envoy and its files.

    Args:
        layout: Where they are.
        log: Envoy's own log.
        port: Where the predictions come in, on 127.0.0.1.
        node_id: Names this Envoy.
    """

    def __init__(self, layout: EnvoyLayout, log: Path, *, port: int, node_id: str) -> None:
        self.port = port
        self.process = EnvoyProcess(layout, log)
        self.layout = layout
        self._envoy_log = log
        self._node_id = node_id
        self._table_file = layout.root / "table.json"
        self._audited_at = 0.0
        self._silent_since: float | None = None
        self._entry: CallerTrust = CLOSED
        self._certificate: GatewayCertificate | None = None
        self._opened: Door | None = None
        self._door_again_at = 0.0
        self.door_problem = ""

    @property
    def open_door(self) -> Door | None:
        """The door, while it is open."""
        return self._opened

    def table(self) -> RoutingTable:
        """The table that was last in force, also after a restart."""
        stored = read_json(self._table_file)
        return RoutingTable.from_json(stored) if stored else EMPTY

    def require_port(self) -> None:
        """Make sure that the port is ours or free.

        Raises:
            PortInUseError: Another program has it.
        """
        if not self.process.current() or not self._listens():
            require_free(self.port)

    def ensure(self, entry: CallerTrust = CLOSED, certificate: GatewayCertificate | None = None) -> None:
        """Make sure that Envoy runs and listens on the port, with whatever it served last.

        Args:
            entry: How callers are told apart, and where others than this machine come in.
            certificate: Of the door; None while there is none, which keeps it closed unless it speaks no TLS.

        Raises:
            PortInUseError: Another program has the port.
            GatewayError: Envoy does not start.
        """
        if entry.door != self._entry.door:
            self._door_again_at, self.door_problem = 0.0, ""
        self._entry, self._certificate = entry, certificate
        self._adopt_door()
        running = self.process.current()
        if not (running and self._answers() and self._listens()):
            self._start()
        elif self._audit_is_due() or not self._file_is(self._listeners()):
            self._put(self._listeners())
        self._look_after_door()

    def _start(self) -> None:
        require_free(self.port)
        if self.process.current() and self._file_is(self._listeners()):
            self.process.stop()  # it could not open its port when it was told to, and does not try again
        if not self.process.current():
            self._opened = None
            self._restore_files()
            self.process.start()
            self._audited_at = 0.0
        self._put(self._listeners())
        self._wait_listening()

    def _adopt_door(self) -> None:
        """Know again a door that an earlier agent opened, and forget one that is not wanted as it is."""
        target_door = self._wanted_door()
        if self._opened is not None and self._opened != target_door:
            self._opened = None
        elif self._opened is None and target_door is not None:
            self._opened = target_door
            self._opened = target_door if self._file_is(self._listeners()) else None

    def _look_after_door(self) -> None:
        """Open the door if it is wanted; what is wrong with it costs it alone."""
        try:
            if self._opened is not None:
                self._put_certificate()
            elif (door := self._wanted_door()) is not None and time.monotonic() >= self._door_again_at:
                self._open_door(door)
        except LocationError as error:
            self._close_door(str(error))

    def _wanted_door(self) -> Door | None:
        door = self._entry.door
        return door if door is not None and (door.tls == "off" or self._certificate is not None) else None

    def _open_door(self, door: Door) -> None:
        """Routes and certificate are there before the listener, which waits for both."""
        require_free(door.port, door.address)
        self._write(self._door_routes(self.table()))
        if (certificate := self._secrets()) is not None:
            self._write(certificate)
        self._opened = door
        self._put(self._listeners())
        self.door_problem = ""

    def _close_door(self, reason: str) -> None:
        _log.warning("gateway.door-closed reason=%s", reason)
        self._door_again_at = time.monotonic() + _DOOR_AGAIN_S
        self._opened, self.door_problem = None, reason
        self._put(self._listeners())

    def _put_certificate(self) -> None:
        config_file = self._secrets()
        if config_file is not None and not self._file_is(config_file):
            self._put(config_file)

    def _put_routes(self, table: RoutingTable) -> None:
        """The door's last: where it does not take them, it is closed, for who was let out must not come in there."""
        self._put(self._routes(table))
        if self._opened is not None:
            try:
                self._put(self._door_routes(table))
            except LocationError as error:
                self._close_door(str(error))

    def apply(self, table: RoutingTable) -> None:
        """Move Envoy to a table; does nothing when it is there already.

        Raises:
            ConfigRejectedError: Envoy refuses it; the last good configuration serves and is on disk again.
            GatewayError: Envoy does not answer.
        """
        clusters, routes = _clusters(table), self._all_routes(table)
        if all(map(self._file_is, (clusters, *routes))) and not self._audit_is_due():
            return
        stored = before = self.table()
        both = None
        try:
            if not all(self._file_is(each) and self._confirmed(each) for each in routes):
                stored = table.with_arms(before)
                both = _clusters(stored)
                self._put(both)
                self._wait_for_hosts(table)
                write_json(self._table_file, stored.to_json())  # first, so that no crash forgets an arm in use
                self._put_routes(table)
            if clusters != both:
                self._put(clusters)
                self._wait_for_hosts(table)
        except ConfigRejectedError:
            write_json(self._table_file, before.to_json())
            self._write_back(before)
            raise
        if table != stored:
            write_json(self._table_file, table.to_json())
        self._rotate_access_log()
        self._audited_at = time.monotonic()

    def _rotate_access_log(self) -> None:
        """Keep the access log and one before it, each up to about the limit."""
        log = self.layout.access_log
        if log.exists() and log.stat().st_size > MAX_ACCESS_LOG_BYTES:
            log.replace(log.with_name(f"{log.name}.1"))
            self.process.admin.reopen_logs()

    def _restore_files(self) -> None:
        """Write what Envoy starts from, out of the last table in force."""
        table = self.table()
        write_json(self.layout.bootstrap, config.bootstrap(self.layout, node_id=self._node_id))
        self.layout.access_log.parent.mkdir(parents=True, exist_ok=True)
        for config_file in (_clusters(table), self._routes(table), self._listeners()):
            self._write(config_file)

    def _write_back(self, table: RoutingTable) -> None:
        for config_file in (_clusters(table), *self._all_routes(table)):
            if not self._file_is(config_file):
                self._write(config_file)

    def _put(self, config_file: _ExpectedFile) -> None:
        """Write one file and wait until Envoy has taken it."""
        admin = self.process.admin
        if self._file_is(config_file) and self._confirmed(config_file):
            return
        refused = admin.accepted(config_file.kind).refused
        self._write(config_file)
        deadline = time.monotonic() + _CONFIRM_WITHIN_S
        while (now := admin.accepted(config_file.kind)).version != config_file.version:
            if now.refused > refused:
                raise ConfigRejectedError(
                    f"Envoy refused the {config_file.kind}", where=self._where(config_file), hint=self._why()
                )
            if time.monotonic() > deadline:
                raise GatewayError(f"Envoy does not take the {config_file.kind}", where=self._where(config_file))
            time.sleep(0.001)

    def _wait_for_hosts(self, table: RoutingTable) -> None:
        expected_hosts = table.clusters()
        deadline = time.monotonic() + _CONFIRM_WITHIN_S
        while not expected_hosts.items() <= self.process.admin.hosts().items():
            if time.monotonic() > deadline:
                raise GatewayError("Envoy does not show the new endpoints", where=str(self.layout.root))
            time.sleep(0.001)

    def _wait_listening(self) -> None:
        deadline = time.monotonic() + _CONFIRM_WITHIN_S
        while not self._listens():
            if time.monotonic() > deadline or self.process.admin.listener_failures():
                require_free(self.port)
                raise GatewayError("Envoy does not listen", where=f"127.0.0.1:{self.port}")
            time.sleep(0.005)

    def _listens(self) -> bool:
        return f"127.0.0.1:{self.port}" in self.process.admin.listening()

    def _answers(self) -> bool:
        """Whether the running Envoy answers its admin interface; one that is silent for long is ended.

        Raises:
            GatewayError: It is silent, but not for long yet.
        """
        if self.process.admin.is_live():
            self._silent_since = None
            return True
        self._silent_since = self._silent_since or time.monotonic()
        if time.monotonic() - self._silent_since < SILENT_FOR_S:
            raise GatewayError("Envoy does not answer", where=str(self.layout.admin_socket))
        _log.error("gateway.hung action=restart")
        self._silent_since = None
        self.process.kill()
        return False

    def _confirmed(self, config_file: _ExpectedFile) -> bool:
        return self.process.admin.accepted(config_file.kind).version == config_file.version

    def _audit_is_due(self) -> bool:
        return time.monotonic() - self._audited_at > _AUDIT_EVERY_S

    def _file_is(self, config_file: _ExpectedFile) -> bool:
        try:
            return self.layout.file(config_file.kind).read_bytes() == config_file.data
        except OSError:
            return False

    def _write(self, config_file: _ExpectedFile) -> None:
        write_atomically(self.layout.file(config_file.kind), config_file.data, scratch=self.layout.root)
        _log.info("gateway.wrote kind=%s version=%s", config_file.kind, config_file.version)

    def _why(self) -> str:
        """Envoy tells only its log why it refused a file."""
        lines = self._envoy_log.read_bytes()[-16_384:].decode(errors="replace").splitlines()
        reasons = (line.partition("config update ")[2] for line in reversed(lines))
        return next((text for text in reasons if text), "")

    def _where(self, config_file: _ExpectedFile) -> str:
        return str(self.layout.file(config_file.kind))

    def _listeners(self) -> _ExpectedFile:
        inner = callers.filters(self._entry, Entrance.LOOPBACK)
        listener_configs = config.listeners(self.layout, port=self.port, inner=inner)
        if self._opened is not None:
            inner = callers.filters(self._entry, Entrance.DOOR)
            listener_configs += [config.door_listener(self.layout, self._opened, inner, self._entry.authority)]
        return _expected("listeners", listener_configs)

    def _all_routes(self, table: RoutingTable) -> list[_ExpectedFile]:
        return [self._routes(table), *([self._door_routes(table)] if self._opened else [])]

    def _routes(self, table: RoutingTable) -> _ExpectedFile:
        return _expected(ROUTES[NAME], envoy_routes.routes(table, self._entry))

    def _door_routes(self, table: RoutingTable) -> _ExpectedFile:
        return _expected(ROUTES[DOOR], envoy_routes.routes(table, self._entry, Entrance.DOOR))

    def _secrets(self) -> _ExpectedFile | None:
        if self._certificate is None:
            return None
        return _expected(SECRETS, [config.server_certificate(self._certificate.chain, self._certificate.key)])


def _clusters(table: RoutingTable) -> _ExpectedFile:
    return _expected("clusters", envoy_clusters.clusters(table))


def _expected(kind: str, resources: Sequence[Resource]) -> _ExpectedFile:
    return _ExpectedFile(kind, *config.discovery(resources))
