"""The agent's process: one thread looks after the data plane, one listens, one admits, one reports.

The thread that looks after replicas and Envoy never waits for the network, so a silent control plane changes nothing
for those who ask for predictions.
"""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx

from falaj.artifacts import open_store
from falaj.encryption import open_chest
from falaj.errors import FalajError
from falaj.home import Home
from falaj.integrations.otlp import exporter_of
from falaj.locations.accesslog import AccessLog
from falaj.locations.agent.admission import Admission, Site
from falaj.locations.agent.control_plane import ControlPlane, with_token
from falaj.locations.agent.enrolling import enrol
from falaj.locations.agent.fetching import Fetcher, HttpFetcher
from falaj.locations.agent.intake import RETRY_AFTER_S, Intake, Offer
from falaj.locations.agent.membership import membership_of
from falaj.locations.agent.memory import Memory
from falaj.locations.agent.metrics import metrics_port, serve_metrics
from falaj.locations.agent.profiling import keep_profiles, open_profiling
from falaj.locations.agent.renewal import Renewal, RenewedTransport
from falaj.locations.agent.rollouts import Predictions, Rollouts
from falaj.locations.agent.rules import read_rules
from falaj.locations.agent.tracing import trace_requests
from falaj.locations.desired import EndpointState, EndpointStatus, Role
from falaj.locations.errors import AgentRunningError, LocationError
from falaj.locations.labels import keep_joined, open_labels
from falaj.locations.log_keys import reader_keys, writer_keys
from falaj.locations.runtimes.process.replica import ReplicaCommand, modelserver_command
from falaj.locations.runtimes.process.runtime import Place, ProcessRuntime
from falaj.rollout import RolloutState
from falaj.serving.labels import LabelJoin

_PASS_S = 0.1
_SETTLED_PASS_S = 0.25
_REPORT_EVERY_S = 10.0
_RETRY_SERVER_S = 1.0
_log = logging.getLogger(__name__)
Background = Callable[[threading.Event], None]


def run(
    home: Path,
    server_url: str,
    token: str,
    location: str,
    envoy_port: int,
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
        envoy_port: Port of the gateway, on 127.0.0.1.
        store_url: Artifact store to fetch from; None fetches through the server.
        command: What starts a replica.
        stop_data_plane: End Envoy and replicas at the end; by default they keep serving, and the next agent
            takes them over.

    Raises:
        PortInUseError: Another program has the gateway's port.
        AgentRunningError: The location has an agent.
    """
    place = _place(home, location)
    with _alone(place.folder):
        http, background = _connection(place, location, server_url, token)
        control = ControlPlane(http, location)
        runtime = ProcessRuntime(place, port=envoy_port, command=command, log_key=_log_keys(home, location, place))
        runtime.gateway.require_port()
        memory = Memory(place.folder)
        site = Site(location, place.folder, Home(home, os.environ).keys)
        rollouts = _rollouts(home, place, runtime)
        fetcher: Fetcher = open_store(store_url) if store_url else HttpFetcher(control.http)
        installation = Home(home.absolute(), os.environ)
        profiles = keep_profiles(lambda: open_profiling(installation, place.folder, control, fetcher, memory))
        background = (*background, keep_joined(lambda: _labels(home, place)), profiles)
        background = (*background, *_metrics(installation, place), *_traces(installation, location, place))
        admission = _admission(home, site, memory, control, fetcher)
        agent = Agent(runtime, control, admission, memory, rollouts, background)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: agent.stop())
        agent.serve()
        if stop_data_plane:
            runtime.stop()


def enrol_location(home: Home, location: str, url: str, token: str, fingerprint: str) -> None:
    """Enrol a location with a control plane elsewhere; see `enrolling.enrol`.

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


def require_gateway_port(home: Path, location: str, port: int) -> None:
    """Make sure that a location's gateway has its port or can have it.

    Raises:
        PortInUseError: Another program listens there.
    """
    ProcessRuntime(_place(home, location), port=port).gateway.require_port()


def stop_location(home: Path, location: str) -> None:
    """End Envoy and all replicas of a location, whose agent must have been stopped before."""
    place = _place(home, location)
    with _alone(place.folder):
        ProcessRuntime(place, port=0).stop()


class Agent:
    """The threads of one agent.

    Args:
        runtime: The data plane.
        control: The control plane.
        admission: Decides what may be served.
        memory: What is remembered on disk.
        rollouts: The rollouts under way.
        background: What else to do, each in a thread of its own, until it is told to stop.
    """

    def __init__(
        self,
        runtime: ProcessRuntime,
        control: ControlPlane,
        admission: Admission,
        memory: Memory,
        rollouts: Rollouts,
        background: Sequence[Background] = (),
    ) -> None:
        self._runtime = runtime
        self._rollouts = rollouts
        self._background = background
        self._control = control
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._to_admit = threading.Event()
        self._reported = threading.Event()
        self._statuses: tuple[EndpointStatus, ...] = ()
        self._memory = memory
        self._intake = Intake(admission.admit, admission.readmit, memory, self._wake.set)

    def stop(self) -> None:
        """Ask the threads to end."""
        for event in (self._stopping, self._wake, self._to_admit, self._reported):
            event.set()

    def serve(self) -> None:
        """Look after the data plane until asked to stop."""
        self._runtime.adopt()
        self._intake.recall()
        self._to_admit.set()
        threads = [threading.Thread(target=each, daemon=True) for each in (self._listen, self._admit, self._report)]
        threads += [threading.Thread(target=each, args=(self._stopping,), daemon=True) for each in self._background]
        for thread in threads:
            thread.start()
        while not self._stopping.is_set():
            self._pass()
            settled = all(status.state is EndpointState.READY for status in self._statuses)
            self._wake.wait(_SETTLED_PASS_S if settled and not self._rollouts.active else _PASS_S)
            self._wake.clear()
        self._control.close()

    def _pass(self) -> None:
        offer = self._intake.offer()
        self._rollouts.want(offer.desired)
        try:
            statuses: Sequence[EndpointStatus] = self._runtime.converge(offer.servables, self._rollouts.traffic())
            self._rollouts.observe(offer, statuses)
        except (LocationError, OSError) as error:
            _log.warning("location.pass-failed reason=%s", error)
            self._stopping.wait(0.5)
            statuses = [
                EndpointStatus(s.endpoint.name, s.endpoint.release, EndpointState.STARTING, 0, str(error))
                for s in offer.servables
            ]
        found = rolling(merged(offer, statuses), self._rollouts)
        if found != self._statuses:
            self._statuses = found
            self._reported.set()

    def _listen(self) -> None:
        version = self._memory.desired().version
        while not self._stopping.is_set():
            try:
                desired = self._control.desired(version)
            except FalajError as error:
                _log.warning("control-plane.silent reason=%s", error)
                self._stopping.wait(_RETRY_SERVER_S)
                continue
            if desired.version != version:
                version = desired.version
                self._intake.want(desired)
                self._to_admit.set()

    def _admit(self) -> None:
        done = True
        while not self._stopping.is_set():
            self._to_admit.wait(None if done else RETRY_AFTER_S)
            self._to_admit.clear()
            done = self._intake.admit_missing()

    def _report(self) -> None:
        while not self._stopping.is_set():
            self._reported.wait(_REPORT_EVERY_S)
            self._reported.clear()
            try:
                self._control.report(self._intake.offer().desired.version, self._statuses, os.getpid())
            except FalajError:
                self._stopping.wait(_RETRY_SERVER_S)
                self._reported.set()


def merged(offer: Offer, statuses: Sequence[EndpointStatus]) -> tuple[EndpointStatus, ...]:
    """What to report of each endpoint: how its primary release is doing, or why it is not admitted; what serves."""
    told = {(status.endpoint, status.release): status for status in statuses}
    serving = {status.endpoint: status for status in statuses}
    found = dict(serving)  # of an endpoint whose primary release is unknown, whatever it runs
    for endpoint in (each for each in offer.desired.endpoints if each.role is Role.PRIMARY):
        arm = (endpoint.name, endpoint.release)
        status, known = offer.obstacles.get(arm) or told.get(arm), serving.get(endpoint.name)
        if status is not None:
            found[endpoint.name] = replace(status, url=known.url, serving=known.serving) if known else status
    return tuple(found[name] for name in sorted(found))


def rolling(statuses: Sequence[EndpointStatus], rollouts: Rollouts) -> tuple[EndpointStatus, ...]:
    """What to report of endpoints with rollouts: an endpoint is ready when its rollout has succeeded, not before."""
    return tuple(_rolling(status, rollouts) for status in statuses)


def _rolling(status: EndpointStatus, rollouts: Rollouts) -> EndpointStatus:
    reports, main = rollouts.reports(status.endpoint), rollouts.main(status.endpoint)
    status = replace(status, rollouts=reports)
    if main is None or main.plan.candidate != status.release:
        return status
    match main.rollout.state:
        case RolloutState.SUCCEEDED:
            return status
        case RolloutState.ROLLED_BACK | RolloutState.ABORTED:
            return replace(status, state=EndpointState.FAILED, message=f"{main.rollout.state}: {main.rollout.reason}")
        case RolloutState.PENDING | RolloutState.WARMING:
            return status if status.state is not EndpointState.READY else replace(status, state=EndpointState.STARTING)
    return replace(status, state=EndpointState.ROLLING, message=main.rollout.reason)


def _admission(home: Path, site: Site, memory: Memory, control: ControlPlane, fetcher: Fetcher) -> Admission:
    from falaj.pipeline.environment import build

    installation = Home(home, os.environ)
    return Admission(site, memory, fetcher, control.consistency, lambda folder: build(folder, installation).python)


def _connection(place: Place, location: str, url: str, token: str) -> tuple[httpx.Client, Sequence[Background]]:
    """How the control plane is reached, and what keeps it so."""
    member = membership_of(place.folder, location)
    if member is None:
        return with_token(url, token), ()
    transport = RenewedTransport(member)
    return member.client(transport), (Renewal(member, transport).run,)


def _rollouts(home: Path, place: Place, runtime: ProcessRuntime) -> Rollouts:
    installation = Home(home.absolute(), os.environ)
    keys = reader_keys(installation, open_chest(installation), place.predictions)
    predictions = Predictions(place.predictions, keys, lambda: _labels(home, place))
    return Rollouts(place.folder, AccessLog(place.layout.access_log), predictions, runtime.copies)


def _labels(home: Path, place: Place) -> LabelJoin:
    installation = Home(home.absolute(), os.environ)
    return open_labels(installation, open_chest(installation), place.folder)


def _log_keys(home: Path, location: str, place: Place) -> Callable[[], bytes] | None:
    installation = Home(home.absolute(), os.environ)
    jurisdiction = read_rules(place.folder, location).jurisdiction
    return writer_keys(installation, open_chest(installation), place.predictions, jurisdiction)


def _metrics(home: Home, place: Place) -> Sequence[Background]:
    port = metrics_port(home)
    return () if port is None else (serve_metrics(place, port),)


def _traces(home: Home, location: str, place: Place) -> Sequence[Background]:
    exporter = exporter_of(home.settings, "falaj-gateway", falaj_location=location)
    return () if exporter is None else trace_requests(AccessLog(place.layout.access_log), exporter)


def _place(home: Path, location: str) -> Place:
    installation = Home(home.absolute(), os.environ)
    return Place(installation.location_dir(location), installation.logs)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the location; the lock goes with the process that holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "agent.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AgentRunningError("this location has an agent already", where=str(folder)) from None
        yield
