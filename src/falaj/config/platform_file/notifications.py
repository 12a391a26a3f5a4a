"""The part of platform.yaml that says who is told of events."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from falaj.config.errors import nearest
from falaj.config.fields import SecretName, Strict, problem, text_like
from falaj.config.notifications import NotificationSpec
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


class Notification(Strict):
    """A system that is told of events, as CloudEvents by webhook."""

    url: WebhookUrl = Field(description="Where events are posted; `http` only with `allow_private`.")
    events: list[EventPattern] = Field(
        min_length=1, max_length=50, description=f"Kinds of events; families are {', '.join(FAMILIES)}."
    )
    secret: SecretName = Field(
        description="Name of the secret that signs; `falaj platform secret set NAME` keeps its value."
    )
    allow_private: bool = Field(
        default=False, description="The receiver may be on this machine or in a private network."
    )

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        parts = urlsplit(self.url)
        if self.allow_private:
            return self
        if parts.scheme != "https":
            raise problem("the address is not https", "https, or `allow_private: true` for one in your own network")
        if _is_private(parts.hostname or ""):
            raise problem("the address is not a public one", "a public name, or `allow_private: true` if it is meant")
        return self

    def to_spec(self) -> NotificationSpec:
        """The subscriber as other rooms consume it."""
        return NotificationSpec(self.url, tuple(dict.fromkeys(self.events)), self.secret, self.allow_private)


def _is_private(host: str) -> bool:
    """Whether it can be seen already; a name is looked up each time that something is sent."""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
