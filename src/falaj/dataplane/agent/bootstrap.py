"""Putting an agent together from its parts, for `falaj-agent`, `falaj platform agent` and who starts and ends them."""

from __future__ import annotations

import fcntl
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from falaj.core.home import Home
from falaj.core.sandbox import ExposedHomeError, refuse_exposed_home
from falaj.core.venv.environment import build
from falaj.dataplane.access_log import AccessLog
from falaj.dataplane.agent.admission import Admission, Site
from falaj.dataplane.agent.agent_identity import membership_of
from falaj.dataplane.agent.control_plane import ControlPlane, with_token
from falaj.dataplane.agent.door_certificate import DoorCertificate, keep_certified
from falaj.dataplane.agent.enrolment import enrol
from falaj.dataplane.agent.fetching import Fetcher, HttpFetcher
from falaj.dataplane.agent.loop import Agent
from falaj.dataplane.agent.metrics import metrics_port, serve_metrics
from falaj.dataplane.agent.profiling import keep_profiles, open_profiling
from falaj.dataplane.agent.recalibration import Reports, keep_recalibrated, open_recalibration, public_key_of
from falaj.dataplane.agent.renewal import Renewal, RenewedTransport
from falaj.dataplane.agent.rollouts import RolloutController, RolloutPredictions
from falaj.dataplane.agent.state_store import Memory
from falaj.dataplane.agent.tracing import trace_requests
from falaj.dataplane.background import Background
from falaj.dataplane.errors import AgentRunningError, LocationError
from falaj.dataplane.label_database import keep_joined, open_labels
from falaj.dataplane.label_join import LabelJoin
from falaj.dataplane.local_policy import read_rules
from falaj.dataplane.log_keys import reader_keys, writer_keys
from falaj.dataplane.log_maintenance import LogUpkeep, keep_log, open_upkeep
from falaj.dataplane.runtimes.process.replica import GiveLogKey, RecalibrationFiles, ReplicaCommand, modelserver_command
from falaj.dataplane.runtimes.process.runtime import LocationFolders, ProcessRuntime
from falaj.integrations.otlp import exporter_of
from falaj.supply_chain.artifacts import open_store
from falaj.supply_chain.encryption import open_chest


def run(
    home: Path,
    server_url: str,
    token: str,
    location: str,
    gateway_port: int,
    store_url: str | None = None,
    *,
    command: ReplicaCommand = modelserver_command,
    stop_data_plane: bool = False,
) -> None:
    """Keep a location as the control plane wants it, until SIGTERM or SIGINT.

    An enrolled location asks the server that it was enrolled with, by its certificate; any other one is on the machine
    of the control plane and asks by the installation's token.

    Args:
        home: Folder of the installation.
        server_url: Base URL of the server, for a location that is not enrolled.
        token: Bearer token for it.
        location: Name of the location.
        gateway_port: Port of the gateway, on 127.0.0.1.
        store_url: Artifact store to fetch from; None fetches through the server.
        command: What starts a replica.
        stop_data_plane: End Envoy and replicas at the end; by default they keep serving, and the next agent
            takes them over.

    Raises:
        PortInUseError: Another program has the gateway's port.
        AgentRunningError: The location has an agent.
        LocationError: The home lies below something that model servers read.
    """
    installation = _installation(home)
    place = _place(installation, location)
    _require_hidden(home)
    with _alone(place.folder):
        http, background = _connection(place, location, server_url, token)
        control = ControlPlane(http, location)
        certificate = DoorCertificate(place.folder, control.door_certificate)
        runtime = ProcessRuntime(
            place, port=gateway_port, command=command, log_key=_log_keys(installation, location, place),
            recalibration=RecalibrationFiles(place.recalibration, public_key_of(installation)),
            certificate=certificate.current,
        )  # fmt: skip
        runtime.gateway.require_port()
        memory = Memory(place.folder)
        background = (*background, keep_certified(certificate, lambda: memory.desired().admittance.entry.door))
        fetcher: Fetcher = open_store(store_url) if store_url else HttpFetcher(control.http)
        profiles = keep_profiles(lambda: open_profiling(installation, place.folder, control, fetcher, memory))
        background = (*background, keep_joined(lambda: _labels(installation, place)), profiles)
        reports = Reports()
        background = (*background, keep_recalibrated(
            lambda: open_recalibration(installation, location, place.folder, place.recalibration, memory, reports)
        ))  # fmt: skip
        background = (*background, *_metrics(installation, place), *_traces(installation, location, place))
        background = (*background, keep_log(lambda: _upkeep(installation, location, place, memory)))
        admission = _admission(installation, Site(location, place.folder, installation.keys), memory, control, fetcher)
        rollouts = _rollouts(installation, place, runtime)
        agent = Agent(runtime, control, admission, memory, rollouts, background, reports.of)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: agent.stop())
        agent.serve()
        if stop_data_plane:
            runtime.stop()


def open_admission(home: Home, location: str) -> Admission:
    """What admits releases at a location, for whoever is on its machine beside the agent."""
    place = _place(_installation(home.root), location)
    http, _ = _connection(place, location, home.server_url, home.token)
    control = ControlPlane(http, location)
    site = Site(location, place.folder, home.keys)
    return _admission(home, site, Memory(place.folder), control, HttpFetcher(control.http))


def enrol_location(home: Home, location: str, url: str, token: str, fingerprint: str) -> None:
    """Enrol a location with a control plane elsewhere; see `enrolment.enrol`.

    Args:
        home: This machine's folder.
        location: Name of the location.
        url: Base URL of the server's port for agents.
        token: One-time token.
        fingerprint: SHA-256 of the authority's certificate in hex.

    Raises:
        AgentRunningError: The location has an agent.
        AuthorityError: The server belongs to another authority.
        LocationError: The server cannot be reached, or refuses.
    """
    folder = home.location_dir(location)
    with _alone(folder):
        enrol(folder, home.keys, location, url, token, fingerprint)


def is_running(folder: Path) -> bool:
    """Whether an agent holds the location of a folder."""
    lock = folder / "agent.lock"
    if not lock.exists():
        return False
    with lock.open() as file:
        return not _locked(file.fileno(), 0.0)


def require_gateway_port(home: Path, location: str, port: int) -> None:
    """Make sure that a location's gateway has its port or can have it.

    Raises:
        PortInUseError: Another program listens there.
    """
    ProcessRuntime(_place(_installation(home), location), port=port).gateway.require_port()


def stop_location(home: Path, location: str) -> None:
    """End Envoy and all replicas of a location, whose agent must have been stopped before."""
    place = _place(_installation(home), location)
    with _alone(place.folder):
        ProcessRuntime(place, port=0).stop()


def _require_hidden(home: Path) -> None:
    try:
        refuse_exposed_home(home)
    except ExposedHomeError as error:
        hint = "FALAJ_HOME names another folder"
        raise LocationError(f"keys would be readable by models: {error.strerror}", hint=hint) from error


def _installation(home: Path) -> Home:
    return Home(home.absolute(), os.environ)


def _admission(home: Home, site: Site, memory: Memory, control: ControlPlane, fetcher: Fetcher) -> Admission:
    return Admission(site, memory, fetcher, control.consistency, lambda folder: build(folder, home).python)


def _connection(
    place: LocationFolders, location: str, url: str, token: str
) -> tuple[httpx.Client, Sequence[Background]]:
    """How the control plane is reached, and what keeps it so."""
    member = membership_of(place.folder, location)
    if member is None:
        return with_token(url, token), ()
    transport = RenewedTransport(member)
    return member.client(transport), (Renewal(member, transport).run,)


def _rollouts(home: Home, place: LocationFolders, runtime: ProcessRuntime) -> RolloutController:
    keys = reader_keys(home, open_chest(home), place.predictions)
    predictions = RolloutPredictions(place.predictions, keys, lambda: _labels(home, place))
    return RolloutController(place.folder, AccessLog(place.layout.access_log), predictions, runtime.copies)


def _labels(home: Home, place: LocationFolders) -> LabelJoin:
    return open_labels(home, open_chest(home), place.folder)


def _upkeep(home: Home, location: str, place: LocationFolders, memory: Memory) -> LogUpkeep:
    return open_upkeep(home, open_chest(home), place.folder, location, lambda: memory.desired().keep_predictions_s)


def _log_keys(home: Home, location: str, place: LocationFolders) -> GiveLogKey | None:
    jurisdiction = read_rules(place.folder, location).jurisdiction
    return writer_keys(home, open_chest(home), place.predictions, jurisdiction)


def _metrics(home: Home, place: LocationFolders) -> Sequence[Background]:
    port = metrics_port(home)
    return () if port is None else (serve_metrics(place, port),)


def _traces(home: Home, location: str, place: LocationFolders) -> Sequence[Background]:
    exporter = exporter_of(home.settings, "falaj-gateway", falaj_location=location)
    return () if exporter is None else trace_requests(AccessLog(place.layout.access_log), exporter)


def _place(home: Home, location: str) -> LocationFolders:
    return LocationFolders(home.location_dir(location), home.logs)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the location; the lock goes with the process that holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "agent.lock").open("a") as file:
        # `is_running` has the lock for an instant, which must not end an agent that starts.
        if not any(_locked(file.fileno(), wait_s) for wait_s in (0.0, 0.1, 0.1)):
            raise AgentRunningError("this location has an agent already", where=str(folder))
        yield


def _locked(file: int, wait_s: float) -> bool:
    time.sleep(wait_s)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
