"""The project that a model belongs to: whose roles decide about its endpoints, trainings, exports, monitors and gates.

A line of releases belongs to the first project that publishes one. Another project's run of the same name is rejected
before its first step, and again where it would be published. Only an administrator moves a model.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from falaj.core.errors import ConflictError, NotFoundError
from falaj.storage import ProjectRow
from falaj.storage.change_tables import ChangeRow
from falaj.storage.facts import FactSubject
from falaj.storage.monitoring_tables import AlertRow
from falaj.storage.ownership_tables import ModelOwnerRow
from falaj.storage.regression_gate_tables import RegressionGateRow
from falaj.storage.retraining_tables import RetrainingRow, TrainingRequestRow
from falaj.storage.sealed import require_standing
from falaj.trust.audit import record

_DECIDED_BY_OWNER = (AlertRow, RegressionGateRow, ChangeRow, RetrainingRow, TrainingRequestRow)
"""What carries the project that decides about it, and moves with the model."""


class ForeignModelError(ConflictError):
    """The model belongs to another project."""

    code = "model.foreign"


def owner_of(session: Session, model: str) -> str | None:
    """The project that a model belongs to; None while no release of it was published."""
    row = session.get(ModelOwnerRow, model)
    require_standing(session, FactSubject(ModelOwnerRow.__tablename__, model), row)
    return None if row is None else row.project


def require_owner(session: Session, model: str) -> str:
    """The project that a model belongs to.

    Raises:
        NotFoundError: There is no such model (`model.unknown`).
    """
    owner = owner_of(session, model)
    if owner is None:
        raise NotFoundError(f"no model '{model}'", hint="falaj release list lists them", code="model.unknown")
    return owner


def owned_by(session: Session, projects: Collection[str]) -> list[str]:
    """The names of the models of some projects."""
    return [row.model for row in session.scalars(select(ModelOwnerRow).where(ModelOwnerRow.project.in_(projects)))]


def owners_of(session: Session, models: Collection[str]) -> dict[str, str]:
    """The projects of some models, by model."""
    rows = session.scalars(select(ModelOwnerRow).where(ModelOwnerRow.model.in_(models)))
    return {row.model: row.project for row in rows}


def refusal(session: Session, model: str, project: str) -> str:
    """Why a project may not make releases of a model; empty when it may. The owner's name is not told."""
    owner = owner_of(session, model)
    if owner in (None, project):
        return ""
    return f"the model '{model}' belongs to another project; choose another name in falaj.yaml"


def claim(session: Session, model: str, project: str, actor: str, now: float) -> None:
    """Make a model the project's own when it is nobody's yet, in the caller's transaction.

    Raises:
        ForeignModelError: It is another project's (`model.foreign`).
    """
    if reason := refusal(session, model, project):
        raise ForeignModelError(reason)
    if session.get(ModelOwnerRow, model) is None:
        session.add(ModelOwnerRow(model=model, project=project, since=now, decided_by=actor))
        record.write(session, "model.claimed", actor, f"model/{model}", now, {"project": project})
        session.flush()


def move_model(session: Session, model: str, project: str, actor: str, reason: str, now: float) -> None:
    """Give a model to another project, in the caller's transaction.

    Args:
        session: The caller's transaction.
        model: The line of releases.
        project: To whom; its roles decide about the model from now on.
        actor: Principal id of the administrator.
        reason: Why, for the audit log.
        now: Unix seconds.

    Raises:
        NotFoundError: There is no such model or project (`model.unknown`, `project.unknown`).
    """
    before = require_owner(session, model)
    if session.get(ProjectRow, project) is None:
        raise NotFoundError(f"no project '{project}'", code="project.unknown")
    row = session.get_one(ModelOwnerRow, model, with_for_update=True)
    row.project, row.since, row.decided_by = project, now, actor
    for table in _DECIDED_BY_OWNER:
        session.execute(update(table).where(table.model == model).values(project=project))
    details = {"from": before, "to": project, "reason": reason}
    record.write(session, "model.moved", actor, f"model/{model}", now, details)
