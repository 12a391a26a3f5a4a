"""Gates that failures left behind: proposed by a rollback, accepted by a person, enforced on every later candidate.

proposed ─ accept ─> accepted ─ retire ─> retired
    └───── reject ─> rejected
"""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from falaj.control.releases.owners import require_owner
from falaj.control.releases.registry import CONTROLLER
from falaj.core.errors import ConflictError, NotFoundError, UsageError
from falaj.core.principal import Principal
from falaj.storage import EndpointRow, ReleaseRow
from falaj.storage.durable import Effect
from falaj.storage.regression_gate_tables import RegressionGateRow
from falaj.supply_chain.artifacts import ArtifactStore
from falaj.supply_chain.attestations import DATASET, Dataset, Keyring, sign_statement, statement
from falaj.trust import settings
from falaj.trust.audit import record
from falaj.trust.policy import Action, Resource, require

KEEP = "keep-capture"
"""The effect that makes a gate of what a location reported."""
DECISIONS: Mapping[str, tuple[str, str]] = {
    "accept": ("proposed", "accepted"),
    "reject": ("proposed", "rejected"),
    "retire": ("accepted", "retired"),
}
"""From which state each decision leads, and where to."""


def to_keep(row: EndpointRow, rollout_report: Mapping[str, Any]) -> Effect:
    """The effect that keeps what a location captured when it rolled a candidate back."""
    about = {
        "rollout": rollout_report["id"],
        "model": row.model,
        "release": rollout_report["candidate"],
        "location": row.location,
    }
    return Effect(KEEP, f"{KEEP}/{rollout_report['id']}", {**about, "captured": dict(rollout_report["captured"])})


def keep(session: Session, store: ArtifactStore, keyring: Keyring, message: Mapping[str, Any], now: float) -> None:
    """Store the failing rows as a snapshot, sign what they are, and propose a gate on them; once for each rollout."""
    gate_id = message["rollout"]
    if session.get(RegressionGateRow, gate_id) is not None:
        return
    capture = message["captured"]
    release = session.get_one(ReleaseRow, (message["model"], message["release"]))
    jurisdiction = _jurisdiction(session, message["location"])
    digest = _snapshot(store, capture, _label_of(release)) if capture["rows"] else ""
    envelope = _signed(keyring, digest, capture, message, jurisdiction) if digest else None
    project = require_owner(session, release.model)
    session.add(
        RegressionGateRow(
            id=gate_id, model=release.model, project=project, state="proposed", metric=capture["metric"],
            limit=capture["limit"], predicate=capture["predicate"], digest=digest, location=message["location"],
            jurisdiction=jurisdiction, cause=f"rollout/{gate_id}", created_at=now, updated_at=now,
            data={"rows": len(capture["rows"]), "stable": capture["stable"], "candidate": capture["candidate"],
                  "p": capture["held_out_p"], "columns": list(capture["columns"]), "envelope": envelope},
        )
    )  # fmt: skip
    if envelope:
        record.write_evidence(session, envelope, f"gate/{gate_id}", CONTROLLER, now)
    details = {"model": release.model, "metric": capture["metric"], "predicate": capture["predicate"], "digest": digest}
    record.write(session, "gate.proposed", CONTROLLER, f"gate/{gate_id}", now, details)


def _label_of(release: ReleaseRow) -> str:
    """The column of what really happened; labels may be sent for a model whose project does not name one."""
    return str((release.data.get("label") or {}).get("label", "label"))


def gates(session: Session, model: str | None = None, state: str | None = None) -> list[RegressionGateRow]:
    """Regression gates, the newest first."""
    query = select(RegressionGateRow).order_by(RegressionGateRow.created_at.desc())
    query = query.where(RegressionGateRow.model == model) if model else query
    query = query.where(RegressionGateRow.state == state) if state else query
    return list(session.scalars(query))


def gate(session: Session, gate_id: str) -> RegressionGateRow:
    """One regression gate.

    Raises:
        NotFoundError: There is none (`gate.unknown`).
    """
    row = session.get(RegressionGateRow, gate_id)
    if row is None:
        raise NotFoundError(
            f"no regression gate '{gate_id}'", hint="falaj release gate list shows them", code="gate.unknown"
        )
    return row


def decide(
    session: Session, principal: Principal, gate_id: str, decision: str, reason: str, now: float
) -> RegressionGateRow:
    """Accept, reject or retire a regression gate.

    Raises:
        NotFoundError: There is none.
        ConflictError: It is not in the state for that (`gate.state`).
        UsageError: No reason was given for taking a gate away (`gate.reason`).
        ForbiddenError: Policy does not permit it.
    """
    row = gate(session, gate_id)
    session.refresh(row, with_for_update=True)
    require(session, principal, Action.DECIDE_GATE, Resource("gate", row.id, project=row.project), {"now": now})
    before, after = DECISIONS[decision]
    if row.state != before:
        raise ConflictError(
            f"gate {row.id} is {row.state}, not {before}: it cannot be asked to {decision}",
            hint="falaj release gate list shows in which state each is",
            code="gate.state",
        )
    if decision != "accept" and not reason.strip():
        raise UsageError(f"to {decision} a gate needs a reason", hint="--reason", code="gate.reason")
    row.state, row.decided_by, row.reason, row.updated_at = after, principal.id, reason, now
    details = {"model": row.model, "reason": reason, "from": before, "to": after}
    record.write(session, f"gate.{after}", principal.id, f"gate/{row.id}", now, details)
    return row


def _snapshot(store: ArtifactStore, capture: Mapping[str, Any], label: str) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*capture["columns"], label])
    writer.writerows([*row, value] for row, value in zip(capture["rows"], capture["labels"], strict=True))
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "rows.csv").write_text(text.getvalue())
        about = {key: value for key, value in capture.items() if key not in ("rows", "labels")}
        (Path(folder) / "capture.json").write_text(json.dumps(about, sort_keys=True))
        return str(store.put(Path(folder)).digest)


def _signed(
    keyring: Keyring, digest: str, capture: Mapping[str, Any], message: Mapping[str, Any], jurisdiction: str
) -> dict[str, Any]:
    name = f"regression.{message['rollout']}"
    source = f"rollout://{message['rollout']}"
    dataset = Dataset(name, source, digest, "internal", jurisdiction, 2, len(capture["rows"]))
    return dict(sign_statement(statement(DATASET, [(name, digest)], dataset.as_dict()), keyring.signer_for(DATASET)))


def _jurisdiction(session: Session, location: str) -> str:
    location_settings = settings.current(session).locations.get(location)
    return location_settings.jurisdiction if location_settings else "AE"
