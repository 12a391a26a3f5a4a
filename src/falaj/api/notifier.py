"""Tells other systems of events: offers what happened to subscribers, and brings it to each in a lane of its own."""

from __future__ import annotations

import logging
import threading

from sqlalchemy.orm import Session

from falaj.api.platform import Platform
from falaj.core.errors import FalajError
from falaj.integrations import notifications
from falaj.storage.durable import Outbox, looks
from falaj.trust import settings
from falaj.trust.secrets import platform_secret

logger = logging.getLogger(__name__)


class Notifier:
    """A thread that offers events, and one for each subscriber that something is on its way to.

    They are none of the controller's: a receiver that answers slowly keeps neither rollouts nor others waiting.

    Args:
        platform: The installation.
        postman: Brings the bytes.
    """

    def __init__(self, platform: Platform, postman: notifications.SsrfSafeClient | None = None) -> None:
        self._platform = platform
        self._courier = notifications.Courier(
            platform.database,
            platform.home.public_url,
            self._find,
            platform.now,
            postman or notifications.SsrfSafeClient(),
        )
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="notifier", daemon=True)
        self._lanes: dict[str, threading.Thread] = {}

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; what is on its way is cut off and sent again by whoever starts next."""
        self._stopping.set()
        self._thread.join(timeout=10)
        for lane in self._lanes.values():
            lane.join(timeout=1)

    def turn(self) -> int:
        """Offer what happened; return how many events were looked at."""
        with self._platform.database.reading() as session:
            if not notifications.unannounced(session):
                return 0
        with self._platform.database.transaction() as session:
            return notifications.announce(session, settings.current(session).notifications, self._platform.now())

    def deliver(self, subscriber: str) -> int:
        """Bring a subscriber all that is due; return how much it took or was given up."""
        handlers = {notifications.effect_of(subscriber): self._courier.deliver}
        return Outbox(self._platform.database, handlers).run_due(self._platform.now())

    def _run(self) -> None:
        for _ in looks(self._platform.database, self._stopping):
            self._look()

    def _look(self) -> None:
        try:
            while self.turn() and not self._stopping.is_set():
                pass
            self._open_lanes()
        except FalajError as error:
            logger.warning("notifier", extra={"error": str(error)})
        except Exception:  # the loop outlives whatever one turn meets; the rows are still there for the next
            logger.exception("notifier failed on a turn")

    def _open_lanes(self) -> None:
        with self._platform.database.reading() as session:
            waiting = notifications.waiting(session)
        for subscriber in waiting:
            lane = self._lanes.get(subscriber)
            if lane is None or not lane.is_alive():
                lane = threading.Thread(target=self._lane, args=(subscriber,), name="notifications", daemon=True)
                self._lanes[subscriber] = lane
                lane.start()

    def _lane(self, subscriber: str) -> None:
        try:
            self.deliver(subscriber)
        except Exception:  # such as a database that is away: the rows are still there for the next lane
            logger.exception("notifications stopped", extra={"subscriber": subscriber})

    def _find(self, session: Session, subscriber: str) -> notifications.Subscription | None:
        subscription_spec = {each.id: each for each in settings.current(session).notifications}.get(subscriber)
        if subscription_spec is None:
            return None
        name = subscription_spec.secret
        secret = platform_secret(session, self._platform.vault, name) if name else None
        return notifications.Subscription(subscription_spec, secret)
