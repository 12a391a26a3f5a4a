"""Delivers one event to one subscriber, and writes down what became of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from falaj.config.notifications import NotificationSpec
from falaj.core.errors import FalajError
from falaj.integrations.notifications import delivery_log
from falaj.integrations.notifications.cloud_event import CONTENT_TYPE, Happened, encode
from falaj.integrations.notifications.errors import NobodyAnsweredError, UndeliveredError
from falaj.integrations.notifications.mail import MailClient
from falaj.integrations.notifications.message import CONTENT_TYPE as JSON
from falaj.integrations.notifications.message import message_of, to_mail, to_slack, to_teams
from falaj.integrations.notifications.safe_http import SsrfSafeClient
from falaj.integrations.notifications.signature import sign
from falaj.storage import Database
from falaj.storage.notification_tables import NotificationRow

MOST_ATTEMPTS = 20
"""With the outbox's backoff, the last attempt is about an hour after the first."""
_AWAY_S = 30.0


@dataclass(frozen=True)
class Subscription:
    """What the courier must know of a subscriber.

    Args:
        spec: From the settings in force.
        secret: What signs; None when it is not set.
    """

    spec: NotificationSpec
    secret: str | None = field(repr=False)


@dataclass(frozen=True)
class Courier:
    """The handler of the outbox's effects.

    Args:
        database: Where events and their fate are kept.
        source: URI of the installation, as CloudEvents name it.
        find: The subscription of a subscriber's id; None when the platform file does not name it any more.
        now: Unix seconds.
        postman: Brings the bytes.
        mailman: Brings mails.
    """

    database: Database
    source: str
    find: Callable[[Session, str], Subscription | None]
    now: Callable[[], float]
    postman: SsrfSafeClient = field(default_factory=SsrfSafeClient)
    mailman: MailClient = field(default_factory=MailClient)
    _away_until: dict[str, float] = field(default_factory=dict)

    def deliver(self, message: Mapping[str, Any]) -> None:
        """Send an event that is still waiting; given up for good after `MOST_ATTEMPTS`.

        Raises:
            FalajError: It did not arrive, and is to be sent again.
        """
        event_id, subscriber = message["event"], message["subscriber"]
        with self.database.reading() as session:
            row = session.get(NotificationRow, (event_id, subscriber))
            if row is None or row.state != delivery_log.WAITING:
                return
            event, subscription, attempts = (
                delivery_log.happened(session, event_id),
                self.find(session, subscriber),
                row.attempts,
            )
        if subscription is None:
            self._settle(event_id, subscriber, delivery_log.WITHDRAWN, "it is not in the platform file any more")
            return
        try:
            self._send(subscription, event)
        except FalajError as error:
            last = attempts + 1 >= MOST_ATTEMPTS
            self._settle(event_id, subscriber, delivery_log.FAILED if last else delivery_log.WAITING, str(error))
            if not last:
                raise
        else:
            self._settle(event_id, subscriber, delivery_log.DELIVERED, "")

    def _send(self, subscription: Subscription, event: Happened) -> None:
        spec = subscription.spec
        if subscription.secret is None and spec.secret:
            raise UndeliveredError(
                f"the secret {spec.secret} is not set", hint=f"falaj platform secret set {spec.secret}"
            )
        if self.now() < self._away_until.get(spec.id, 0.0):
            raise NobodyAnsweredError("no answer a moment ago")
        try:
            self._bring(spec, subscription.secret or "", event)
        except NobodyAnsweredError:
            self._away_until[spec.id] = self.now() + _AWAY_S  # what else waits for it does not wait for it to time out
            raise
        self._away_until.pop(spec.id, None)

    def _bring(self, spec: NotificationSpec, secret: str, event: Happened) -> None:
        """Bring an event to a subscriber in the form that its kind takes."""
        if spec.kind == "webhook":
            body = encode(event, self.source)
            headers = {"Content-Type": CONTENT_TYPE, **sign(secret, str(event.id), body, self.now())}
            self.postman.post(spec.url, headers, body, allow_private=spec.allow_private)
            return
        message = message_of(event, self.source)
        if spec.mail is not None:
            mail = to_mail(message, event, spec.mail, self.source)
            self.mailman.send(mail, spec.mail, secret, allow_private=spec.allow_private)
            return
        body = to_slack(message) if spec.kind == "slack" else to_teams(message)
        self.postman.post(_channel(secret, spec), {"Content-Type": JSON}, body, allow_private=spec.allow_private)

    def _settle(self, event_id: int, subscriber: str, state: str, error: str) -> None:
        with self.database.transaction() as session:
            delivery_log.settle(session, event_id, subscriber, state, error, self.now())


def _channel(secret: str, spec: NotificationSpec) -> str:
    """The address of a channel, which is the secret; errors never show it.

    Raises:
        UndeliveredError: It is no https address.
    """
    url = secret.strip()
    is_http = spec.allow_private and url.startswith("http://")
    if not (url.startswith("https://") or is_http) or not url.isascii() or any(char.isspace() for char in url):
        raise UndeliveredError(
            f"the secret {spec.secret} is not the https address of an incoming webhook",
            hint=f"falaj platform secret set {spec.secret}",
        )
    return url
