"""The agent's process: one thread looks after the data plane, one listens, one admits, one reports.

The thread that looks after replicas and Envoy never waits for the network, so a silent control plane changes nothing
for those who ask for predictions.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from falaj.core.errors import FalajError
from falaj.dataplane.agent.admission import Admission
from falaj.dataplane.agent.admission_queue import RETRY_AFTER_S, AdmissionQueue, Offer
from falaj.dataplane.agent.control_plane import ControlPlane
from falaj.dataplane.agent.rollouts import RolloutController
from falaj.dataplane.agent.state_store import Memory
from falaj.dataplane.background import Background
from falaj.dataplane.callers import Admittance
from falaj.dataplane.desired_state import DesiredState, EndpointState, EndpointStatus, ReleaseRole
from falaj.dataplane.errors import LocationError
from falaj.dataplane.runtimes.process.runtime import ProcessRuntime
from falaj.statistics.rollout import RolloutState

_PASS_S = 0.1
_SETTLED_PASS_S = 0.25
_REPORT_EVERY_S = 10.0
_RETRY_SERVER_S = 1.0
_log = logging.getLogger(__name__)


class Agent:
    """The threads of one agent.

    Args:
        runtime: The data plane.
        control: The control plane.
        admission: Decides what may be served.
        memory: What is remembered on disk.
        rollouts: The rollouts under way.
        background: What else to do, each in a thread of its own, until it is told to stop.
        recalibrations: What is told of the recalibration of an endpoint's releases.
    """

    def __init__(
        self,
        runtime: ProcessRuntime,
        control: ControlPlane,
        admission: Admission,
        memory: Memory,
        rollouts: RolloutController,
        background: Sequence[Background] = (),
        recalibrations: Callable[[str], Sequence[Mapping[str, Any]]] = lambda _endpoint: (),
    ) -> None:
        self._runtime = runtime
        self._rollouts, self._recalibrations = rollouts, recalibrations
        self._background = background
        self._control = control
        self._stopping = threading.Event()
        self._wake = threading.Event()
        runtime.activator.on_held = self._wake.set
        self._to_admit = threading.Event()
        self._reported = threading.Event()
        self._statuses: tuple[EndpointStatus, ...] = ()
        self._memory = memory
        self._intake = AdmissionQueue(admission.admit, admission.readmit, memory, self._wake.set)

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
            statuses: Sequence[EndpointStatus] = self._runtime.converge(
                offer.servables, self._rollouts.traffic(), offer.desired.admittance
            )
            self._rollouts.observe(offer, statuses)
        except (LocationError, OSError) as error:
            _log.warning("location.pass-failed reason=%s", error)
            self._stopping.wait(0.5)
            statuses = [
                EndpointStatus(s.endpoint.name, s.endpoint.release, EndpointState.STARTING, 0, str(error))
                for s in offer.servables
            ]
        new_statuses = rolling(merged(offer, statuses), self._rollouts)
        if new_statuses != self._statuses:
            self._statuses = new_statuses
            self._reported.set()

    def _listen(self) -> None:
        last = self._memory.desired()
        while not self._stopping.is_set():
            try:
                desired = self._control.desired(last.version)
            except FalajError as error:
                _log.warning("control-plane.silent reason=%s", error)
                self._stopping.wait(_RETRY_SERVER_S)
                continue
            if _beside(desired) != _beside(last):
                last = desired
                self._intake.want(desired)
                self._to_admit.set()

    def _admit(self) -> None:
        is_complete = True
        while not self._stopping.is_set():
            self._to_admit.wait(None if is_complete else RETRY_AFTER_S)
            self._to_admit.clear()
            is_complete = self._intake.admit_missing()

    def _report(self) -> None:
        while not self._stopping.is_set():
            self._reported.wait(_REPORT_EVERY_S)
            self._reported.clear()
            try:
                statuses = [
                    replace(each, recalibrations=self._recalibrations(each.endpoint)) for each in self._statuses
                ]
                self._control.report(self._intake.offer().desired.version, statuses, os.getpid())
            except FalajError:
                self._stopping.wait(_RETRY_SERVER_S)
                self._reported.set()


def _beside(desired: DesiredState) -> tuple[int, float | None, Admittance]:
    """What tells one desired state from the next: settings of the platform have no version of their own."""
    return desired.version, desired.keep_predictions_s, desired.admittance


def merged(offer: Offer, statuses: Sequence[EndpointStatus]) -> tuple[EndpointStatus, ...]:
    """What to report of each endpoint: how its primary release is doing, or why it is not admitted; what serves."""
    reported = {(status.endpoint, status.release): status for status in statuses}
    serving = {status.endpoint: status for status in statuses}
    merged_statuses = dict(serving)  # of an endpoint whose primary release is unknown, whatever it runs
    for endpoint in (each for each in offer.desired.endpoints if each.role is ReleaseRole.PRIMARY):
        arm = (endpoint.name, endpoint.release)
        status, current = offer.obstacles.get(arm) or reported.get(arm), serving.get(endpoint.name)
        if status is not None:
            merged_statuses[endpoint.name] = _as_served(status, current) if current else status
    for name, refused in offer.desired.refused.items():
        failed = EndpointStatus(name, refused.release, EndpointState.FAILED, 0, refused.reason)
        current = serving.get(name)
        merged_statuses[name] = _as_served(failed, current) if current else failed
    return tuple(merged_statuses[name] for name in sorted(merged_statuses) if "/" in name)


def _as_served(status: EndpointStatus, current: EndpointStatus) -> EndpointStatus:
    """A status with what the gateway does of the endpoint meanwhile."""
    return replace(status, url=current.url, serving=current.serving, door=current.door, callers=current.callers)


def rolling(statuses: Sequence[EndpointStatus], rollouts: RolloutController) -> tuple[EndpointStatus, ...]:
    """What to report of endpoints with rollouts: an endpoint is ready when its rollout has succeeded, not before."""
    return tuple(_rolling(status, rollouts) for status in statuses)


def _rolling(status: EndpointStatus, rollouts: RolloutController) -> EndpointStatus:
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
