"""Carrying out what was approved: the admission of a release by each location, its deployment, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select

from falaj.control.changes.assessment import arriving_below, facts_of, passed_below, placed_at
from falaj.control.changes.change_record import record_of
from falaj.control.changes.context import CONTROLLER, ChangeContext
from falaj.control.changes.request import context, resource_of
from falaj.control.changes.rollouts import record_rollouts, strategy_for
from falaj.control.changes.signed_decisions import quorum_of
from falaj.control.changes.signed_requests import why_not_carried_out
from falaj.control.changes.states import LOOK_EVERY_S, ChangeState
from falaj.control.releases.calendar import next_opening, open_at
from falaj.control.releases.deployment_record import deployment_of
from falaj.control.releases.endpoints import DeploymentPermit, arms_of, deploy, endpoints_of, next_version
from falaj.control.releases.lifecycle import UNDECIDED, DeploymentState
from falaj.control.releases.registry import move, state_of
from falaj.control.releases.states import ReleaseState
from falaj.control.releases.undeploy import take_back
from falaj.statistics.rollout import FALSE_ALARM, RolloutStrategy
from falaj.storage import EndpointRow, ProcessRow, ReleaseRow
from falaj.storage.change_tables import AdmissionRow, ChangeRow
from falaj.storage.durable import ProcessEvent
from falaj.storage.identity_tables import ApprovalKeyRow
from falaj.supply_chain.attestations import ADMISSION, AdmissionDecision, SigningRole, envelope_digest, sign_statement
from falaj.trust import audit
from falaj.trust.audit import record
from falaj.trust.policy import Action, ChangeFacts, ForbiddenError, SignedFacts, require

ADMISSION_LIFE_S = 24 * 3_600.0
"""How long a location may serve without hearing again that it may; renewed at half of it."""


def carry_out(turn: ChangeContext, row: ChangeRow) -> None:
    """Take an approved change as far as it goes: invalidated, expired, scheduled, or admitted and being deployed."""
    if reason := why_not_carried_out(turn, row):
        turn.advance(row, ProcessEvent("invalidated", {"reason": reason}), CONTROLLER.id)
        return
    if turn.now >= row.expires_at:
        turn.advance(row, ProcessEvent("expired", {"reason": "it was not carried out in time"}), CONTROLLER.id)
        return
    if (opening := _opening(turn, row)) > turn.now:
        if row.state != ChangeState.SCHEDULED or row.data.get("scheduled_for") != opening:
            row.data = {**row.data, "scheduled_for": opening}
        turn.advance(row, ProcessEvent("scheduled", {"at": opening}), CONTROLLER.id)
        return
    if _waits_for_below(turn, row):
        return
    try:
        granted = _admitted(turn, row)
    except ForbiddenError as error:
        turn.advance(row, ProcessEvent("invalidated", {"reason": error.decision.reason}), CONTROLLER.id)
        return
    row.data = {**row.data, "deployments": _deployed(turn, row, granted)}
    turn.advance(row, ProcessEvent("opened"), CONTROLLER.id)


def _waits_for_below(turn: ChangeContext, row: ChangeRow) -> bool:
    """Whether the release is still on its way to the environment below; if so the change is looked at again later."""
    release = turn.release(row)
    if row.restores is not None or passed_below(turn, release, row.environment):
        return False
    below = arriving_below(turn, release, row.environment)
    if below is None:
        return False
    event = ProcessEvent("scheduled", {"at": turn.now + LOOK_EVERY_S})
    if row.state == ChangeState.SCHEDULED and record_of(row).waits_for == below.id:
        turn.processes.send(turn.session, row.id, event, turn.now)
    else:
        row.data = {**row.data, "waits_for": below.id}
        turn.advance(row, event, CONTROLLER.id, {"waits_for": below.id})
    return True


def _wake_above(turn: ChangeContext, row: ChangeRow) -> None:
    """Look at once at the changes that have waited for the end of this one."""
    query = select(ChangeRow).where(
        ChangeRow.model == row.model, ChangeRow.release == row.release, ChangeRow.state == ChangeState.SCHEDULED
    )
    for above in turn.session.scalars(query):
        if record_of(above).waits_for == row.id:
            turn.processes.send(turn.session, above.id, ProcessEvent("scheduled", {"at": turn.now}), turn.now)


def _deployed(turn: ChangeContext, row: ChangeRow, granted: str) -> list[str]:
    """Start the deployments: location after location where the candidate is judged, else all at once."""
    release, environment = turn.release(row), turn.environment(row.environment)
    kind, options = strategy_for(row, release, environment)
    locations = placed_at(turn, release, row.environment)
    options = _of_each_location(options, len(locations))
    grant, waves = DeploymentPermit(granted, row.id, kind, options), kind != RolloutStrategy.RECREATE
    return [
        deploy(
            turn.session,
            turn.processes,
            release,
            (row.environment, location),
            grant,
            turn.now,
            waits=waves and place > 0,
        )
        for place, location in enumerate(locations)
    ]


def _of_each_location(options: Mapping[str, Any], locations: int) -> Mapping[str, Any]:
    """Options of one location: a change goes back everywhere when one location rolls it back, so they share a bound."""
    if locations == 1:
        return options
    return {**options, "false_alarm": options.get("false_alarm", FALSE_ALARM) / locations}


def _admitted(turn: ChangeContext, row: ChangeRow) -> str:
    """Admit the release of a change; return the change that was admitted: for a rollback, the one it takes up again."""
    if row.restores is None:
        admit(turn, row, facts_of(turn, row))
        return row.id
    restored = turn.change(row.restores)
    admit(turn, restored, facts_of(turn, restored, renewal=True))
    return restored.id


def admit(turn: ChangeContext, row: ChangeRow, facts: ChangeFacts, locations: Sequence[str] | None = None) -> None:
    """Sign that locations of an environment may serve the release of a change, and write that into the audit log.

    Args:
        turn: The transaction.
        row: The change.
        facts: What is the case now.
        locations: Which ones; all that the release is for by default.

    Raises:
        ForbiddenError: Policy does not permit it.
    """
    signer = turn.keyring.signer_for(ADMISSION)
    signed_facts = SignedFacts(row.id, row.kind, row.digest, row.environment, facts.rank, signer.key_id)
    quorum = quorum_of(turn, row, renewal=facts.renewal)
    require(turn.session, CONTROLLER, Action.ADMIT, resource_of(row), {**context(turn, facts), "signed": signed_facts})
    for location in locations if locations is not None else placed_at(turn, turn.release(row), row.environment):
        admission = _admission(turn, row, facts.rank, location, quorum)
        envelope = sign_statement(admission.statement(), signer)
        turn.session.add(
            AdmissionRow(
                change_id=row.id,
                location=location,
                envelope=dict(envelope),
                not_before=admission.not_before,
                expires_at=admission.expires_at,
            )
        )
        record.write_evidence(turn.session, envelope, f"change/{row.id}", CONTROLLER.id, turn.now)
    audit.checkpoint(
        turn.session, turn.keyring.signer(SigningRole.LOG), turn.now
    )  # locations ask for proofs from it at once


def complete_change(turn: ChangeContext, change_id: str) -> None:
    """End a change whose deployments have all ended: done when each is live, failed when one is not.

    Where locations follow each other, the next one begins when the one before is live; one that fails stops the rest,
    and those that were live already go back as well: the change stands everywhere or nowhere.
    """
    row = turn.change(change_id)
    processes = _deployments(turn, row)
    record_rollouts(turn, row, processes)  # also of a challenge, which ends long after its change
    if row.state != ChangeState.DEPLOYING:
        return
    if any(each.state in UNDECIDED for each in processes):
        return
    waiting = [each for each in processes if each.state == DeploymentState.WAITING]
    failed = [each for each in processes if each.state not in (DeploymentState.LIVE, DeploymentState.WAITING)]
    if failed:
        records = [(deployment_of(each), each.state) for each in failed]
        reasons = [f"{record.location}: {record.message or state}" for record, state in records]
        fail_change(turn, row, "; ".join(reasons), CONTROLLER.id)
    elif waiting:
        bake = turn.environment(row.environment).bake_s
        turn.processes.send(turn.session, waiting[0].id, ProcessEvent("queued", {"at": turn.now + bake}), turn.now)
    else:
        if not row.data.get("challenge"):
            _went_live(turn, row)
        turn.advance(row, ProcessEvent("deployed"), CONTROLLER.id)
        _wake_above(turn, row)


def fail_change(turn: ChangeContext, row: ChangeRow, reason: str, actor: str) -> None:
    """Fail a change that is being deployed: what came in by it goes back, and what is under way stops.

    Endpoints come before deployments, as in an agent's report, so that the two never wait for each other.
    """
    processes = _deployments(turn, row)
    locations = {deployment_of(each).location for each in processes if each.state != DeploymentState.WAITING}
    for endpoint in endpoints_of(turn.session, row.model, row.environment):
        if endpoint.location in locations and endpoint.release == row.release:
            take_back(turn.session, endpoint, f"change {row.id} failed: {reason}", turn.now)
    turn.session.flush()
    for process in processes:
        if process.state in (*UNDECIDED, DeploymentState.WAITING):
            turn.processes.send(turn.session, process.id, ProcessEvent("superseded"), turn.now)
    turn.advance(row, ProcessEvent("failed", {"reason": reason}), actor)
    _wake_above(turn, row)


def _deployments(turn: ChangeContext, row: ChangeRow) -> list[ProcessRow]:
    """The deployments of a change, in the order of its locations."""
    return [turn.session.get_one(ProcessRow, each) for each in record_of(row).deployments]


def renew(turn: ChangeContext) -> int:
    """Admit again what is live and whose admission has passed half of its life; return how many were renewed.

    While a rollout lasts, that is every release that the endpoint runs: the stable one and challengers, too.
    What policy does not permit any more is left to end by itself, and keeps nothing else from being renewed.
    """
    renewed = 0
    for endpoint in turn.session.scalars(select(EndpointRow)):
        if endpoint.plan.get("withdrawn"):
            continue
        for change_id in sorted({arm.plan["change"] for arm in arms_of(endpoint) if arm.plan.get("change")}):
            newest = newest_admission(turn, change_id, endpoint.location)
            if newest is not None and newest.expires_at - turn.now < ADMISSION_LIFE_S / 2:
                renewed += _renewed(turn, turn.change(change_id), endpoint)
    return renewed


def _renewed(turn: ChangeContext, row: ChangeRow, endpoint: EndpointRow) -> bool:
    """Admit one location again, or tell once why it is not."""
    try:
        admit(turn, row, facts_of(turn, row, renewal=True), [endpoint.location])
    except ForbiddenError as error:
        if row.data.get("renewal_refused") != error.decision.reason:
            row.data = {**row.data, "renewal_refused": error.decision.reason}
            turn.tell(row, "change.renewal-refused", CONTROLLER.id, {"reason": error.decision.reason})
        return False
    row.data = {name: value for name, value in row.data.items() if name != "renewal_refused"}
    endpoint.version = next_version(turn.session, endpoint.location)
    return True


def decisions_for(turn: ChangeContext, change_id: str, location: str) -> list[Mapping[str, Any]]:
    """The envelopes that let a location serve by a change: admission, approvals, and whose keys signed those."""
    admission = newest_admission(turn, change_id, location)
    approvals = turn.approvals(turn.session.get_one(ChangeRow, change_id))
    keys = [turn.session.get(ApprovalKeyRow, each.key_id) for each in approvals]
    return [
        *([admission.envelope] if admission else []),
        *(each.envelope for each in approvals),
        *(key.envelope for key in keys if key is not None),
    ]


def decisions_about(turn: ChangeContext, release: ReleaseRow) -> list[Mapping[str, Any]]:
    """The envelopes of every decision that lets a release serve somewhere, each once."""
    query = select(AdmissionRow.change_id, AdmissionRow.location).join(
        ChangeRow, ChangeRow.id == AdmissionRow.change_id
    )
    mine = query.where(ChangeRow.model == release.model, ChangeRow.release == release.number).distinct()
    rows = turn.session.execute(mine.order_by(AdmissionRow.change_id, AdmissionRow.location))
    envelopes = [envelope for change, location in rows for envelope in decisions_for(turn, change, location)]
    return list({envelope_digest(envelope): envelope for envelope in envelopes}.values())


def newest_admission(turn: ChangeContext, change_id: str, location: str) -> AdmissionRow | None:
    """The admission of a location by a change that was signed last."""
    query = select(AdmissionRow).where(AdmissionRow.change_id == change_id, AdmissionRow.location == location)
    return turn.session.scalar(query.order_by(AdmissionRow.id.desc()).limit(1))


def _admission(turn: ChangeContext, row: ChangeRow, rank: int, location: str, quorum: int) -> AdmissionDecision:
    earlier = newest_admission(turn, row.id, location)
    return AdmissionDecision(
        change=row.id, kind=row.kind, model=row.model, release=row.release, digest=row.digest,
        environment=row.environment, rank=rank, location=location,
        jurisdiction=turn.spec.locations[location].jurisdiction, quorum=quorum,
        approvals=tuple(each.digest for each in turn.approvals(row)),
        not_before=earlier.not_before if earlier else turn.now, expires_at=turn.now + ADMISSION_LIFE_S,
    )  # fmt: skip


def _opening(turn: ChangeContext, row: ChangeRow) -> float:
    """When a change may be carried out: its own time, and those of the environment.

    Emergencies and rollbacks pass windows and freezes.
    """
    start = max(turn.now, row.opens_at or turn.now)
    environment = turn.environment(row.environment)
    if row.kind == "emergency" or row.restores or open_at(environment, start)[0]:
        return start
    opening = next_opening(environment, start)
    return row.expires_at if opening is None else opening


def _went_live(turn: ChangeContext, row: ChangeRow) -> None:
    """The release is live; what served before and serves nowhere now is superseded."""
    release = turn.release(row)
    move(turn.session, release, "serve", CONTROLLER.id, turn.now)
    for number in {endpoint.previous for endpoint in endpoints_of(turn.session, row.model, row.environment)}:
        if number is not None and number != row.release:
            leave(turn, turn.session.get_one(ReleaseRow, (row.model, number), with_for_update=True))


def leave(turn: ChangeContext, release: ReleaseRow) -> None:
    """Note that a release serves nowhere any more, if that is so."""
    serving = {row.release for row in endpoints_of(turn.session, release.model)}
    if state_of(turn.session, release) in (ReleaseState.LIVE, ReleaseState.REVOKED) and release.number not in serving:
        move(turn.session, release, "leave", CONTROLLER.id, turn.now)
