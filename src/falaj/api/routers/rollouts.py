"""Rollouts: how they are doing, and what people ask of them."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from falaj.api import authorization
from falaj.api.authorization import Caller
from falaj.api.paging import Paging, paged
from falaj.api.platform import Platform, Shared
from falaj.api.request_bodies import ReasonBody
from falaj.api.route_actions import action
from falaj.control import changes
from falaj.schemas import rollouts
from falaj.statistics.rollout import Command
from falaj.storage import ProcessRow
from falaj.trust.policy import Action

router = APIRouter(prefix="/api/v1", tags=["rollouts"])
_ROLLOUTS = paged("-created_at", {"created_at": (ProcessRow.created_at, ProcessRow.id)})


@router.get("/rollouts", response_model=list[rollouts.Rollout], **action(Action.READ, refined=True))
def list_rollouts(
    platform: Shared,
    caller: Caller,
    page: Annotated[Paging, Depends(_ROLLOUTS)],
    endpoint: Annotated[str | None, Query(max_length=320)] = None,
) -> list[rollouts.Rollout]:
    """The newest rollouts first, of the projects that the caller may read; of one endpoint, if one is named."""
    readable = authorization.readable(platform, caller)
    with platform.database.reading() as session:
        chosen = partial(changes.chosen_rollouts, session, endpoint=endpoint, projects=readable)
        rows = page.passing(session, changes.deployments(), lambda batch: [each.process for each in chosen(batch)])
        return [rollouts.rollout_of(each) for each in chosen(rows)]


@router.get("/rollouts/{rollout_id:path}", response_model=rollouts.Rollout, **action(Action.READ, refined=True))
def show(rollout_id: str, platform: Shared, caller: Caller) -> rollouts.Rollout:
    """One rollout, by its id or as the newest one of an endpoint (`environment/model`)."""
    readable = authorization.readable(platform, caller)
    with platform.database.reading() as session:
        steering = changes.find_rollout(session, rollout_id)
        if readable is not None and steering.change.project not in readable:
            raise changes.unknown_rollout(rollout_id)
        return rollouts.rollout_of(steering)


@router.post("/rollouts/{rollout_id}/pause", response_model=rollouts.Rollout, **action(Action.STEER_ROLLOUT))
def pause(rollout_id: str, why: ReasonBody, platform: Shared, caller: Caller) -> rollouts.Rollout:
    """Keep the weights as they are until someone resumes; evidence of a regression still rolls back."""
    return _steered(platform, caller, rollout_id, Command.PAUSE, why.reason)


@router.post("/rollouts/{rollout_id}/resume", response_model=rollouts.Rollout, **action(Action.STEER_ROLLOUT))
def resume(rollout_id: str, why: ReasonBody, platform: Shared, caller: Caller) -> rollouts.Rollout:
    """Go on where it was paused, or give an inconclusive one its time again."""
    return _steered(platform, caller, rollout_id, Command.RESUME, why.reason)


@router.post("/rollouts/{rollout_id}/abort", response_model=rollouts.Rollout, **action(Action.STEER_ROLLOUT))
def abort(rollout_id: str, why: ReasonBody, platform: Shared, caller: Caller) -> rollouts.Rollout:
    """Give all traffic back to the stable release."""
    return _steered(platform, caller, rollout_id, Command.ABORT, why.reason)


@router.post("/rollouts/{rollout_id}/promote", response_model=rollouts.Rollout, **action(Action.OVERRIDE_ROLLOUT))
def promote(rollout_id: str, why: ReasonBody, platform: Shared, caller: Caller) -> rollouts.Rollout:
    """Give the candidate all traffic now, without the evidence that is still missing."""
    return _steered(platform, caller, rollout_id, Command.PROMOTE, why.reason)


@router.post("/rollouts/{rollout_id}/skip", response_model=rollouts.Rollout, **action(Action.OVERRIDE_ROLLOUT))
def skip(rollout_id: str, why: ReasonBody, platform: Shared, caller: Caller) -> rollouts.Rollout:
    """Go to the next step now, without the evidence that this one still lacks."""
    return _steered(platform, caller, rollout_id, Command.SKIP, why.reason)


def _steered(platform: Platform, caller: Caller, rollout_id: str, command: Command, reason: str) -> rollouts.Rollout:
    with platform.database.transaction() as session:
        steering = changes.steer(platform.turn(session), caller, rollout_id, command, reason)
        return rollouts.rollout_of(steering)
