"""One identity provider: what it says about itself, and the exchange of a code for a person."""

from __future__ import annotations

import hmac
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from falaj.trust.identity.federation import claims, tokens
from falaj.trust.identity.federation.addresses import endpoint
from falaj.trust.identity.federation.claims import Expected, Person
from falaj.trust.identity.federation.errors import FederatedLoginError, ProviderError
from falaj.trust.identity.federation.web import Web

_KEEP_S = 3600.0
_SCOPES = "openid profile email"
_FRESH_S = "300"


@dataclass(frozen=True)
class ProviderSettings:
    """The provider, as the platform's team configured it.

    Args:
        issuer: Exactly as its tokens say it.
        client_id: The platform, as the provider knows it.
        group_claim: The claim that lists a person's groups.
        secret: The platform's own at the provider; empty for a public client, which PKCE alone protects.
    """

    issuer: str
    client_id: str
    group_claim: str = "groups"
    secret: str = ""


@dataclass(frozen=True)
class Metadata:
    """What a provider says about itself (OpenID Connect Discovery 1.0).

    Args:
        authorization: Where people prove who they are.
        token: Where a code is exchanged.
        keys: Where its public keys are.
        secret_in_form: It takes the platform's secret in the form, and not in a header.
        takes_claims: It understands requests for single claims.
        names_itself: Its answers must say their issuer (RFC 9207).
    """

    authorization: str
    token: str
    keys: str
    secret_in_form: bool = False
    takes_claims: bool = False
    names_itself: bool = False


@dataclass(frozen=True)
class Attempt:
    """One login at the provider.

    Args:
        state: Secret of the browser's way there and back.
        nonce: What the token must repeat.
        verifier: PKCE verifier, which the platform alone knows.
        callback: Where the provider sends the browser back to.
    """

    state: str
    nonce: str
    verifier: str
    callback: str


class Provider:
    """A provider, with what it said kept for an hour.

    Args:
        settings: As configured.
        web: The way to it.
    """

    def __init__(self, settings: ProviderSettings, web: Web) -> None:
        self.settings = settings
        self._web = web
        self._lock = threading.Lock()
        self._metadata: tuple[float, Metadata] | None = None
        self._keys = tokens.KeyCache(self._fetch_keys)

    def metadata(self, now: float) -> Metadata:
        """Return what the provider says about itself.

        Raises:
            ProviderError: It does not answer, or is another one than was configured.
        """
        with self._lock:
            if self._metadata is None or not 0 <= now - self._metadata[0] < _KEEP_S:
                address = f"{self.settings.issuer.rstrip('/')}/.well-known/openid-configuration"
                document = self._web.get(endpoint(address, "issuer"), "configuration")
                self._metadata = now, read_metadata(document, self.settings.issuer)
            return self._metadata[1]

    def login_address(self, attempt: Attempt, challenge: str, now: float) -> str:
        """Return where the browser goes to prove who its person is, freshly.

        Args:
            attempt: The login.
            challenge: S256 of the attempt's verifier.
            now: Unix seconds.
        """
        provider_metadata = self.metadata(now)
        query_values = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": attempt.callback,
            "scope": _SCOPES,
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            "prompt": "login",
            "max_age": _FRESH_S,  # with it a provider must say when the person proved it
        }
        if provider_metadata.takes_claims:
            query_values["claims"] = _claims_wanted(self.settings.group_claim)
        return (
            f"{provider_metadata.authorization}{'&' if '?' in provider_metadata.authorization else '?'}"
            f"{urlencode(query_values)}"
        )

    def person(self, code: str, attempt: Attempt, issuer: str | None, now: float) -> Person:
        """Exchange a code; return whom the provider vouches for.

        Args:
            code: What the provider's redirect carried.
            attempt: The login that it belongs to.
            issuer: What the redirect said of its issuer; None for nothing.
            now: Unix seconds.

        Raises:
            FederatedLoginError: The code or the token does not hold.
            ProviderError: The provider does not answer.
        """
        provider_metadata = self.metadata(now)
        if (issuer is not None or provider_metadata.names_itself) and issuer != self.settings.issuer:
            raise claims.refused("the answer is of another issuer")
        token = self._exchange(provider_metadata, code, attempt)
        token_claims = tokens.verify(token, self._keys, now)
        claims.check(token_claims, Expected(self.settings.issuer, self.settings.client_id, attempt.nonce), now)
        return claims.person_of(token_claims, self.settings.group_claim)

    def _exchange(self, provider_metadata: Metadata, code: str, attempt: Attempt) -> object:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": attempt.callback,
            "code_verifier": attempt.verifier,
        }
        own = {"client_id": self.settings.client_id}
        basic = None
        if not self.settings.secret:
            form |= own
        elif provider_metadata.secret_in_form:
            form |= own | {"client_secret": self.settings.secret}
        else:  # RFC 6749, section 2.3.1: both are form-encoded first
            basic = quote(self.settings.client_id, safe=""), quote(self.settings.secret, safe="")
        answer = self._web.post(provider_metadata.token, "token endpoint", form, basic)
        if answer.status >= 500:
            raise ProviderError(f"the provider's token endpoint answered {answer.status}")
        if answer.status != 200:
            raise FederatedLoginError("the provider does not take the code of this login", code="federation.code")
        return answer.document.get("id_token")

    def _fetch_keys(self) -> Mapping[str, Any]:
        if self._metadata is None:  # keys are asked for after the description alone
            raise ProviderError("the provider has not described itself")
        return self._web.get(self._metadata[1].keys, "keys")


def published_keys(issuer: str, web: Web) -> Mapping[str, Any]:
    """Fetch the public keys that an issuer signs its tokens with (RFC 7517).

    Args:
        issuer: As the platform's team named it.
        web: The way to it.

    Raises:
        ProviderError: It does not answer, says that it is another issuer, or has no key that counts.
    """
    address = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    document = web.get(endpoint(address, "issuer"), "configuration")
    if document.get("issuer") != issuer:
        raise ProviderError("the provider says that it is another issuer", hint="identity.callers of platform.yaml")
    keys = tokens.usable(web.get(endpoint(document.get("jwks_uri"), "keys"), "keys"))
    if not keys:
        raise ProviderError("the provider publishes no key that tokens can be verified by")
    return {"keys": [dict(key) for key in keys]}


def read_metadata(document: Mapping[str, Any], issuer: str) -> Metadata:
    """Read a provider's description of itself.

    Args:
        document: The description.
        issuer: Whom it must be of, exactly.

    Raises:
        ProviderError: It is of another, or lacks what a login needs.
    """
    document_issuer = document.get("issuer")
    if not isinstance(document_issuer, str) or not hmac.compare_digest(document_issuer.encode(), issuer.encode()):
        raise ProviderError("the provider says that it is another issuer", hint="identity.oidc.issuer of platform.yaml")
    if "S256" not in _list(document, "code_challenge_methods_supported", ["S256"]):
        raise ProviderError("the provider does not bind codes to whom they were asked by (PKCE with S256)")
    methods = _list(document, "token_endpoint_auth_methods_supported", ["client_secret_basic"])
    return Metadata(
        endpoint(document.get("authorization_endpoint"), "authorization endpoint"),
        endpoint(document.get("token_endpoint"), "token endpoint"),
        endpoint(document.get("jwks_uri"), "keys"),
        secret_in_form="client_secret_basic" not in methods,
        takes_claims=document.get("claims_parameter_supported") is True,
        names_itself=document.get("authorization_response_iss_parameter_supported") is True,
    )


def _list(document: Mapping[str, Any], name: str, default: list[str]) -> list[Any]:
    value = document.get(name, default)
    return value if isinstance(value, list) else []


def _claims_wanted(group_claim: str) -> str:
    """Claims that some providers put into the ID token only when asked for them (OpenID Connect Core, 5.5)."""
    names = ("email", "email_verified", "preferred_username", group_claim)
    return json.dumps({"id_token": dict.fromkeys(names)}, separators=(",", ":"))
