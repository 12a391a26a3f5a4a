"""What happens to a change when its time has come."""

from __future__ import annotations

from falaj.control.changes.context import CONTROLLER, ChangeContext
from falaj.control.changes.implementation import carry_out, complete_change
from falaj.control.changes.rollback import undo_unreviewed
from falaj.control.changes.states import ChangeState
from falaj.storage.durable import Lease, ProcessEvent


def on_due(turn: ChangeContext, lease: Lease) -> None:
    """Do what a change has waited for: carry it out, let it expire, or take back what nobody reviewed."""
    row = turn.change(lease.process_id)
    turn.processes.give_back(turn.session, lease)
    match row.state:
        case ChangeState.APPROVED | ChangeState.SCHEDULED:
            carry_out(turn, row)
        case ChangeState.AWAITING_APPROVAL:
            turn.advance(
                row, ProcessEvent("expired", {"reason": "not enough people approved it in time"}), CONTROLLER.id
            )
        case ChangeState.DEPLOYING:
            complete_change(turn, row.id)
            if row.state == ChangeState.DEPLOYING:
                turn.processes.send(turn.session, row.id, ProcessEvent("looked-at"), turn.now)
        case ChangeState.REVIEW_DUE:
            undo_unreviewed(turn, row)
