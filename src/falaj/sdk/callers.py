"""Callers of endpoints: adding them, and revoking them."""

from __future__ import annotations

from urllib.parse import quote

from falaj.schemas import api
from falaj.schemas.callers import AddedCaller, EndpointCaller
from falaj.sdk.http import Transport


class CallerCalls:
    """The calls about callers of endpoints.

    Args:
        transport: How the server is reached.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, endpoint: str, limit: int | None = None) -> list[EndpointCaller]:
        """The callers of an endpoint (`environment/model`), the newest first; all of them without a limit."""
        return self._transport.list(EndpointCaller, _path(endpoint), limit=limit)

    def add(self, endpoint: str, name: str, life_s: float, request: str = "") -> AddedCaller:
        """Let somebody ask an endpoint, by a token, or by a certificate where a request for one is given."""
        body = {"name": name, "life_s": life_s, **({"request": request} if request else {})}
        return api.decode(AddedCaller, self._transport.json("POST", _path(endpoint), body))

    def revoke(self, endpoint: str, name: str) -> EndpointCaller:
        """Let a caller ask no more."""
        path = f"{_path(endpoint)}/{quote(name, safe='')}"
        return api.decode(EndpointCaller, self._transport.json("DELETE", path))


def _path(endpoint: str) -> str:
    return f"/api/v1/endpoints/{quote(endpoint, safe='/')}/callers"
