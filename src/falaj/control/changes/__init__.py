"""Changes: who asked for a release in an environment, who approved it, and how it was carried out.

A change is a row with a state. Policy decides about every step of it with the facts as they are then; the controller
carries out what was approved by signing an admission for each location, and nothing is served without one.
"""

from falaj.control.changes.approval import ApprovalError, approve, cancel, reject, review, to_sign
from falaj.control.changes.assessment import serving
from falaj.control.changes.automatic import REQUEST, request_lowest, to_request
from falaj.control.changes.context import CONTROLLER, ChangeContext, unknown
from falaj.control.changes.implementation import carry_out, complete_change, decisions_about, decisions_for, renew
from falaj.control.changes.request import ChangeRequest, request, request_automatic
from falaj.control.changes.rollback import archive, restore, retire, revoke, roll_back
from falaj.control.changes.rollout_control import (
    Steering,
    chosen_rollouts,
    deployments,
    find_rollout,
    rollouts,
    steer,
    unknown_rollout,
)
from falaj.control.changes.signed_requests import why_not_deployed
from falaj.control.changes.states import OPEN, PASSED, ChangeState, transition
from falaj.control.changes.timers import on_due

__all__ = [
    "CONTROLLER",
    "OPEN",
    "PASSED",
    "REQUEST",
    "ApprovalError",
    "ChangeContext",
    "ChangeRequest",
    "ChangeState",
    "Steering",
    "approve",
    "archive",
    "cancel",
    "carry_out",
    "chosen_rollouts",
    "complete_change",
    "decisions_about",
    "decisions_for",
    "deployments",
    "find_rollout",
    "on_due",
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
    "serving",
    "steer",
    "to_request",
    "to_sign",
    "transition",
    "unknown",
    "unknown_rollout",
    "why_not_deployed",
]
