"""Systems that are told of events."""

from __future__ import annotations

from urllib.parse import quote

from falaj.schemas.notifications import Subscriber
from falaj.sdk.http import Transport

_PREFIX = "/api/v1/notifications"


class NotificationCalls:
    """The calls about notifications.

    Args:
        transport: How the server is reached.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self) -> list[Subscriber]:
        """The subscribers, with what they took and what was given up."""
        return self._transport.whole(Subscriber, _PREFIX)

    def resend(self, subscriber: str, event: int | None = None) -> int:
        """Send again what was given up, or one event of it; return how many events that are."""
        path = f"{_PREFIX}/{quote(subscriber, safe='')}/resend"
        return int(self._transport.json("POST", path, {"event": event})["count"])
