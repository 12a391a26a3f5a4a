"""A new release goes to the lowest environment by itself, where its project names it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from falaj.control.changes.context import ChangeContext
from falaj.control.changes.request import request_automatic
from falaj.control.releases.registry import WORKER
from falaj.core.errors import FalajError
from falaj.core.principal import Principal, PrincipalKind
from falaj.storage import EventRow, ReleaseRow
from falaj.storage.durable import Effect

REQUEST = "request-automatic"
"""The effect that asks for the change."""
_WORKER = Principal(WORKER, PrincipalKind.WORKLOAD)


def to_request(release: ReleaseRow) -> Effect:
    """The effect that brings a release of a finished run to the lowest environment."""
    return Effect(
        REQUEST, f"{REQUEST}/{release.model}/{release.number}", {"model": release.model, "number": release.number}
    )


def request_lowest(turn: ChangeContext, message: Mapping[str, Any]) -> None:
    """Ask for the change; a refusal is an event of the run, and costs it nothing.

    Args:
        turn: The transaction.
        message: Of the effect.
    """
    release = turn.session.get_one(ReleaseRow, (message["model"], message["number"]))
    lowest = turn.spec.ordered_environments[0].name
    if lowest not in release.data.get("deploy", ()):
        return
    verdict = release.data.get("retraining") or {}
    if not verdict.get("wins", True):
        _tell(turn, release, "deployment.withheld", lowest, f"the retraining did not help: {verdict['reason']}")
        return
    try:
        with turn.session.begin_nested():
            request_automatic(turn, _WORKER, release, lowest)
    except FalajError as error:
        _tell(turn, release, "deployment.refused", lowest, error.message)


def _tell(turn: ChangeContext, release: ReleaseRow, kind: str, environment: str, reason: str) -> None:
    data = {"environment": environment, "reason": reason}
    turn.session.add(EventRow(at=turn.now, subject=f"run/{release.run_id}", kind=kind, data=data))
