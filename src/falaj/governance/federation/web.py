"""Asking an identity provider: short answers, no redirects, a time limit, no addresses but those that may be asked."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from falaj.governance.federation.addresses import endpoint, reachable
from falaj.governance.federation.errors import ProviderError

_MAX_BYTES = 512 * 1024


@dataclass(frozen=True)
class Answer:
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
    """

    timeout_s: float = 10.0

    def get(self, address: str, what: str) -> Mapping[str, Any]:
        """Fetch a JSON object.

        Raises:
            ProviderError: Nothing answers, or not with an object.
        """
        answer = self._ask("GET", address, what)
        if answer.status != 200 or not answer.document:
            raise ProviderError(f"the provider's {what} answered {answer.status} and no document")
        return answer.document

    def post(self, address: str, what: str, form: Mapping[str, str], basic: tuple[str, str] | None) -> Answer:
        """Send a form; the caller judges the status.

        Raises:
            ProviderError: Nothing answers.
        """
        return self._ask("POST", address, what, data=dict(form), auth=basic)

    def _ask(self, method: str, address: str, what: str, **content: Any) -> Answer:
        parts = urlsplit(endpoint(address, what))
        deadline = time.monotonic() + self.timeout_s
        headers = {"Accept": "application/json"}
        remote = parts.scheme == "https"  # proxies and authorities of the environment are not for this machine's own
        try:
            reachable(_resolved(parts.hostname or "", parts.port or (443 if remote else 80)), what)
            with (
                httpx.Client(timeout=self.timeout_s, trust_env=remote, follow_redirects=False) as client,
                client.stream(method, address, headers=headers, **content) as response,
            ):
                return Answer(response.status_code, _object(_read(response, deadline)))
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise ProviderError(f"the provider's {what} does not answer: {type(error).__name__}") from error


def _resolved(host: str, port: int) -> list[str]:
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def _read(response: httpx.Response, deadline: float) -> bytes:
    content = b""
    for part in response.iter_bytes():
        content += part
        if len(content) > _MAX_BYTES or time.monotonic() > deadline:
            raise ProviderError("the provider's answer is too long, or takes too long")
    return content


def _object(content: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
