"""Who is told of which events, as the platform file says it; only the standard library is imported here."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True)
class NotificationSpec:
    """A system that is told of events by webhook.

    Attributes:
        url: Where they are posted.
        events: Patterns of kinds: `change.*` for all of a family, `change.admitted` for one.
        secret: Name of the platform's secret that signs them.
        allow_private: The address may be on this machine or in a private network.
    """

    url: str
    events: tuple[str, ...]
    secret: str
    allow_private: bool = False

    @property
    def id(self) -> str:
        """The subscriber's id: the same for as long as its address is."""
        return hashlib.sha256(self.url.encode()).hexdigest()[:12]

    def wants(self, kind: str) -> bool:
        """Whether it is told of events of this kind."""
        return kind in self.events or f"{kind.partition('.')[0]}.*" in self.events
