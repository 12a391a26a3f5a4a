"""Changes: who asked for a release in an environment, who approved it, and how it was carried out.

A change is a row with a state. Policy decides about every step of it with the facts as they are then; the controller
carries out what was approved by signing an admission for each location, and nothing is served without one.
"""

from falaj.control.changes.approving import ApprovalError, approve, cancel, reject, review, to_sign
from falaj.control.changes.automatic import REQUEST, request_lowest, to_request
from falaj.control.changes.carrying_out import carry_out, conclude, decisions_about, decisions_for, renew
from falaj.control.changes.requesting import Wish, request, request_automatic
from falaj.control.changes.states import OPEN, PASSED, ChangeState, transition
from falaj.control.changes.steering import Steering, find_rollout, rollouts, steer, unknown_rollout
from falaj.control.changes.taking_back import archive, restore, retire, revoke, roll_back
from falaj.control.changes.turn import CONTROLLER, Turn, unknown
from falaj.control.changes.waking import wake

__all__ = [
    "CONTROLLER",
    "OPEN",
    "PASSED",
    "REQUEST",
    "ApprovalError",
    "ChangeState",
    "Steering",
    "Turn",
    "Wish",
    "approve",
    "archive",
    "cancel",
    "carry_out",
    "conclude",
    "decisions_about",
    "decisions_for",
    "find_rollout",
    "reject",
    "renew",
    "request",
    "request_automatic",
    "request_lowest",
    "restore",
    "retire",
    "review",
    "revoke",
    "roll_back",
    "rollouts",
    "steer",
    "to_request",
    "to_sign",
    "transition",
    "unknown",
    "unknown_rollout",
    "wake",
]
