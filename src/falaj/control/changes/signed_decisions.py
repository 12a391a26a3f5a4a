"""What of a change is signed, and so cannot be written into the database by somebody without a key.

The row of a change says what was asked for and how far it has got. What it takes to carry it out comes from elsewhere:
the number of people from the settings that hold, or from the admission that is renewed; who approved, from statements
that these people signed; that a release was admitted, from the admission.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import select

from falaj.control.changes.change_record import record_of
from falaj.control.changes.context import ChangeContext
from falaj.storage.change_tables import AdmissionRow, ApprovalRow, ChangeRow
from falaj.storage.identity_tables import ApprovalKeyRow
from falaj.supply_chain.attestations import ADMISSION, APPROVAL, AdmissionDecision, Approval, EvidenceError, TrustedKey
from falaj.supply_chain.attestations.envelope import verify_signed
from falaj.supply_chain.attestations.verification import read_content

NOBODY_COULD = 1_000
"""A quorum that is never met: of a change that says it was admitted, and was not."""


def quorum_of(turn: ChangeContext, row: ChangeRow, *, renewal: bool = False) -> int:
    """How many people must approve a change.

    As many as when it was asked for, and no fewer than the settings ask for now; for a renewal, as many as the
    admission says that was signed then.
    """
    if renewal:
        return max((each.quorum for each in admissions_of(turn, row)), default=NOBODY_COULD)
    return max(record_of(row).quorum, _asked_by_settings(turn, row))


def _asked_by_settings(turn: ChangeContext, row: ChangeRow) -> int:
    if row.restores is not None:
        return 0  # it takes up an admission again, which is judged as a renewal
    environment = turn.environment(row.environment)
    in_advance = [each for each in turn.spec.standard_changes if each.covers(row.environment, row.project)]
    if row.kind == "standard" and (environment.rank == 0 or in_advance):
        return 0
    return environment.approvals.get("normal" if row.kind == "standard" else row.kind, 0)


def admissions_of(turn: ChangeContext, row: ChangeRow) -> Iterator[AdmissionDecision]:
    """The admissions of a change, as far as they are signed and about it."""
    for item in turn.session.scalars(select(AdmissionRow).where(AdmissionRow.change_id == row.id)):
        try:
            statement = verify_signed(dict(item.envelope), turn.keyring.trusted(), where="admission").statement
            decision = read_content(statement, where="admission") if statement.predicate_type == ADMISSION else None
        except EvidenceError:
            continue
        if isinstance(decision, AdmissionDecision) and _is_about(decision, row):
            yield decision


def _is_about(decision: AdmissionDecision, row: ChangeRow) -> bool:
    named = (decision.change, decision.kind, decision.model, decision.release, decision.digest, decision.environment)
    return named == (row.id, row.kind, row.model, row.release, row.digest, row.environment)


def is_signed(turn: ChangeContext, row: ChangeRow, item: ApprovalRow) -> bool:
    """Tell whether a row of an approval is what its approver signed, about this change as it is."""
    key = turn.session.get(ApprovalKeyRow, item.key_id)
    if key is None or key.account != item.approver:
        return False
    believed = {key.key_id: TrustedKey(key.pem, frozenset({APPROVAL}))}
    try:
        signed_approval = read_content(
            verify_signed(dict(item.envelope), believed, where="approval").statement, where="approval"
        )
    except EvidenceError:
        return False
    return isinstance(signed_approval, Approval) and _names(signed_approval, row, item)


def _names(signed_approval: Approval, row: ChangeRow, item: ApprovalRow) -> bool:
    named = (
        signed_approval.change, signed_approval.kind, signed_approval.release, signed_approval.digest,
        signed_approval.environment, signed_approval.requester, signed_approval.approver,
        signed_approval.approved_at,
    )  # fmt: skip
    return named == (
        row.id, row.kind, f"{row.model}@{row.release}", row.digest, row.environment, row.requester, item.approver,
        item.approved_at,
    )  # fmt: skip
