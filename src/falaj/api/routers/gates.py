"""Gates that failures left behind, and what people decide about them."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, StringConstraints

from falaj.api import access
from falaj.api.access import Caller
from falaj.api.actions import action
from falaj.api.platform import Shared
from falaj.control.releases import captured
from falaj.schemas import gates as documents
from falaj.trust.policy import Action

router = APIRouter(prefix="/api/v1", tags=["gates"])


class Decision(BaseModel):
    """What somebody decides, and why."""

    model_config = ConfigDict(extra="forbid")
    decision: Literal["accept", "reject", "retire"]
    reason: Annotated[str, StringConstraints(max_length=2_000)] = ""


@router.get("/gates", response_model=list[documents.CapturedGate], **action(Action.READ, refined=True))
def list_gates(
    platform: Shared, caller: Caller, model: Annotated[str | None, Query(max_length=200)] = None
) -> list[documents.CapturedGate]:
    """Captured gates, the newest first, of the projects that the caller may read."""
    readable = access.readable(platform, caller)
    with platform.database.reading() as session:
        found = captured.gates(session, model)
        return [documents.gate_of(row) for row in found if readable is None or row.project in readable]


@router.post("/gates/{gate_id}/decision", response_model=documents.CapturedGate, **action(Action.DECIDE_GATE))
def decide(gate_id: str, wish: Decision, platform: Shared, caller: Caller) -> documents.CapturedGate:
    """Accept a proposed gate, reject it, or retire one that was accepted."""
    with platform.database.transaction() as session:
        row = captured.decide(session, caller, gate_id, wish.decision, wish.reason, platform.now())
        return documents.gate_of(row)
