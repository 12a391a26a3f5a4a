"""Trainings: what starts them, and asking for one."""

from __future__ import annotations

from urllib.parse import quote

from falaj.schemas import api
from falaj.schemas.retraining import ModelTriggers, TrainingRequest
from falaj.sdk.http import Transport


class TrainingCalls:
    """The calls about trainings.

    Args:
        transport: How the server is reached.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def triggers(self, model: str = "") -> list[ModelTriggers]:
        """What starts trainings of a model, or of all."""
        return self._transport.list(ModelTriggers, "/api/v1/triggers", {"model": model or None})

    def request(
        self, model: str, reason: str, window: str = "", *, beyond_budget: bool = False, occasion: str = ""
    ) -> TrainingRequest:
        """Ask for a training of a model.

        Args:
            model: To be trained.
            reason: Why; it goes into the evidence of the release.
            window: Rows to learn from, such as `sliding 90d`; by default what the project file says.
            beyond_budget: Whether the budget does not matter, for those who may say so.
            occasion: Asking twice for one occasion is asking once.
        """
        request_body = {
            "reason": reason,
            "window": window,
            "beyond_budget": beyond_budget,
            "occasion": occasion or None,
        }
        path = f"/api/v1/models/{quote(model, safe='')}/trainings"
        return api.decode(TrainingRequest, self._transport.json("POST", path, request_body))

    def resume(self, model: str) -> ModelTriggers:
        """Let trainings start again that failures, or candidates that did not win, have stopped."""
        path = f"/api/v1/models/{quote(model, safe='')}/trainings/resume"
        return api.decode(ModelTriggers, self._transport.json("POST", path))
