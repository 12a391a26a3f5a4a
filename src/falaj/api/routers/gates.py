"""Gates that failures left behind, and what people decide about them."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from sqlalchemy import select

from falaj.api import authorization
from falaj.api.authorization import Caller
from falaj.api.paging import Paging, matching, paged
from falaj.api.platform import Shared
from falaj.api.request_bodies import ReasonBody
from falaj.api.route_actions import action
from falaj.control.releases import regression_gates
from falaj.schemas import gates, states
from falaj.storage.regression_gate_tables import RegressionGateRow
from falaj.trust.policy import Action

router = APIRouter(prefix="/api/v1", tags=["gates"])
_GATES = paged("-created_at", {"created_at": (RegressionGateRow.created_at, RegressionGateRow.id)})


class Decision(ReasonBody):
    """What somebody decides, and why."""

    decision: Literal["accept", "reject", "retire"]


@router.get("/gates", response_model=list[gates.RegressionGate], **action(Action.READ, refined=True))
def list_gates(
    platform: Shared,
    caller: Caller,
    page: Annotated[Paging, Depends(_GATES)],
    model: Annotated[str | None, Query(max_length=200)] = None,
    state: states.RegressionGateState | None = None,
) -> list[gates.RegressionGate]:
    """Regression gates, the newest first, of the projects that the caller may read."""
    filters = {RegressionGateRow.model: model or None, RegressionGateRow.state: state}
    query = matching(select(RegressionGateRow), filters)
    if (readable := authorization.readable(platform, caller)) is not None:
        query = query.where(RegressionGateRow.project.in_(readable))
    with platform.database.reading() as session:
        return [gates.gate_of(row) for row in page.rows(session, query)]


@router.post("/gates/{gate_id}/decision", response_model=gates.RegressionGate, **action(Action.DECIDE_GATE))
def decide(gate_id: str, body: Decision, platform: Shared, caller: Caller) -> gates.RegressionGate:
    """Accept a proposed gate, reject it, or retire one that was accepted."""
    with platform.database.transaction() as session:
        row = regression_gates.decide(session, caller, gate_id, body.decision, body.reason, platform.now())
        return gates.gate_of(row)
