"""The policies in force, and what they say of the caller."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from falaj.api.authorization import Caller
from falaj.api.platform import Shared
from falaj.api.route_actions import Action, action
from falaj.core.principal import Principal
from falaj.schemas import policy as documents
from falaj.schemas import states
from falaj.trust import policy
from falaj.trust.policy import Resource

router = APIRouter(prefix="/api/v1/policy", tags=["policy"])


class Question(BaseModel):
    """May I do this, in this project and environment?"""

    model_config = ConfigDict(extra="forbid")
    action: Action
    project: str | None = None
    environment: str | None = None

    @property
    def resource(self) -> Resource:
        """What the question is about."""
        kind, name = next(
            ((kind, name) for kind, name in (("project", self.project), ("environment", self.environment)) if name),
            ("tenant", "default"),
        )
        return Resource(kind, name, project=self.project, environment=self.environment)


class Questions(BaseModel):
    """What a page with several buttons asks at once."""

    model_config = ConfigDict(extra="forbid")
    questions: Annotated[list[Question], Field(max_length=100)]


@router.get(
    "/rules", response_model=list[documents.PolicyRule],
    **action(Action.READ, refined=True, bounded="one a rule of the platform and of the platform file"),
)  # fmt: skip
def rules(platform: Shared) -> list[documents.PolicyRule]:
    """Every policy in force: those of the platform, then those of the organisation."""
    with platform.database.reading() as session:
        policy_rules = policy.effective_policies(session).rules.values()
    return [
        documents.PolicyRule(
            each.id, cast("states.PolicyEffect", each.effect), each.explanation, each.source, each.text
        )
        for each in policy_rules
    ]


@router.post("/ask", response_model=documents.PolicyAnswer, **action(Action.READ, refined=True))
def ask(question: Question, platform: Shared, caller: Caller) -> documents.PolicyAnswer:
    """Whether the caller may do something, and why; nothing is done and nothing is written down.

    Decisions about a change depend on the change as well: `falaj change show` shows those.
    """
    with platform.database.reading() as session:
        return _answer(session, caller, question, platform.now())


@router.post(
    "/questions", response_model=list[documents.PolicyAnswer],
    **action(Action.READ, refined=True, bounded="one a question, 100 at most"),
)  # fmt: skip
def ask_all(body: Questions, platform: Shared, caller: Caller) -> list[documents.PolicyAnswer]:
    """Whether the caller may do each of several things, as of one moment, in the order of the questions."""
    now = platform.now()
    with platform.database.reading() as session:
        return [_answer(session, caller, question, now) for question in body.questions]


def _answer(session: Session, caller: Principal, question: Question, now: float) -> documents.PolicyAnswer:
    resource = question.resource
    decision = policy.decide(session, caller, question.action, resource, {"now": now})
    granted = policy.bindings_of(session, caller)
    roles = sorted({each.role.value for each in granted if each.covers(question.action, resource)})
    return documents.PolicyAnswer(
        caller.id, question.action, str(resource), decision.allowed, decision.reason, list(decision.policy_ids), roles
    )
