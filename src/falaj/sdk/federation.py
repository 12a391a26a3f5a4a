"""The identity provider, and security keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from falaj.schemas import api, federation
from falaj.schemas.identity import LoggedIn
from falaj.sdk.http import Transport

_AUTH = "/api/v1/auth"


class FederationCalls:
    """The calls of a login by an identity provider, and those about one's own security keys.

    Args:
        transport: How the server is reached.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def provider(self) -> federation.IdentityProvider:
        """Who vouches for people, and where a browser begins a login."""
        return api.decode(federation.IdentityProvider, self._transport.json("GET", f"{_AUTH}/oidc"))

    def redeem(self, code: str, verifier: str) -> LoggedIn:
        """Fetch the session of a login.

        Args:
            code: One-time code that the browser brought back.
            verifier: What the login was begun with.
        """
        payload = {"code": code, "verifier": verifier}
        return api.decode(LoggedIn, self._transport.json("POST", f"{_AUTH}/oidc/redeem", payload))

    def security_keys(self) -> list[federation.SecurityKey]:
        """One's own security keys."""
        return self._transport.list(federation.SecurityKey, f"{_AUTH}/security-keys")

    def key_page(self) -> str:
        """Where a browser asks for a security key."""
        return api.decode(federation.KeyPage, self._transport.json("GET", f"{_AUTH}/security-keys/page")).url

    def begin_registration(self) -> dict[str, Any]:
        """Begin to register a security key; what `navigator.credentials.create` needs."""
        options: dict[str, Any] = self._transport.json("POST", f"{_AUTH}/security-keys/begin")
        return options

    def register_key(self, label: str, response: Mapping[str, Any]) -> federation.SecurityKey:
        """Register the security key that answered."""
        payload = {"label": label, "response": dict(response)}
        return api.decode(federation.SecurityKey, self._transport.json("POST", f"{_AUTH}/security-keys", payload))

    def remove_key(self, key: str) -> None:
        """Forget one of one's own security keys."""
        self._transport.json("DELETE", f"{_AUTH}/security-keys/{quote(key, safe='')}")

    def begin_step_up(self, statement: str) -> dict[str, Any]:
        """Begin a proof for one statement; what `navigator.credentials.get` needs.

        Args:
            statement: SHA-256 in hex of the canonical statement that will be signed.
        """
        path = f"{_AUTH}/step-up/security-key/begin"
        options: dict[str, Any] = self._transport.json("POST", path, {"statement": statement})
        return options

    def finish_step_up(self, response: Mapping[str, Any]) -> federation.AssertedStepUp:
        """Hand over the security key's proof."""
        answer = self._transport.json("POST", f"{_AUTH}/step-up/security-key", {"response": dict(response)})
        return api.decode(federation.AssertedStepUp, answer)
