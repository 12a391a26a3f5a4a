"""What people say to a change: approve with a signature of their own, reject, withdraw, review."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import select

from falaj.control.changes.assessment import evidence_for, facts_of
from falaj.control.changes.change_record import record_of
from falaj.control.changes.context import ChangeContext
from falaj.control.changes.request import context, resource_of
from falaj.core.errors import IntegrityError
from falaj.core.principal import Principal
from falaj.storage.change_tables import ApprovalRow, ChangeRow
from falaj.storage.durable import ProcessEvent
from falaj.storage.identity_tables import ApprovalKeyRow
from falaj.supply_chain.attestations import APPROVAL, Approval, EvidenceError, TrustedKey, envelope_digest
from falaj.supply_chain.attestations.envelope import verify_signed
from falaj.supply_chain.attestations.verification import read_content
from falaj.trust.audit import record
from falaj.trust.identity.federation import require_asserted
from falaj.trust.policy import Action, SignedFacts, require

_CLOCK_SKEW_S = 60.0


class ApprovalError(IntegrityError):
    """What was signed is not what is asked for, or not signed by a key of who sends it; nothing was changed."""

    code = "change.approval"


def to_sign(turn: ChangeContext, row: ChangeRow, approver: str) -> Approval:
    """Everything that an approval of a change says, were it given now."""
    release = turn.release(row)
    evidence = evidence_for(turn, release)
    return Approval(
        change=row.id, kind=row.kind, release=f"{row.model}@{row.release}", digest=release.digest,
        commit=release.commit, snapshots=evidence.snapshots, gates_digest=evidence.gates, environment=row.environment,
        rank=turn.environment(row.environment).rank, requester=row.requester, approver=approver, approved_at=turn.now,
        expires_at=row.expires_at,
    )  # fmt: skip


def approve(turn: ChangeContext, principal: Principal, change_id: str, envelope: Mapping[str, Any]) -> ChangeRow:
    """Take a person's signed approval; the last one that is needed approves the change.

    Args:
        turn: The transaction.
        principal: Who sends it, with a fresh proof of identity.
        change_id: The change.
        envelope: DSSE envelope of an approval, signed by a registered key of the sender.

    Raises:
        ApprovalError: The signature, the key or what was signed is not right (`change.approval`).
        AssertionNeededError: The sender proved it with a security key, and for something else.
        ForbiddenError: Policy does not permit it; the reason names the rule.
    """
    row = turn.change(change_id)
    facts = facts_of(turn, row)
    signed, key_id = _signed(turn, principal, envelope)
    signed_facts = SignedFacts(signed.change, signed.kind, signed.digest, signed.environment, signed.rank, key_id)
    require(
        turn.session,
        principal,
        Action.APPROVE_CHANGE,
        resource_of(row),
        {**context(turn, facts), "signed": signed_facts},
    )
    require_asserted(turn.session, principal, _payload_digest(envelope), turn.now)
    _refuse_difference(signed, to_sign(turn, row, principal.id), turn.now)
    digest = envelope_digest(envelope)
    turn.session.add(
        ApprovalRow(
            change_id=row.id,
            approver=principal.id,
            key_id=key_id,
            digest=digest,
            envelope=dict(envelope),
            approved_at=signed.approved_at,
        )
    )
    turn.session.flush()
    record.write_evidence(turn.session, envelope, f"change/{row.id}", principal.id, turn.now)
    count = len(turn.approvals(row))
    turn.tell(row, "change.approval", principal.id, {"key": key_id, "count": count, "needed": record_of(row).quorum})
    if facts_of(turn, row).quorum_met:
        turn.advance(row, ProcessEvent("approved"), principal.id)
    return row


def reject(turn: ChangeContext, principal: Principal, change_id: str, reason: str) -> ChangeRow:
    """Refuse a change for good.

    Raises:
        ForbiddenError: Policy does not permit it.
        IllegalTransitionError: It is decided already.
    """
    return _decide(turn, principal, change_id, Action.REJECT_CHANGE, ProcessEvent("rejected", {"reason": reason}))


def cancel(turn: ChangeContext, principal: Principal, change_id: str, reason: str) -> ChangeRow:
    """Withdraw a change that has not been carried out; its approvals are void."""
    return _decide(turn, principal, change_id, Action.CANCEL_CHANGE, ProcessEvent("cancelled", {"reason": reason}))


def review(turn: ChangeContext, principal: Principal, change_id: str, findings: str) -> ChangeRow:
    """Review an emergency change that was carried out, so that it may stay."""
    return _decide(turn, principal, change_id, Action.REVIEW_CHANGE, ProcessEvent("reviewed", {"reason": findings}))


def _decide(
    turn: ChangeContext, principal: Principal, change_id: str, action: Action, event: ProcessEvent
) -> ChangeRow:
    row = turn.change(change_id)
    require(turn.session, principal, action, resource_of(row), context(turn, facts_of(turn, row)))
    turn.advance(row, event, principal.id)
    return row


def _signed(turn: ChangeContext, principal: Principal, envelope: Mapping[str, Any]) -> tuple[Approval, str]:
    """The approval in an envelope, and the key of the sender that signed it."""
    query = select(ApprovalKeyRow).where(
        ApprovalKeyRow.account == principal.id, ApprovalKeyRow.revoked_at.is_(None),
        ApprovalKeyRow.not_before <= turn.now, ApprovalKeyRow.not_after > turn.now,
    )  # fmt: skip
    keys = {row.key_id: TrustedKey(row.pem, frozenset({APPROVAL})) for row in turn.session.scalars(query)}
    try:
        signed = verify_signed(dict(envelope), keys, where="approval")
        content: Approval = read_content(signed.statement, where="approval")
        if not signed.statement.is_about(content.digest):
            raise EvidenceError("it is about another artifact than it says", where="approval")
    except EvidenceError as error:
        raise ApprovalError(
            f"this is not an approval signed by a key of {principal.name}: {error.message}",
            hint="falaj access approval-key list shows your keys; falaj login registers one",
        ) from error
    return content, next(iter(signed.key_ids))


def _payload_digest(envelope: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical statement, which a security key signs too."""
    return hashlib.sha256(base64.b64decode(envelope["payload"])).hexdigest()


def _refuse_difference(signed: Approval, expected: Approval, now: float) -> None:
    """Nothing but the moment may differ from what would be signed now."""
    if abs(signed.approved_at - now) > _CLOCK_SKEW_S:
        raise ApprovalError(f"the approval is dated {signed.approved_at - now:+.0f} s from now", hint="sign it again")
    actual_fields, expected_fields = asdict(signed), asdict(replace(expected, approved_at=signed.approved_at))
    differing = sorted(name for name in expected_fields if actual_fields[name] != expected_fields[name])
    if differing:
        raise ApprovalError(
            f"what was signed differs from what is asked for in {', '.join(differing)}",
            hint="something changed meanwhile; look at the change and sign again",
        )
