"""What is told to somebody who holds no role in a project: the same of what belongs to it and of what does not exist.

A handler that is asked by id learns only from the database whose the thing is, and policy refuses by its project. The
words of that refusal, or a plain "there is none", would tell an outsider that it exists, in which project and state.
"""

from __future__ import annotations

from fastapi import Request

from falaj.api.authorization import passed_gate, readable
from falaj.api.platform import Platform
from falaj.api.route_actions import declared
from falaj.core.errors import FalajError, NotFoundError
from falaj.core.principal import Principal
from falaj.trust.policy import ForbiddenError, PolicyDecision, Resource

OF_PROJECTS = frozenset(
    {
        "alert.unknown", "change.unknown", "gate.unknown", "lineage.nothing-served", "model.unknown",
        "prediction.unknown", "project.unknown", "release.unknown", "retraining.model", "rollout.unknown",
        "run.unknown", "scoring.unknown",
    }
)  # fmt: skip
"""Codes of what is not there and would belong to a project if it were."""
_OF_NO_PROJECT = frozenset({"tenant", "location", "environment", "account"})
_REASON = "nothing of that name is in a project where a role is held"


def refusal_for(request: Request, error: FalajError) -> ForbiddenError | None:
    """What is answered in the place of an error to who may not learn from it; None where the error itself is."""
    if not passed_gate(request):  # which refuses what is not there as it refuses what is another's
        return None
    platform: Platform = request.app.state.platform
    principal: Principal = request.state.principal
    projects = readable(platform, principal)
    if projects is None or not _tells_too_much(error, projects):
        return None
    action = declared(request.scope["route"])
    assert action is not None, "the gate lets no route through that declares no action"
    return ForbiddenError(principal, action, Resource("path", request.url.path), PolicyDecision(False, _REASON))


def _tells_too_much(error: FalajError, projects: frozenset[str]) -> bool:
    match error:
        case ForbiddenError(resource=resource):
            return resource.kind not in _OF_NO_PROJECT and resource.project not in projects
        case NotFoundError():
            return error.code in OF_PROJECTS
    return False
