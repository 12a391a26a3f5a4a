"""The part of platform.yaml that says who is told of events."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from falaj.config.errors import nearest
from falaj.config.fields import NonEmpty, SecretName, Strict, problem, text_like
from falaj.config.notifications import MailSpec, MailTls, NotificationSpec, SubscriberKind
from falaj.config.platform_file.keys_of_kind import KeysOfKind, require_keys_of_kind
from falaj.schemas.notifications import FAMILIES


def _address(url: str) -> str:
    try:
        parts = urlsplit(url)
        whole = bool(parts.hostname) and parts.port != 0
    except ValueError:
        whole = False
    if not whole or parts.username is not None or parts.fragment:
        raise problem("this is not an address that can be posted to", "https://HOST/PATH without a name or password")
    return url


def _pattern(text: str) -> str:
    family = text.partition(".")[0]
    if family not in FAMILIES:
        suggestion = nearest(family, FAMILIES)
        more = {"suggestion": text.replace(family, suggestion, 1)} if suggestion else {}
        raise problem(f"there are no events {text!r}", f"one of {', '.join(f'{each}.*' for each in FAMILIES)}", **more)
    return text


EventPattern = Annotated[
    str,
    text_like(r"^[a-z]+\.(\*|[a-z]+(-[a-z]+)*)$", "a kind such as change.admitted, or change.* for all of them", 60),
    AfterValidator(_pattern),
]
WebhookUrl = Annotated[
    str,
    text_like(r"^https?://[\x21-\x7e]+$", "the https:// address of the receiver", 1000),
    AfterValidator(_address),
]


MailAddress = Annotated[str, text_like(r"^[!-?A-~]+@[A-Za-z0-9.-]+$", "an address such as team@example.org", 254)]
MailHost = Annotated[str, text_like(r"^[A-Za-z0-9.:-]+$", "a name or an address, without a port", 253)]
_OF_KIND: KeysOfKind = {
    "webhook": (("url", "secret"), ()),
    "slack": (("secret",), ()),
    "teams": (("secret",), ()),
    "email": (("to", "sender", "host"), ("port", "tls", "user", "secret")),
}


class Notification(Strict):
    """Who is told of events: a system by webhook, a channel of a chat, people by mail."""

    kind: SubscriberKind = Field(
        default="webhook",
        description="`webhook` for signed CloudEvents, `slack` and `teams` for a channel's incoming webhook, `email`.",
    )
    events: list[EventPattern] = Field(
        min_length=1, max_length=50, description=f"Kinds of events; families are {', '.join(FAMILIES)}."
    )
    secret: SecretName | None = Field(
        default=None,
        description="Name of a secret that `falaj platform secret set NAME` keeps: of `webhook` what signs, of `slack` "
        "and `teams` the address of the channel's incoming webhook, of `email` the password.",
    )
    url: WebhookUrl | None = Field(
        default=None, description="Of `webhook`: where events are posted; `http` only with `allow_private`."
    )
    to: list[MailAddress] | None = Field(
        default=None, min_length=1, max_length=20, description="Of `email`: who is written to."
    )
    sender: MailAddress | None = Field(default=None, alias="from", description="Of `email`: whom mails come from.")
    host: MailHost | None = Field(default=None, description="Of `email`: the mail server.")
    port: Annotated[int, Field(ge=1, le=65_535)] | None = Field(
        default=None, description="Of `email`: where it takes mail; 587 by default."
    )
    tls: MailTls | None = Field(
        default=None,
        description="Of `email`: `starttls` by default, or `tls` from the first byte (port 465); `off` needs "
        "`allow_private`.",
    )
    user: NonEmpty | None = Field(default=None, description="Of `email`: name to log in with; goes with `secret`.")
    allow_private: bool = Field(
        default=False, description="The receiver may be on this machine or in a private network."
    )

    @model_validator(mode="after")
    def _of_kind(self) -> Self:
        require_keys_of_kind(self, "a notification", self.kind, _OF_KIND)
        self._require_reachable(self.url or "")
        self._require_guarded()
        return self

    def _require_reachable(self, url: str) -> None:
        if self.allow_private or not url:
            return
        parts = urlsplit(url)
        if parts.scheme != "https":
            raise problem("the address is not https", "https, or `allow_private: true` for one in your own network")
        if _is_private(parts.hostname or ""):
            raise problem("the address is not a public one", "a public name, or `allow_private: true` if it is meant")

    def _require_guarded(self) -> None:
        if self.kind != "email":
            return
        if (self.user is None) != (self.secret is None):
            raise problem("a name and a password belong together", "both `user` and `secret`, or neither")
        if self.tls == "off" and (self.user is not None or not self.allow_private):
            fix = "`starttls` or `tls`; `off` is for a server in your own network (`allow_private`) without a password"
            raise problem("mails and the password could be read on the way", fix)

    def to_spec(self) -> NotificationSpec:
        """The subscriber as other rooms consume it."""
        events = tuple(dict.fromkeys(self.events))
        return NotificationSpec(self.url or "", events, self.secret or "", self.allow_private, self.kind, self._mail())

    def _mail(self) -> MailSpec | None:
        if self.kind != "email":
            return None
        recipients = tuple(dict.fromkeys(self.to or ()))
        return MailSpec(
            self.host or "", self.port or 587, self.tls or "starttls", self.sender or "", recipients, self.user or ""
        )


def _is_private(host: str) -> bool:
    """Whether it can be seen already; a name is looked up each time that something is sent."""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
