"""The controllers of the server: they move deployments, poll repositories, report commit statuses."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from falaj.api.drift import DriftWatch, tell_refusals
from falaj.api.monitors import MonitorWatch
from falaj.api.platform import Platform
from falaj.api.retraining_controller import TrainingWatch
from falaj.api.routers.projects import Push, announce
from falaj.control import changes, releases
from falaj.control.releases import regression_gates
from falaj.control.releases.deployment_record import deployment_of
from falaj.control.releases.lifecycle import DeploymentState
from falaj.control.releases.registry import CONTROLLER
from falaj.core.errors import FalajError
from falaj.integrations.git import SpooledPush, drain, poll, reporter_for
from falaj.storage import ProjectRow, RunRow
from falaj.storage.durable import Lease, Outbox, ProcessEvent, looks
from falaj.supply_chain.attestations import SigningRole
from falaj.trust import audit, settings
from falaj.trust.audit import record

_LEASE_S = 30.0
_DRAIN_EVERY_S = 2.0
_SIGN_EVERY_S = 60.0

logger = logging.getLogger(__name__)


class Controller:
    """A thread that advances what waits in the process table and the outbox.

    Args:
        platform: The installation.
        name: Owner of the leases it takes; unique per server process.
    """

    def __init__(self, platform: Platform, name: str) -> None:
        self._platform, self._name = platform, name
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="controller", daemon=True)
        handlers = {
            "commit-status": self._report_status,
            regression_gates.KEEP: self._keep_capture,
            changes.REQUEST: self._request_lowest,
        }
        self._outbox = Outbox(platform.database, handlers)
        self._polled: dict[str, float] = {}
        self._next_drain = 0.0
        self._next_signing = 0.0
        self._trainings = TrainingWatch(platform)
        self._drift = DriftWatch(platform)
        self._monitors = MonitorWatch(platform)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after what is being done; whatever waits is a row."""
        self._stopping.set()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        for _ in looks(self._platform.database, self._stopping):
            self._turn()

    def _turn(self) -> None:
        """Do whatever is due; what goes wrong waits for the next turn."""
        try:
            while self.advance_deployment() or self.advance_change():
                pass
            self.sign_what_is_due()
            self._trainings.turn(self._platform.now())
            self.advance_outbox()
            self._poll_repositories()
            self._take_spooled()
            self._drift.turn(self._platform.now())
            tell_refusals(self._platform, self._platform.now())
            self._monitors.turn(self._platform.now())
        except FalajError as error:
            logger.warning("controller", extra={"error": str(error)})
        except Exception:  # the loop outlives whatever one turn meets; the row is still there for the next
            logger.exception("controller failed on a turn")

    def advance_deployment(self) -> bool:
        """Take one deployment that is due one step further; False when none was due."""
        now, processes = self._platform.now(), self._platform.processes
        lease = processes.claim("deployment", self._name, _LEASE_S, now)
        if lease is None:
            return False
        starting = lease.state == DeploymentState.PENDING
        with self._platform.database.transaction() as session:
            event = self._start(session, lease, now) if starting else ProcessEvent("timeout")
            processes.advance(session, lease, event, now)
        if not starting:
            with self._platform.database.transaction() as session:
                changes.complete_change(self._platform.turn(session), deployment_of(lease).concludes)
        return True

    def _start(self, session: Session, lease: Lease, now: float) -> ProcessEvent:
        """What happens to a deployment that is due: its endpoint gets its release, if a signed change asks for that."""
        if reason := changes.why_not_deployed(self._platform.turn(session), lease.data):
            logger.error("deployment refused", extra={"deployment": lease.process_id, "reason": reason})
            details = {"reason": reason, "concludes": deployment_of(lease).concludes}
            record.write(session, "deployment.refused", CONTROLLER, f"deployment/{lease.process_id}", now, details)
            return ProcessEvent("superseded")
        return ProcessEvent("start", {"plan": releases.set_desired_release(session, lease.data, now)})

    def advance_outbox(self) -> int:
        """Do every effect that is due; return how many."""
        return self._outbox.run_due(self._platform.now())

    def advance_change(self) -> bool:
        """Take one change that is due one step further; False when none was due."""
        now, processes = self._platform.now(), self._platform.processes
        lease = processes.claim("change", self._name, _LEASE_S, now)
        if lease is None:
            return False
        with self._platform.database.transaction() as session:
            changes.on_due(self._platform.turn(session), lease)
        return True

    def sign_what_is_due(self) -> None:
        """Sign, every minute, admissions that are about to end, and how far the audit log has grown."""
        if time.monotonic() < self._next_signing:
            return
        self._next_signing = time.monotonic() + _SIGN_EVERY_S
        platform = self._platform
        with platform.database.transaction() as session:
            changes.renew(platform.turn(session))
        with platform.database.transaction() as session:
            audit.checkpoint(session, platform.keyring.signer(SigningRole.LOG), platform.now())

    def _poll_repositories(self) -> None:
        now = self._platform.now()
        with self._platform.database.reading() as session:
            polled = list(session.scalars(select(ProjectRow).where(ProjectRow.poll_every_s.is_not(None))))
        for project in polled:
            if now - self._polled.get(project.name, 0.0) >= (project.poll_every_s or 0.0):
                self._polled[project.name] = now
                self._poll(project)

    def _poll(self, project: ProjectRow) -> None:
        with self._platform.database.reading() as session:
            rules = settings.egress(session)
        try:
            commit = poll(project.repository, project.branch, rules=rules)
        except FalajError as error:  # one repository that is away must not keep the others waiting
            logger.warning("polling %s: %s", project.name, error)
            return
        if commit != project.last_commit:
            push = Push(project=project.name, ref=f"refs/heads/{project.branch}", after=commit)
            announce(self._platform, push, trigger="poll")

    def _take_spooled(self) -> None:
        """Take the pushes that hooks announced while no server answered."""

        def take(spooled: SpooledPush) -> None:
            push = Push(
                project=spooled.project,
                ref=spooled.ref,
                before=spooled.before,
                after=spooled.after,
                delivery=spooled.delivery,
            )
            announce(self._platform, push, trigger="push")

        if time.monotonic() >= self._next_drain:
            self._next_drain = time.monotonic() + _DRAIN_EVERY_S
            drain(self._platform.home.root, take)

    def _keep_capture(self, message: Mapping[str, Any]) -> None:
        platform = self._platform
        with platform.database.transaction() as session:
            regression_gates.keep(session, platform.store, platform.turn(session).keyring, message, platform.now())

    def _request_lowest(self, message: Mapping[str, Any]) -> None:
        with self._platform.database.transaction() as session:
            changes.request_lowest(self._platform.turn(session), message)

    def _report_status(self, message: Mapping[str, Any]) -> None:
        with self._platform.database.reading() as session:
            run = session.get_one(RunRow, message["run_id"])
            project = session.get_one(ProjectRow, run.project)
        reporter = reporter_for(project.vendor, project.repository, self._platform.home.settings)
        url = f"{self._platform.home.server_url}/runs/{run.id}"
        reporter.report(run.commit, message["state"], message["description"] or f"run {run.id}", url)
