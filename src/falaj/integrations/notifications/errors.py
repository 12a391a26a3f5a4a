"""What goes wrong between Falaj and a system that is told of events.

UnavailableError  └── UndeliveredError          notifications.undelivered
                      └── NobodyAnsweredError   notifications.no-answer
NotFoundError     └── UnknownSubscriberError    notifications.unknown
"""

from __future__ import annotations

from falaj.core.errors import NotFoundError, UnavailableError


class UndeliveredError(UnavailableError):
    """The subscriber did not take an event; it is sent again."""

    code = "notifications.undelivered"


class NobodyAnsweredError(UndeliveredError):
    """Nothing answered at the subscriber's address in time."""

    code = "notifications.no-answer"


class UnknownSubscriberError(NotFoundError):
    """Nothing was ever sent to a subscriber of that id."""

    code = "notifications.unknown"
