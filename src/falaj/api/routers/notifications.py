"""Systems that are told of events: what arrived there, what did not, and sending it again."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from falaj.api.authorization import Caller
from falaj.api.platform import Shared
from falaj.api.route_actions import Action, action
from falaj.integrations.notifications import overview, resend
from falaj.schemas import notifications
from falaj.trust import settings
from falaj.trust.audit import record

router = APIRouter(prefix="/api/v1/notifications", tags=["notifications"])

SubscriberId = Annotated[str, Path(pattern=r"^[0-9a-f]{12}$")]


class ResendRequest(BaseModel):
    """Which event to send again; without one, all that were given up."""

    model_config = ConfigDict(extra="forbid")
    event: Annotated[int, Field(ge=1, lt=2**63)] | None = None


@router.get(
    "", response_model=list[notifications.Subscriber],
    **action(Action.READ, bounded="one a subscriber of the platform file"),
)  # fmt: skip
def list_subscribers(platform: Shared) -> list[notifications.Subscriber]:
    """The subscribers of the platform file, with what they took and what was given up."""
    with platform.database.reading() as session:
        return overview(session, settings.current(session).notifications)


@router.post("/{subscriber}/resend", response_model=notifications.Resent, **action(Action.MANAGE_PLATFORM))
def send_again(subscriber: SubscriberId, body: ResendRequest, platform: Shared, caller: Caller) -> notifications.Resent:
    """Send a subscriber what was given up, under the same ids."""
    now = platform.now()
    with platform.database.transaction() as session:
        count = resend(session, subscriber, body.event, now)
        details = {"count": count, **({} if body.event is None else {"event": body.event})}
        record.write(session, "notification.resent", caller.id, f"notification/{subscriber}", now, details)
    return notifications.Resent(count)
