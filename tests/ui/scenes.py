"""Something to decide, to look at and to worry about, put into an installation as its parts write it down."""

from __future__ import annotations

import math

from sqlalchemy import select
from sqlalchemy.orm import Session

from falaj.api.platform import Platform
from falaj.storage import ProcessRow, ReleaseRow
from falaj.storage.change_tables import ChangeRow
from falaj.storage.lineage_tables import ServedRow
from falaj.storage.monitoring_tables import AlertRow

CHANGE, ALERT = "change2", "alert1"
NAME = '<b onclick="alert(1)">\u202eodd\u202c</b>'
"""A text that would be markup, or turn the line around it, where a page made a mistake."""


def fill_decisions(platform: Platform) -> str:
    """A change that waits for an approval, a rollout that was taken back, and an open alert; the rollout's id."""
    with platform.database.transaction() as session:
        release = session.scalars(select(ReleaseRow)).one()
        _wait_for_approval(platform, session, release)
        session.add(AlertRow(
            id=ALERT, project=release.project, location="local", environment="dev", model=release.model, release=1,
            state="open", cause="concept-drift", severity="critical", opened_at=platform.now(),
            updated_at=platform.now(), data={"fired": ["concept"], "features": {"distance": 3.2}, "reasons": [NAME]},
        ))  # fmt: skip
        session.add(ServedRow(
            environment="dev", model=release.model, location="local", release=1, change_id="change1",
            began_at=platform.now() - 900, ended_at=None,
        ))  # fmt: skip
        process = session.scalars(select(ProcessRow).where(ProcessRow.kind == "deployment")).one()
        process.data = {**process.data, "plan": {"stable": 0}, "record": _record(platform.now())}
        return process.id


def _wait_for_approval(platform: Platform, session: Session, release: ReleaseRow) -> None:
    now = platform.now()
    session.add(ChangeRow(
        id=CHANGE, tenant="default", project=release.project, model=release.model, release=release.number,
        digest=release.digest, environment="prod", rank=3, kind="normal", state="awaiting_approval",
        requester="user:ana", reason=NAME, expires_at=now + 86_400, data={"quorum": 2, "risk": "medium"},
        created_at=now, updated_at=now,
    ))  # fmt: skip
    platform.processes.start(session, "change", CHANGE, "awaiting_approval", {}, now)


def _record(now: float) -> dict[str, object]:
    metrics = [
        {
            "name": name,
            "kind": "error_blocks",
            "harm": harm,
            "harm_line": 3.0,
            "safe": 0.4,
            "safe_line": 1.3,
            "ratio": 4.2,
        }
        for name, harm in (("errors", 3.4), ("latency", 0.1), ("brier", 0.2))
    ]
    points = [
        {
            "at": now - 600 + step * 6, "state": "stepping", "weight": 1000 if step < 60 else 5000,
            "harm": 3.4 * (step / 100) ** 2,
            "metrics": {
                "errors": [3.4 * (step / 100) ** 2, 0.0], "latency": [0.1, step / 90],
                "brier": [0.1, math.sin(step / 70)],
            },
        }
        for step in range(101)
    ]  # fmt: skip
    return {
        "state": "rolled_back", "step": 1, "weight": 0, "mirror": 0.0, "since": now, "reason": "errors harm",
        "culprits": ["errors"], "requests": {"stable": 9_100, "candidate": 1_200}, "harm": 3.4, "harm_line": 2.6,
        "metrics": metrics, "notes": ["at most 1 in 100 good candidates is rolled back"], "allowed": [],
        "plan": {"stable": 0}, "trajectory": points,
    }  # fmt: skip
