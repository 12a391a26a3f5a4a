"""Who is told of which events, as the platform file says it; only the standard library is imported here."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

SubscriberKind = Literal["webhook", "slack", "teams", "email"]
MailTls = Literal["tls", "starttls", "off"]


@dataclass(frozen=True)
class MailSpec:
    """The mail server by which a subscriber is written to.

    Attributes:
        host: Of the mail server.
        port: Where it takes mail.
        tls: `starttls` on a plain port, `tls` from the first byte, or `off`.
        sender: Address that mails come from.
        recipients: Addresses that they go to.
        user: Name to log in with; empty where the server asks for none.
    """

    host: str
    port: int
    tls: MailTls
    sender: str
    recipients: tuple[str, ...]
    user: str = ""


@dataclass(frozen=True)
class NotificationSpec:
    """A system or people that are told of events.

    Attributes:
        url: Where events are posted; empty where the secret is the address, and for mail.
        events: Patterns of kinds: `change.*` for all of a family, `change.admitted` for one.
        secret: Name of the platform's secret: what signs a webhook, the address of a channel, the password of a mail
            server; empty for a mail server that asks for none.
        allow_private: The address may be on this machine or in a private network.
        kind: What is told, and hence what an event becomes.
        mail: How mails are sent; None for what is none.
    """

    url: str
    events: tuple[str, ...]
    secret: str
    allow_private: bool = False
    kind: SubscriberKind = "webhook"
    mail: MailSpec | None = None

    @property
    def name(self) -> str:
        """What it is called where people read it: its address, or what leads to it."""
        if self.mail is not None:
            return f"email {', '.join(self.mail.recipients)}"
        return self.url or f"{self.kind} {self.secret}"

    @property
    def id(self) -> str:
        """The subscriber's id: the same for as long as its address is."""
        return hashlib.sha256(self.name.encode()).hexdigest()[:12]

    def wants(self, kind: str) -> bool:
        """Whether it is told of events of this kind."""
        return kind in self.events or f"{kind.partition('.')[0]}.*" in self.events
