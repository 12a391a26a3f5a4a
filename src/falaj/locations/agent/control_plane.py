"""The server as the agent sees it: what to serve, and where to report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import httpx

from falaj.locations.desired import DesiredState, EndpointStatus
from falaj.locations.errors import LocationError

_POLL_TIMEOUT_S = 30.0  # the server answers a long poll after 20 s


class ControlPlane:
    """Talks to the server's API over HTTP.

    Args:
        url: Base URL of the server.
        token: Bearer token.
        location: Name of the location.
    """

    def __init__(self, url: str, token: str, location: str) -> None:
        self._location = location
        # Proxies of the environment are not for the control plane, which is usually on this machine.
        self.http = httpx.Client(
            base_url=url, headers={"authorization": f"Bearer {token}"}, timeout=_POLL_TIMEOUT_S, trust_env=False
        )

    def desired(self, after: int) -> DesiredState:
        """What to serve; waits for something newer than version `after`, at most about 20 s.

        Raises:
            LocationError: The server cannot be reached or refuses.
            DesiredStateError: The answer is not a desired state.
        """
        return DesiredState.from_json(self._json("GET", "desired", params={"after": after}))

    def report(self, version: int, statuses: Sequence[EndpointStatus], pid: int) -> None:
        """Say how the endpoints are doing.

        Raises:
            LocationError: The server cannot be reached or refuses.
        """
        body = {"version": version, "endpoints": [status.to_json() for status in statuses], "pid": pid}
        self._json("PUT", "status", json=body)

    def consistency(self, first: int, second: int) -> list[str]:
        """The proof that the audit log of size `second` continues the one of size `first`: hashes in hex.

        Raises:
            LocationError: The server cannot be reached or refuses.
        """
        return list(self._json("GET", "log/consistency", params={"first": first, "second": second})["proof"])

    def close(self) -> None:
        """Close the connections, which ends a waiting poll."""
        self.http.close()

    def _json(self, method: str, what: str, **options: Any) -> Any:
        try:
            answer = self.http.request(method, f"/api/v1/locations/{self._location}/{what}", **options)
        except (httpx.HTTPError, RuntimeError) as error:  # RuntimeError: closed by another thread
            raise LocationError(f"the server does not answer: {error}", where=str(self.http.base_url)) from error
        if answer.is_error:
            raise LocationError(f"the server answered {answer.status_code}: {answer.text[:200]}", where=what)
        try:
            return answer.json() if answer.content else None
        except json.JSONDecodeError as error:
            raise LocationError("the server's answer is not JSON", where=what) from error
