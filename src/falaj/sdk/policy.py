"""Permission: the policies in force, and what they say of the caller."""

from __future__ import annotations

from collections.abc import Sequence

from falaj.schemas import api
from falaj.schemas.policy import PolicyAnswer, PolicyRule
from falaj.sdk.http import Transport

_PREFIX = "/api/v1/policy"


class PolicyCalls:
    """The calls about permission.

    Args:
        transport: How the server is reached.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def rules(self) -> list[PolicyRule]:
        """Every policy in force."""
        return self._transport.whole(PolicyRule, f"{_PREFIX}/rules")

    def ask(self, action: str, project: str | None = None, environment: str | None = None) -> PolicyAnswer:
        """Whether the caller may do something, and why.

        Args:
            action: As routes declare it, such as `run`.
            project: Where; None for the whole platform.
            environment: Where; None for every one.
        """
        question = _question(action, project, environment)
        return api.decode(PolicyAnswer, self._transport.json("POST", f"{_PREFIX}/ask", question))

    def ask_all(self, questions: Sequence[tuple[str, str | None, str | None]]) -> list[PolicyAnswer]:
        """Whether the caller may do each of several things: action, project and environment of each, as in `ask`."""
        body = {"questions": [_question(*question) for question in questions]}
        answers = self._transport.json("POST", f"{_PREFIX}/questions", body)
        return [api.decode(PolicyAnswer, item) for item in answers]


def _question(action: str, project: str | None, environment: str | None) -> dict[str, str | None]:
    return {"action": action, "project": project, "environment": environment}
