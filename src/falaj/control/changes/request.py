"""Asking for a change."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from falaj.control.changes.assessment import (
    as_details,
    evidence_for,
    facts_of,
    risk_for,
    serving,
    serving_locations,
)
from falaj.control.changes.change_record import record_of
from falaj.control.changes.context import ChangeContext
from falaj.control.changes.placement import placements
from falaj.control.changes.requirements import shortfalls
from falaj.control.changes.signed_requests import sign_request
from falaj.control.changes.states import OPEN, ChangeState
from falaj.control.releases.owners import require_owner
from falaj.control.releases.registry import find
from falaj.core.errors import ConflictError, UsageError
from falaj.core.ids import new_id
from falaj.core.principal import Principal
from falaj.storage import ReleaseRow
from falaj.storage.change_tables import ChangeRow
from falaj.storage.durable import ProcessEvent
from falaj.supply_chain.attestations import CHANGE_KINDS
from falaj.trust.policy import Action, ChangeFacts, Resource, require

MAX_REASON = 2_000


@dataclass(frozen=True)
class ChangeRequest:
    """What somebody asks for.

    Args:
        release: `model@number`.
        environment: Where it is to go.
        kind: `standard`, `normal` or `emergency`.
        reason: Why, for those who approve and those who read the log.
        opens_at: Not before, unix seconds; None for as soon as it may.
    """

    release: str
    environment: str
    kind: str = "normal"
    reason: str = ""
    opens_at: float | None = None
    challenge: bool = False


def request(turn: ChangeContext, principal: Principal, change_request: ChangeRequest) -> ChangeRow:
    """Ask for a release in an environment.

    A change that nobody has to approve is approved by that; the controller carries it out.

    Raises:
        UsageError: The wish makes no sense (`change.kind`, `change.reason`, `change.no-template`).
        NotFoundError: There is no such release or environment.
        ConflictError: It serves there already, or the same was asked for before (`change.open`); it was made without a
            lockfile (`change.no-lockfile`), its evidence is not what the environment asks for (`change.evidence`), or
            it may be at too few locations (`change.placement`).
        ForbiddenError: Policy does not permit it; the reason names the rule.
    """
    release = find(turn.session, change_request.release)
    _check(turn, change_request, release)
    _require_lockfile(turn, change_request, release)
    _require_evidence(turn, change_request, release)
    _require_placement(turn, change_request, release)
    row = _new_change(turn, principal, change_request, release)
    turn.session.add(row)
    turn.session.flush()
    data = {
        "kind": row.kind, "quorum": record_of(row).quorum, "expires_at": row.expires_at,
        "review_within_s": turn.environment(row.environment).review_within_s,
    }  # fmt: skip
    turn.processes.start(turn.session, "change", row.id, ChangeState.REQUESTED, data, turn.now)
    facts = facts_of(turn, row)
    require(turn.session, principal, Action.REQUEST_CHANGE, resource_of(row), context(turn, facts))
    row.data = {**row.data, **as_details(facts)}
    sign_request(turn, row)
    turn.tell(row, "change.requested", principal.id, {"reason": row.reason, **as_details(facts)})
    turn.advance(row, ProcessEvent("submitted"), principal.id)
    return row


def request_automatic(turn: ChangeContext, worker: Principal, release: ReleaseRow, environment: str) -> ChangeRow:
    """Ask for the change that brings the release of a finished run to the lowest environment.

    It is a standard change where the model is of low risk, and a normal one, with as many approvals as the environment
    asks for, where it is not.
    """
    low = risk_for(turn, release, environment, evidence_for(turn, release)) == "low"
    name = f"{release.model}@{release.number}"
    kind = "standard" if low else "normal"
    return request(turn, worker, ChangeRequest(name, environment, kind, f"run {release.run_id} succeeded"))


def context(turn: ChangeContext, facts: ChangeFacts) -> dict[str, object]:
    """What policy is told beside who, what and on what."""
    return {"now": turn.now, "change": facts}


def resource_of(row: ChangeRow) -> Resource:
    """A change as policy sees it."""
    return Resource("change", row.id, row.tenant, row.project, row.environment, row.rank)


def _check(turn: ChangeContext, change_request: ChangeRequest, release: ReleaseRow) -> None:
    environment = turn.environment(change_request.environment)
    if change_request.kind not in CHANGE_KINDS:
        hint = f"one of {', '.join(CHANGE_KINDS)}"
        raise UsageError(f"there is no change of kind '{change_request.kind[:40]}'", hint=hint, code="change.kind")
    if len(change_request.reason) > MAX_REASON or (
        change_request.kind == "emergency" and not change_request.reason.strip()
    ):
        message = "an emergency change says why" if not change_request.reason.strip() else "the reason is too long"
        raise UsageError(message, hint=f"--reason, at most {MAX_REASON} characters", code="change.reason")
    owner = require_owner(turn.session, release.model)
    templates = [each for each in turn.spec.standard_changes if each.covers(environment.name, owner)]
    if change_request.kind == "standard" and environment.rank > 0 and not templates:
        raise UsageError(
            f"no standard change for {environment.name} was approved in advance",
            hint="ask for a normal one, or add a template to standard_changes in platform.yaml",
            code="change.no-template",
        )
    served = serving(turn, release.model, environment.name)
    if change_request.challenge and served is None:
        raise ConflictError(
            f"{environment.name} serves no release of {release.model} that could be challenged",
            hint="ask for it without --challenge",
            code="change.no-champion",
        )
    if served is not None and served.number == release.number:
        raise ConflictError(
            f"{change_request.release} is what {environment.name} serves already", code="change.already-live"
        )
    _refuse_twice(turn, release, environment.name)


def _require_evidence(turn: ChangeContext, change_request: ChangeRequest, release: ReleaseRow) -> None:
    """Refuse a release whose signed evidence is not what the environment asks for."""
    evidence = evidence_for(turn, release)
    missing = [*shortfalls(turn.environment(change_request.environment), evidence.results, evidence.code)]
    if missing:
        hint = "docs/how-to/keep-an-exam.md says how; platform.yaml says what is asked for"
        raise ConflictError(
            f"{change_request.release}: {'; '.join(missing)}",
            where=change_request.environment,
            hint=hint,
            code="change.evidence",
        )


def _require_placement(turn: ChangeContext, change_request: ChangeRequest, release: ReleaseRow) -> None:
    """Refuse a release for which constraints leave too few locations, or not those that serve the one before it."""
    environment = turn.environment(change_request.environment)
    if environment.placement is None:
        return
    each_place = placements(turn.spec, environment, evidence_for(turn, release).datasets)
    rules = {each.location: each.rule for each in each_place if not each.placed}
    left_out = [each for each in serving_locations(turn, release.model, environment.name) if each in rules]
    count = len(each_place) - len(rules)
    if count >= environment.placement.at_least and not left_out:
        return
    what = f"fits {count} locations of {environment.name}, which asks for {environment.placement.at_least}"
    hint = f"falaj location explain {change_request.release}; platform.yaml says what `placement` asks for"
    if left_out:
        what = f"may not be at {', '.join(left_out)}, which serves the release before it"
        hint = "a release without that data can follow; `falaj release revoke` ends the one before it everywhere"
    kept_out = "; ".join(f"{location}: {rule}" for location, rule in rules.items())
    raise ConflictError(
        f"{change_request.release} {what} ({kept_out})", where=environment.name, hint=hint, code="change.placement"
    )


def _require_lockfile(turn: ChangeContext, change_request: ChangeRequest, release: ReleaseRow) -> None:
    """Refuse a release that nobody can make again above the lowest environment."""
    environment = turn.environment(change_request.environment)
    if environment.rank > 0 and environment.require_lockfile and release.data.get("locked") is False:
        raise ConflictError(
            f"{change_request.release} was made without a lockfile, so nobody can make it again",
            where=environment.name,
            hint="`uv lock` in the project, commit uv.lock and push; or set `require_lockfile: false` in platform.yaml",
            code="change.no-lockfile",
        )


def _refuse_twice(turn: ChangeContext, release: ReleaseRow, environment: str) -> None:
    query = select(ChangeRow).where(
        ChangeRow.model == release.model, ChangeRow.release == release.number, ChangeRow.environment == environment,
        ChangeRow.state.in_([*OPEN, ChangeState.DEPLOYING]),
    )  # fmt: skip
    if (open_change := turn.session.scalar(query.limit(1))) is not None:
        raise ConflictError(
            f"change {open_change.id} asks for the same and is {open_change.state}",
            hint=f"falaj change show {open_change.id}",
            code="change.open",
        )


def _first_data(change_request: ChangeRequest, quorum: int) -> dict[str, object]:
    return {"quorum": quorum, **({"challenge": True} if change_request.challenge else {})}


def _new_change(
    turn: ChangeContext, principal: Principal, change_request: ChangeRequest, release: ReleaseRow
) -> ChangeRow:
    environment = turn.environment(change_request.environment)
    owner = require_owner(turn.session, release.model)
    emergency = change_request.kind == "emergency"
    life = environment.emergency_expires_s if emergency else environment.approval_expires_s
    start = max(turn.now, change_request.opens_at or turn.now)
    quorum = 0 if change_request.kind == "standard" else environment.approvals.get(change_request.kind, 0)
    return ChangeRow(
        id=new_id(turn.now), project=owner, model=release.model, release=release.number,
        digest=release.digest, environment=environment.name, rank=environment.rank, kind=change_request.kind,
        state=ChangeState.REQUESTED, requester=principal.id, reason=change_request.reason, restores=None,
        opens_at=change_request.opens_at, expires_at=start + life, data=_first_data(change_request, quorum),
        created_at=turn.now,
        updated_at=turn.now, tenant="default",
    )  # fmt: skip
