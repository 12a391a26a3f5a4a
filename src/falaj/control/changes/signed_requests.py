"""What was asked for by a change, as it was signed when it was asked, and that it has ended.

The row of a change and that of its process say how far it has got; both can be written by who has the database. Nothing
is carried out but what was signed, as it was signed, and nothing that has ended is carried out again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from falaj.control.changes.states import OPEN, ChangeState
from falaj.storage.change_tables import ChangeRow, SignedChangeRow

if TYPE_CHECKING:
    from falaj.control.changes.context import ChangeContext

_CAN_STILL_DEPLOY = OPEN | {ChangeState.DEPLOYING}


def sign_request(turn: ChangeContext, row: ChangeRow) -> None:
    """Sign what a change asks for, in the transaction that makes it."""
    turn.session.add(SignedChangeRow(id=row.id, **_content(row)))


def sign_end(turn: ChangeContext, row: ChangeRow) -> None:
    """Sign that nothing more comes of a change, once it is in such a state."""
    if row.state in _CAN_STILL_DEPLOY:
        return
    signed = turn.session.get(SignedChangeRow, row.id)
    if signed is not None and signed.ended_as is None:
        signed.ended_as, signed.ended_at = str(row.state), turn.now


def why_not_carried_out(turn: ChangeContext, row: ChangeRow) -> str:
    """Why a change is not what was signed; empty when it is."""
    signed = turn.session.get(SignedChangeRow, row.id)
    if signed is None:
        return "nobody's request for it is signed"
    if signed.ended_as is not None:
        return f"it ended before: {signed.ended_as}"
    if differing := [name for name, value in _content(row).items() if getattr(signed, name) != value]:
        return f"it is not what was asked for: {', '.join(differing)}"
    return ""


def why_not_deployed(turn: ChangeContext, deployment: Mapping[str, Any]) -> str:
    """Why a deployment is no part of a change that was signed and still lasts; empty when it is.

    Args:
        turn: The transaction.
        deployment: What the row of its process holds.
    """
    signed = turn.session.get(SignedChangeRow, deployment["concludes"])
    if signed is None:
        return "no signed change asks for it"
    if signed.ended_as is not None:
        return f"change {signed.id} ended before: {signed.ended_as}"
    signed_part = (signed.model, signed.release, signed.digest, signed.environment, signed.restores or signed.id)
    named = tuple(deployment[name] for name in ("model", "release", "digest", "environment", "change"))
    environment = turn.spec.environments.get(signed.environment)
    if named != signed_part or environment is None or deployment["location"] not in environment.locations:
        return f"change {signed.id} does not ask for it"
    return ""


def _content(row: ChangeRow) -> dict[str, Any]:
    return {
        "model": row.model, "release": row.release, "digest": row.digest, "environment": row.environment,
        "kind": row.kind, "requester": row.requester, "restores": row.restores, "opens_at": row.opens_at,
        "expires_at": row.expires_at, "challenge": bool(row.data.get("challenge")),
    }  # fmt: skip
