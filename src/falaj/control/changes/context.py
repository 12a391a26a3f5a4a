"""One transaction in which something is decided about changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from falaj.config.platform_spec import EnvironmentSpec, PlatformSpec
from falaj.control.changes.signed_requests import sign_end
from falaj.control.releases import registry
from falaj.core.errors import NotFoundError
from falaj.core.principal import Principal, PrincipalKind
from falaj.storage import EventRow, ReleaseRow
from falaj.storage.change_tables import ApprovalRow, ChangeRow
from falaj.storage.durable import ProcessEvent, ProcessTable
from falaj.supply_chain.attestations import Keyring
from falaj.trust import settings
from falaj.trust.audit import record

CONTROLLER = Principal(registry.CONTROLLER, PrincipalKind.WORKLOAD)
"""Who carries out what was approved."""


def unknown(change_id: str) -> NotFoundError:
    """What is said of an id that no change has."""
    return NotFoundError(f"no change '{change_id}'", hint="falaj change list lists them", code="change.unknown")


@dataclass(frozen=True)
class ChangeContext:
    """What every decision needs.

    Args:
        session: The transaction; whatever is written here happens together.
        processes: The process table, with the kinds `change` and `deployment`.
        keyring: Signs admissions, and says whose evidence is believed.
        now: Unix seconds.
    """

    session: Session
    processes: ProcessTable
    keyring: Keyring
    now: float

    @cached_property
    def spec(self) -> PlatformSpec:
        """The settings in force."""
        return settings.current(self.session)

    def environment(self, name: str) -> EnvironmentSpec:
        """An environment by name.

        Raises:
            NotFoundError: There is none (`change.environment`).
        """
        environment_spec = self.spec.environments.get(name)
        if environment_spec is None:
            names = ", ".join(each.name for each in self.spec.ordered_environments)
            raise NotFoundError(
                f"there is no environment '{name}'", hint=f"there are {names}", code="change.environment"
            )
        return environment_spec

    def change(self, change_id: str) -> ChangeRow:
        """A change by id, locked until the transaction ends.

        Its release is locked before it, as everywhere: whoever revokes a release goes on to its changes.

        Raises:
            NotFoundError: There is none (`change.unknown`).
        """
        row = self.session.get(ChangeRow, change_id)
        if row is None:
            raise unknown(change_id)
        self.release(row)
        self.session.refresh(row, with_for_update=True)
        return row

    def release(self, row: ChangeRow) -> ReleaseRow:
        """The release of a change, locked until the transaction ends: nobody revokes it meanwhile."""
        return self.session.get_one(ReleaseRow, (row.model, row.release), with_for_update=True)

    def approvals(self, row: ChangeRow) -> list[ApprovalRow]:
        """The approvals of a change, the first given first."""
        query = select(ApprovalRow).where(ApprovalRow.change_id == row.id)
        return list(self.session.scalars(query.order_by(ApprovalRow.approved_at, ApprovalRow.approver)))

    def advance(
        self, row: ChangeRow, event: ProcessEvent, actor: str, details: Mapping[str, Any] | None = None
    ) -> None:
        """Let something happen to a change, and write it down.

        Args:
            row: The change.
            event: What happens.
            actor: Principal id of who does it.
            details: What else the audit log says.

        Raises:
            IllegalTransitionError: It cannot happen now (`change.state`).
        """
        step = self.processes.send(self.session, row.id, event, self.now)
        assert step is not None  # a change and its process are made together
        row.state, row.updated_at = step.state, self.now
        if step.data is not None:
            row.data = {**row.data, "ended_because": step.data.get("ended_because", "")}
        sign_end(self, row)
        self.tell(row, f"change.{event.name}", actor, {"state": step.state, **event.data, **(details or {})})

    def tell(self, row: ChangeRow, kind: str, actor: str, details: Mapping[str, Any]) -> None:
        """Write what happened to the audit log and to the stream of events."""
        about = {"release": f"{row.model}@{row.release}", "environment": row.environment, **details}
        record.write(self.session, kind, actor, f"change/{row.id}", self.now, about)
        data = {"actor": actor, **about}
        self.session.add(EventRow(at=self.now, subject=f"change/{row.id}", kind=kind, data=data))
