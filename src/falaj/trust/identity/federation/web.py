"""Asking an identity provider: short answers, no redirects, a time limit, no addresses but those that may be asked."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

import httpx

from falaj.core.egress import (
    OWN_MACHINE,
    EgressRules,
    ForbiddenAddressError,
    Resolver,
    destination,
    is_proxied,
    resolve,
)
from falaj.trust.identity.federation.addresses import endpoint
from falaj.trust.identity.federation.errors import ProviderError

_MAX_BYTES = 512 * 1024


@dataclass(frozen=True)
class WebResponse:
    """What a provider said.

    Args:
        status: HTTP status.
        document: The JSON object; empty when it was none.
    """

    status: int
    document: Mapping[str, Any]


@dataclass(frozen=True)
class Web:
    """The way to a provider.

    Args:
        timeout_s: For the whole of an answer.
        rules: Where a provider may be.
        resolver: Finds addresses.
    """

    timeout_s: float = 10.0
    rules: EgressRules = OWN_MACHINE
    resolver: Resolver = resolve

    def get(self, address: str, what: str) -> Mapping[str, Any]:
        """Fetch a JSON object.

        Raises:
            ProviderError: Nothing answers, or not with an object.
        """
        answer = self._ask("GET", address, what)
        if answer.status != 200 or not answer.document:
            raise ProviderError(f"the provider's {what} answered {answer.status} and no document")
        return answer.document

    def post(self, address: str, what: str, form: Mapping[str, str], basic: tuple[str, str] | None) -> WebResponse:
        """Send a form; the caller judges the status.

        Raises:
            ProviderError: Nothing answers.
        """
        return self._ask("POST", address, what, data=dict(form), auth=basic)

    def _ask(self, method: str, address: str, what: str, **content: Any) -> WebResponse:
        parts = urlsplit(endpoint(address, what))
        deadline = time.monotonic() + self.timeout_s
        try:
            if parts.scheme == "https" and is_proxied(address):  # proxies are not for this machine's own
                return self._send(method, address, "", parts.netloc, deadline, **content)
            target = destination(address, self.rules, self.resolver)
            return self._send_to_first(method, parts, target.addresses, deadline, **content)
        except ForbiddenAddressError as error:
            raise ProviderError(f"the provider's {what}: {error.message}", hint=error.hint) from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise ProviderError(f"the provider's {what} does not answer: {type(error).__name__}") from error

    def _send_to_first(
        self, method: str, parts: SplitResult, addresses: Sequence[str], deadline: float, **content: Any
    ) -> WebResponse:
        """Send to the first of the judged addresses that takes a connection; the name is not looked up again."""
        failure: httpx.HTTPError = httpx.ConnectError("there is no address")
        for each in addresses:
            try:
                return self._send(method, _at(parts, each), parts.hostname or "", parts.netloc, deadline, **content)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error
        raise failure

    def _send(self, method: str, url: str, name: str, host: str, deadline: float, **content: Any) -> WebResponse:
        """Send to a URL; with a name, its host is an address, and TLS proves the name."""
        headers = {"Accept": "application/json", "Host": host}
        named = {"sni_hostname": name} if name else {}
        with (
            httpx.Client(
                timeout=self.timeout_s, trust_env=not name, verify=httpx.create_ssl_context(), follow_redirects=False
            ) as client,
            client.stream(method, url, headers=headers, extensions=named, **content) as response,
        ):
            return WebResponse(response.status_code, _object(_read(response, deadline)))


def _at(parts: SplitResult, address: str) -> str:
    """The URL with an address in place of its host."""
    host = f"[{address}]" if ":" in address else address
    return parts._replace(netloc=host if parts.port is None else f"{host}:{parts.port}").geturl()


def _read(response: httpx.Response, deadline: float) -> bytes:
    content = b""
    for part in response.iter_bytes():
        content += part
        if len(content) > _MAX_BYTES or time.monotonic() > deadline:
            raise ProviderError("the provider's answer is too long, or takes too long")
    return content


def _object(content: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
