"""What goes wrong between Falaj and a system that is told of events.

UnavailableError  └── UndeliveredError          notifications.undelivered
                      └── NobodyAnsweredError   notifications.no-answer
UsageError        └── ForbiddenAddressError     notifications.address
NotFoundError     └── UnknownSubscriberError    notifications.unknown
"""

from __future__ import annotations

from falaj.errors import NotFoundError, UnavailableError, UsageError


class UndeliveredError(UnavailableError):
    """The subscriber did not take an event; it is sent again."""

    code = "notifications.undelivered"


class NobodyAnsweredError(UndeliveredError):
    """Nothing answered at the subscriber's address in time."""

    code = "notifications.no-answer"


class ForbiddenAddressError(UsageError):
    """The subscriber's name leads to an address where notifications are not sent."""

    code = "notifications.address"


class UnknownSubscriberError(NotFoundError):
    """Nothing was ever sent to a subscriber of that id."""

    code = "notifications.unknown"
