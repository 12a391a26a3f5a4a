"""The server as the agent sees it: what to serve, and where to report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from falaj.dataplane.agent.server_errors import ask
from falaj.dataplane.desired_state import DesiredState, EndpointStatus

_POLL_TIMEOUT_S = 30.0  # the server answers a long poll after 20 s


class ControlPlane:
    """Talks to the server's API over HTTP.

    Args:
        http: Client of the server, with what proves who asks.
        location: Name of the location.
    """

    def __init__(self, http: httpx.Client, location: str) -> None:
        self.http = http
        self._location = location

    def desired(self, after: int) -> DesiredState:
        """What to serve; waits for something newer than version `after`, at most about 20 s.

        Raises:
            LocationError: The server cannot be reached or refuses.
            DesiredStateError: The answer is not a desired state.
        """
        return DesiredState.from_json(self._json("GET", "desired", after=after))

    def report(self, version: int, statuses: Sequence[EndpointStatus], pid: int) -> None:
        """Say how the endpoints are doing.

        Raises:
            LocationError: The server cannot be reached or refuses.
        """
        body = {"version": version, "endpoints": [status.to_json() for status in statuses], "pid": pid}
        self._json("PUT", "status", body)

    def profiles(self, report: Mapping[str, Any]) -> None:
        """Tell what was counted of the prediction log.

        Raises:
            LocationError: The server cannot be reached or refuses.
        """
        self._json("PUT", "profiles", report)

    def consistency(self, first: int, second: int) -> list[str]:
        """The proof that the audit log of size `second` continues the one of size `first`: hashes in hex.

        Raises:
            LocationError: The server cannot be reached or refuses.
        """
        return list(self._json("GET", "log/consistency", first=first, second=second)["proof"])

    def door_certificate(self, request: str) -> str:
        """Ask for the certificate that the location's door shows; both are PEM.

        Raises:
            LocationError: The server cannot be reached or refuses.
        """
        return str(self._json("POST", "door-certificate", {"request": request})["certificate"])

    def close(self) -> None:
        """Close the connections, which ends a waiting poll."""
        self.http.close()

    def _json(self, method: str, what: str, body: Any = None, **query: Any) -> Any:
        return ask(self.http, method, f"/api/v1/locations/{self._location}/{what}", body, **query)


def with_token(url: str, token: str) -> httpx.Client:
    """A client for an agent on the machine of the control plane.

    Args:
        url: Base URL of the server.
        token: Bearer token.
    """
    # Proxies of the environment are not for the control plane, which is on this machine.
    headers = {"authorization": f"Bearer {token}"}
    return httpx.Client(base_url=url, headers=headers, timeout=_POLL_TIMEOUT_S, trust_env=False)
