"""Taking back: the release before, an endpoint that must not serve at all, a release that must serve nowhere."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from falaj.control.changes.context import CONTROLLER, ChangeContext
from falaj.control.changes.implementation import fail_change, leave
from falaj.control.changes.request import resource_of
from falaj.control.changes.signed_requests import sign_request
from falaj.control.changes.states import OPEN, PASSED, ChangeState
from falaj.control.releases.endpoints import endpoints_of
from falaj.control.releases.owners import owner_of, require_owner
from falaj.control.releases.registry import find, move, state_of
from falaj.control.releases.states import WITHDRAWN
from falaj.control.releases.undeploy import forget, withdraw
from falaj.core.errors import ConflictError
from falaj.core.ids import new_id
from falaj.core.principal import Principal
from falaj.storage import ReleaseRow
from falaj.storage.change_tables import ChangeRow
from falaj.storage.durable import ProcessEvent
from falaj.trust.policy import Action, Resource, require

ROLLBACK_LIFE_S = 3_600.0


def roll_back(turn: ChangeContext, principal: Principal, environment: str, model: str, reason: str) -> ChangeRow:
    """Bring back what an environment served before, by the approvals that it was given then.

    It passes freezes and windows, needs nobody's approval, and is a change of its own.

    Raises:
        ConflictError: There is nothing to go back to (`change.no-previous`).
        ForbiddenError: Policy does not permit it.
    """
    rank = turn.environment(environment).rank
    restored = _previous(turn, environment, model)
    if restored is None:
        raise ConflictError(
            f"{environment}/{model} has no earlier release that may serve",
            hint="falaj release revoke takes a release away without putting another in its place",
            code="change.no-previous",
        )
    owner = require_owner(turn.session, model)
    row = ChangeRow(
        id=new_id(turn.now), project=owner, model=model, release=restored.release, digest=restored.digest,
        environment=environment, rank=rank, kind="standard", state=ChangeState.REQUESTED, requester=principal.id,
        reason=reason, restores=restored.id, opens_at=None, expires_at=turn.now + ROLLBACK_LIFE_S, data={"quorum": 0},
        created_at=turn.now, updated_at=turn.now, tenant="default",
    )  # fmt: skip
    require(turn.session, principal, Action.ROLLBACK, resource_of(row), {"now": turn.now})
    _take_back_current(turn, environment, model, principal, reason)
    turn.session.add(row)
    turn.session.flush()
    sign_request(turn, row)
    data = {"kind": row.kind, "quorum": 0, "expires_at": row.expires_at, "review_within_s": 0}
    turn.processes.start(turn.session, "change", row.id, ChangeState.REQUESTED, data, turn.now)
    turn.tell(row, "change.requested", principal.id, {"reason": reason, "restores": restored.id})
    turn.advance(row, ProcessEvent("submitted"), principal.id)
    return row


def undo_unreviewed(turn: ChangeContext, row: ChangeRow) -> None:
    """Take an emergency change back that nobody reviewed in time; without an earlier release, the endpoint goes."""
    reason = f"emergency change {row.id} was not reviewed in time"
    if _previous(turn, row.environment, row.model) is not None:
        roll_back(turn, CONTROLLER, row.environment, row.model, reason)
    else:
        _withdraw_all(turn, turn.release(row), reason, row.environment)
    if row.state == ChangeState.REVIEW_DUE:  # something else serves there by now
        turn.advance(row, ProcessEvent("taken-back", {"reason": reason}), CONTROLLER.id)


def revoke(turn: ChangeContext, principal: Principal, name: str, reason: str) -> ReleaseRow:
    """Forbid a release for ever: every location stops serving it, and every change about it is void or fails.

    An endpoint that was about to take it keeps what it served before. One that serves it is taken away.

    Raises:
        ForbiddenError: Policy does not permit it.
        IllegalTransitionError: It was retired or rejected (`release.state`).
    """
    release = _permitted(turn, principal, Action.REVOKE_RELEASE, name)
    move(turn.session, release, "revoke", principal.id, turn.now, reason)
    because = f"release {release.number} was revoked: {reason}"
    for row in _unfinished(turn, release):
        if row.state in OPEN:
            turn.advance(row, ProcessEvent("invalidated", {"reason": because}), principal.id)
        else:
            fail_change(turn, row, because, principal.id)
    _withdraw_all(turn, release, because)
    for endpoint in endpoints_of(turn.session, release.model):
        forget(turn.session, endpoint, release.number, because, turn.now)
    return release


def archive(turn: ChangeContext, principal: Principal, name: str, reason: str) -> ReleaseRow:
    """Put a release away that serves nowhere; `restore` brings it back.

    Raises:
        ConflictError: It is being deployed (`release.deploying`).
        ForbiddenError: Policy does not permit it.
        IllegalTransitionError: It serves, or was put away before (`release.state`).
    """
    return _put_away(turn, principal, Action.ARCHIVE_RELEASE, name, "archive", reason)


def restore(turn: ChangeContext, principal: Principal, name: str, reason: str) -> ReleaseRow:
    """Bring an archived release back."""
    release = _permitted(turn, principal, Action.ARCHIVE_RELEASE, name)
    move(turn.session, release, "restore", principal.id, turn.now, reason)
    return release


def retire(turn: ChangeContext, principal: Principal, name: str, reason: str) -> ReleaseRow:
    """End a release that serves nowhere, for good; raises as `archive` does."""
    return _put_away(turn, principal, Action.RETIRE_RELEASE, name, "retire", reason)


def _put_away(
    turn: ChangeContext, principal: Principal, action: Action, name: str, event: str, reason: str
) -> ReleaseRow:
    release = _permitted(turn, principal, action, name)
    deploying = [row for row in _unfinished(turn, release) if row.state == ChangeState.DEPLOYING]
    if deploying:
        raise ConflictError(
            f"release {release.model}@{release.number} is being deployed to {deploying[0].environment}",
            hint=f"wait for change {deploying[0].id}, or revoke the release",
            code="release.deploying",
        )
    move(turn.session, release, event, principal.id, turn.now, reason)
    return release


def _permitted(turn: ChangeContext, principal: Principal, action: Action, name: str) -> ReleaseRow:
    """The release of that name, locked until the transaction ends, with which somebody may do that."""
    target_release = find(turn.session, name)
    release = turn.session.get_one(ReleaseRow, (target_release.model, target_release.number), with_for_update=True)
    resource = Resource("release", f"{release.model}@{release.number}", project=owner_of(turn.session, release.model))
    require(turn.session, principal, action, resource, {"now": turn.now})
    return release


def _unfinished(turn: ChangeContext, release: ReleaseRow) -> Sequence[ChangeRow]:
    """The changes about a release that have not ended."""
    query = select(ChangeRow).where(
        ChangeRow.model == release.model, ChangeRow.release == release.number,
        ChangeRow.state.in_([*OPEN, ChangeState.DEPLOYING]),
    )  # fmt: skip
    return turn.session.scalars(query.order_by(ChangeRow.id)).all()


def _previous(turn: ChangeContext, environment: str, model: str) -> ChangeRow | None:
    """The newest change that stands and brought another release there than the one that serves now."""
    serving = {row.release for row in endpoints_of(turn.session, model, environment)}
    query = select(ChangeRow).where(
        ChangeRow.model == model, ChangeRow.environment == environment, ChangeRow.restores.is_(None),
        ChangeRow.state.in_(list(PASSED)),
    )  # fmt: skip
    for row in turn.session.scalars(query.order_by(ChangeRow.updated_at.desc())):
        if row.release not in serving and state_of(turn.session, turn.release(row)) not in WITHDRAWN:
            return row
    return None


def _take_back_current(turn: ChangeContext, environment: str, model: str, principal: Principal, reason: str) -> None:
    """The changes that brought what serves now stand no longer: the release did not pass this environment."""
    current = {row.plan.get("change") for row in endpoints_of(turn.session, model, environment)}
    for change_id in sorted(filter(None, current)):
        row = turn.change(change_id)
        if row.state in PASSED:
            turn.advance(row, ProcessEvent("taken-back", {"reason": reason}), principal.id)


def _withdraw_all(turn: ChangeContext, release: ReleaseRow, reason: str, environment: str | None = None) -> None:
    for endpoint in endpoints_of(turn.session, release.model, environment):
        if endpoint.release == release.number:
            withdraw(turn.session, endpoint, reason, turn.now)
    leave(turn, release)
