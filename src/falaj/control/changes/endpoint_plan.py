"""What a location is told of a release: everything by which it admits it itself."""

from __future__ import annotations

from typing import Any

from falaj.control import releases
from falaj.control.changes.context import ChangeContext
from falaj.control.changes.implementation import decisions_for
from falaj.storage import EndpointRow, ReleaseRow
from falaj.trust import audit


def endpoint_plan(
    turn: ChangeContext, row: EndpointRow, arm: releases.EndpointArm, checkpoint: str | None
) -> dict[str, Any]:
    """One release of an endpoint with everything by which its location admits it."""
    served = turn.session.get_one(ReleaseRow, (row.model, arm.release))
    envelopes = [item.envelope for item in releases.evidence_of(turn.session, served)]
    decisions = decisions_for(turn, arm.plan["change"], row.location)
    log = audit.proofs_for(turn.session, [*envelopes, *decisions], checkpoint) if checkpoint else {}
    return {
        "endpoint": f"{row.environment}/{row.model}",
        "environment": row.environment,
        "model": row.model,
        "release": arm.release,
        "role": arm.role,
        "evidence": envelopes,
        "admission": decisions,
        "log": log,
        **arm.plan,
    }
