"""Regression gates as the API tells of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from falaj.schemas import states


@dataclass(frozen=True)
class RegressionGate:
    """A condition that a failure left for every later candidate.

    `limit` is what a candidate's mean loss on the captured rows may be, halfway between what the `stable` release and
    the failed `candidate` had. `p` is the corrected p-value of the segment on rows that were not searched.
    """

    id: str
    model: str
    state: states.RegressionGateState
    metric: str
    limit: float
    predicate: str
    rows: int
    stable: float
    candidate: float
    p: float
    digest: str
    location: str
    jurisdiction: str
    cause: str
    decided_by: str
    reason: str
    created_at: float
    updated_at: float


def gate_of(row: Any) -> RegressionGate:
    """The document of a regression gate (`storage.regression_gate_tables.RegressionGateRow`)."""
    gate_data = row.data
    return RegressionGate(
        id=row.id, model=row.model, state=row.state, metric=row.metric, limit=row.limit, predicate=row.predicate,
        rows=gate_data["rows"], stable=gate_data["stable"], candidate=gate_data["candidate"], p=gate_data["p"],
        digest=row.digest,
        location=row.location, jurisdiction=row.jurisdiction, cause=row.cause, decided_by=row.decided_by,
        reason=row.reason, created_at=row.created_at, updated_at=row.updated_at,
    )  # fmt: skip
