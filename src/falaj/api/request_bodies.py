"""Bodies of requests that several routers share."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

Reason = Annotated[str, StringConstraints(max_length=2_000)]


class ReasonBody(BaseModel):
    """Why a person decides so."""

    model_config = ConfigDict(extra="forbid")
    reason: Reason = ""


class RequiredReasonBody(BaseModel):
    """Why a person decides so, which must be said; without personal data, since it is logged."""

    model_config = ConfigDict(extra="forbid")
    reason: Annotated[Reason, StringConstraints(min_length=1)]
