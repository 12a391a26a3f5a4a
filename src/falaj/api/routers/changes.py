"""Changes: asking for a release in an environment, deciding about it, and taking it back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any, Literal, cast

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import select
from sqlalchemy.orm import Session

from falaj.api import authorization, views
from falaj.api.authorization import Caller
from falaj.api.paging import Paging, matching, paged
from falaj.api.platform import Platform, Shared
from falaj.api.request_bodies import Reason, ReasonBody
from falaj.api.route_actions import action
from falaj.control import changes, releases
from falaj.control.changes.change_record import record_of
from falaj.control.changes.gate_differences import marked_gates
from falaj.schemas import api, states
from falaj.schemas import changes as documents
from falaj.storage import ProcessRow
from falaj.storage.change_tables import ApprovalRow, ChangeRow
from falaj.supply_chain.attestations.predicates import plain
from falaj.trust.policy import Action, Resource

router = APIRouter(prefix="/api/v1", tags=["changes"])

Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
_CHANGES = paged("-created_at", {"created_at": (ChangeRow.created_at, ChangeRow.id)})


class Promotion(BaseModel):
    """What somebody asks for."""

    model_config = ConfigDict(extra="forbid")
    release: Name
    environment: Name
    kind: Literal["standard", "normal", "emergency"] = "normal"
    reason: Reason = ""
    opens_at: Annotated[float, Field(ge=0, le=1e11)] | None = None
    challenge: bool = False


class Signed(BaseModel):
    """An approval as the person signed it."""

    model_config = ConfigDict(extra="forbid")
    envelope: dict[str, Any]


class Rollback(ReasonBody):
    """Which endpoint to take back."""

    environment: Name
    model: Name


@router.get("/changes", response_model=list[documents.Change], **action(Action.READ, refined=True))
def list_changes(
    platform: Shared,
    caller: Caller,
    page: Annotated[Paging, Depends(_CHANGES)],
    unfinished: Annotated[bool, Query(alias="open")] = False,
    environment: str | None = None,
    model: str | None = None,
    state: states.ChangeState | None = None,
) -> list[documents.Change]:
    """The newest changes first, of the projects that the caller may read."""
    filters = {ChangeRow.environment: environment or None, ChangeRow.model: model, ChangeRow.state: state}
    query = matching(select(ChangeRow), filters)
    if unfinished:
        query = query.where(ChangeRow.state.in_([*changes.OPEN, "deploying", "review_due"]))
    if (readable := authorization.readable(platform, caller)) is not None:
        query = query.where(ChangeRow.project.in_(readable))
    with platform.database.reading() as session:
        return documents_of(session, page.rows(session, query))


@router.post(
    "/changes", response_model=documents.Change, status_code=201, **action(Action.REQUEST_CHANGE, refined=True)
)
def request(body: Promotion, platform: Shared, caller: Caller) -> documents.Change:
    """Ask for a release in an environment."""
    with platform.database.transaction() as session:
        _require_reach(platform, session, caller, Action.REQUEST_CHANGE, body.release.partition("@")[0])
        turn = platform.turn(session)
        change_request = changes.ChangeRequest(
            body.release, body.environment, body.kind, body.reason, body.opens_at, body.challenge
        )
        return document(session, changes.request(turn, caller, change_request))


@router.get("/changes/{change_id}", response_model=documents.Change, **action(Action.READ, refined=True))
def show(change_id: str, platform: Shared, caller: Caller) -> documents.Change:
    """One change."""
    with platform.database.reading() as session:
        return document(session, _read(platform, session, caller, change_id))


@router.get("/changes/{change_id}/approval", response_model=documents.ToSign, **action(Action.READ, refined=True))
def to_sign(change_id: str, platform: Shared, caller: Caller) -> documents.ToSign:
    """What the caller would sign to approve a change."""
    with platform.database.reading() as session:
        row = _read(platform, session, caller, change_id)
        approval = changes.to_sign(platform.turn(session), row, caller.id)
        release_row = releases.find(session, f"{row.model}@{row.release}")
        served = changes.serving(platform.turn(session), row.model, row.environment)
        before = served.data.get("gates", ()) if served else ()
        return documents.ToSign(plain(asdict(approval)), marked_gates(release_row.data.get("gates", ()), before))


@router.post(
    "/changes/{change_id}/approve", response_model=documents.Change, **action(Action.APPROVE_CHANGE, refined=True)
)
def approve(change_id: str, signed: Signed, platform: Shared, caller: Caller) -> documents.Change:
    """Take a signed approval."""
    with platform.database.transaction() as session:
        row = session.get(ChangeRow, change_id)
        resource = Resource("change", change_id, project=None if row is None else row.project)
        authorization.require_reach(platform, session, caller, Action.APPROVE_CHANGE, resource)
        return document(session, changes.approve(platform.turn(session), caller, change_id, signed.envelope))


@router.post(
    "/changes/{change_id}/reject", response_model=documents.Change, **action(Action.REJECT_CHANGE, refined=True)
)
def reject(change_id: str, why: ReasonBody, platform: Shared, caller: Caller) -> documents.Change:
    """Refuse a change for good."""
    with platform.database.transaction() as session:
        return document(session, changes.reject(platform.turn(session), caller, change_id, why.reason))


@router.post(
    "/changes/{change_id}/cancel", response_model=documents.Change, **action(Action.REQUEST_CHANGE, refined=True)
)
def cancel(change_id: str, why: ReasonBody, platform: Shared, caller: Caller) -> documents.Change:
    """Withdraw a change; who may ask may withdraw, each their own, and release managers any."""
    with platform.database.transaction() as session:
        return document(session, changes.cancel(platform.turn(session), caller, change_id, why.reason))


@router.post(
    "/changes/{change_id}/review", response_model=documents.Change, **action(Action.REVIEW_CHANGE, refined=True)
)
def review(change_id: str, why: ReasonBody, platform: Shared, caller: Caller) -> documents.Change:
    """Review an emergency change that was carried out."""
    with platform.database.transaction() as session:
        return document(session, changes.review(platform.turn(session), caller, change_id, why.reason))


@router.post("/rollbacks", response_model=documents.Change, status_code=201, **action(Action.ROLLBACK, refined=True))
def roll_back(body: Rollback, platform: Shared, caller: Caller) -> documents.Change:
    """Bring back what an endpoint served before."""
    with platform.database.transaction() as session:
        _require_reach(platform, session, caller, Action.ROLLBACK, body.model)
        turn = platform.turn(session)
        return document(session, changes.roll_back(turn, caller, body.environment, body.model, body.reason))


@router.post("/releases/{name}/archive", response_model=api.Release, **action(Action.ARCHIVE_RELEASE))
def archive(name: str, why: ReasonBody, platform: Shared, caller: Caller) -> api.Release:
    """Put a release away."""
    with platform.database.transaction() as session:
        return views.release(changes.archive(platform.turn(session), caller, name, why.reason))


@router.post("/releases/{name}/restore", response_model=api.Release, **action(Action.ARCHIVE_RELEASE))
def restore(name: str, why: ReasonBody, platform: Shared, caller: Caller) -> api.Release:
    """Bring an archived release back."""
    with platform.database.transaction() as session:
        return views.release(changes.restore(platform.turn(session), caller, name, why.reason))


@router.post("/releases/{name}/retire", response_model=api.Release, **action(Action.RETIRE_RELEASE))
def retire(name: str, why: ReasonBody, platform: Shared, caller: Caller) -> api.Release:
    """End a release for good."""
    with platform.database.transaction() as session:
        return views.release(changes.retire(platform.turn(session), caller, name, why.reason))


@router.post("/releases/{name}/revoke", response_model=api.Release, **action(Action.REVOKE_RELEASE))
def revoke(name: str, why: ReasonBody, platform: Shared, caller: Caller) -> api.Release:
    """Forbid a release for ever; every location stops serving it."""
    with platform.database.transaction() as session:
        return views.release(changes.revoke(platform.turn(session), caller, name, why.reason))


def document(session: Session, row: ChangeRow) -> documents.Change:
    """A change as it travels."""
    return documents_of(session, [row])[0]


def documents_of(session: Session, rows: Sequence[ChangeRow]) -> list[documents.Change]:
    """Changes as they travel, read with two statements however many they are."""
    ids, approvals = [row.id for row in rows], defaultdict[str, list[documents.GivenApproval]](list)
    processes = select(ProcessRow.id, ProcessRow.wake_at).where(ProcessRow.id.in_(ids))
    wakes_at = dict(session.execute(processes).all())
    query = select(ApprovalRow).where(ApprovalRow.change_id.in_(ids)).order_by(ApprovalRow.approved_at)
    for each in session.scalars(query):
        approvals[each.change_id].append(documents.GivenApproval(each.approver, each.approved_at, each.key_id))
    return [_document(row, approvals[row.id], wakes_at[row.id]) for row in rows]


def _document(row: ChangeRow, approvals: list[documents.GivenApproval], wakes_at: float | None) -> documents.Change:
    record = record_of(row)
    return documents.Change(
        id=row.id, kind=cast("states.ChangeKind", row.kind), state=cast("states.ChangeState", row.state),
        model=row.model, release=row.release, digest=row.digest,
        environment=row.environment, rank=row.rank, risk=record.risk, requester=row.requester,
        reason=row.reason, quorum=record.quorum, approvals=approvals,
        restores=row.restores, opens_at=row.opens_at, expires_at=row.expires_at, wakes_at=wakes_at,
        note=_note(row), created_at=row.created_at, updated_at=row.updated_at,
    )  # fmt: skip


def _note(row: ChangeRow) -> str:
    """Why it ended, or what it waits for besides the clock."""
    record = record_of(row)
    if row.state == changes.ChangeState.SCHEDULED and record.waits_for:
        return f"waits for change {record.waits_for}, which brings the release to the environment below"
    return record.ended_because


def _require_reach(platform: Platform, session: Session, caller: Caller, action: Action, model: str) -> None:
    """What serves, and what of a release is missing, is told to who works in its project."""
    resource = Resource("model", model, project=releases.owner_of(session, model))
    authorization.require_reach(platform, session, caller, action, resource)


def _read(platform: Platform, session: Session, caller: Caller, change_id: str) -> ChangeRow:
    """A change that the caller may read; the project decides."""
    row = session.get(ChangeRow, change_id)
    if row is None:
        raise changes.unknown(change_id)
    resource = Resource("change", row.id, row.tenant, row.project, row.environment, row.rank)
    authorization.require(platform, caller, Action.READ, resource)
    return row
