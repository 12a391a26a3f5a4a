"""Notifications: other systems and people are told of changes, rollouts, releases and alerts.

Systems get signed CloudEvents by webhook; channels of Slack and Teams, and people by mail, a message.

Each event that may leave is remembered in its own transaction (`storage.notification_tables`), offered once to the
subscribers of the settings in force (`announce`), and delivered through the outbox by a `Courier`, at least once and
under the same id. Receivers are chosen by people,
so the `SsrfSafeClient` trusts neither their addresses nor their answers.
"""

from falaj.integrations.notifications.cloud_event import CONTENT_TYPE, Happened, encode
from falaj.integrations.notifications.delivery import MOST_ATTEMPTS, Courier, Subscription
from falaj.integrations.notifications.delivery_log import announce, effect_of, resend, unannounced, waiting
from falaj.integrations.notifications.errors import NobodyAnsweredError, UndeliveredError, UnknownSubscriberError
from falaj.integrations.notifications.overview import overview
from falaj.integrations.notifications.safe_http import SsrfSafeClient
from falaj.integrations.notifications.signature import REPLAY_WINDOW_S, sign

__all__ = [
    "CONTENT_TYPE",
    "MOST_ATTEMPTS",
    "REPLAY_WINDOW_S",
    "Courier",
    "Happened",
    "NobodyAnsweredError",
    "SsrfSafeClient",
    "Subscription",
    "UndeliveredError",
    "UnknownSubscriberError",
    "announce",
    "effect_of",
    "encode",
    "overview",
    "resend",
    "sign",
    "unannounced",
    "waiting",
]
