"""Gates that failures left behind, and what people decide about them."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, StringConstraints

from falaj.api import authorization
from falaj.api.authorization import Caller
from falaj.api.platform import Shared
from falaj.api.route_actions import action
from falaj.control.releases import regression_gates
from falaj.schemas import gates
from falaj.trust.policy import Action

router = APIRouter(prefix="/api/v1", tags=["gates"])


class Decision(BaseModel):
    """What somebody decides, and why."""

    model_config = ConfigDict(extra="forbid")
    decision: Literal["accept", "reject", "retire"]
    reason: Annotated[str, StringConstraints(max_length=2_000)] = ""


@router.get("/gates", response_model=list[gates.RegressionGate], **action(Action.READ, refined=True))
def list_gates(
    platform: Shared, caller: Caller, model: Annotated[str | None, Query(max_length=200)] = None
) -> list[gates.RegressionGate]:
    """Regression gates, the newest first, of the projects that the caller may read."""
    readable = authorization.readable(platform, caller)
    with platform.database.reading() as session:
        gate_rows = regression_gates.gates(session, model)
        return [gates.gate_of(row) for row in gate_rows if readable is None or row.project in readable]


@router.post("/gates/{gate_id}/decision", response_model=gates.RegressionGate, **action(Action.DECIDE_GATE))
def decide(gate_id: str, body: Decision, platform: Shared, caller: Caller) -> gates.RegressionGate:
    """Accept a proposed gate, reject it, or retire one that was accepted."""
    with platform.database.transaction() as session:
        row = regression_gates.decide(session, caller, gate_id, body.decision, body.reason, platform.now())
        return gates.gate_of(row)
