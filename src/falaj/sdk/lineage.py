"""Lineage and the stories of endpoints."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from falaj.schemas import api
from falaj.schemas.lineage import LineageWalk, Why
from falaj.sdk.http import Transport

_PREFIX = "/api/v1"


class LineageCalls:
    """The calls about lineage.

    Args:
        transport: How the server is reached.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def walk(self, node: str, *, down: bool = False, limit: int | None = None) -> LineageWalk:
        """The edges from a node to where it came from, or with `down` to what it reached; nearest first."""
        query = {"node": node, "direction": "down" if down else "up", "limit": limit}
        return api.decode(LineageWalk, self._transport.json("GET", f"{_PREFIX}/lineage", query=query))

    def open_lineage(self, run: str) -> list[dict[str, Any]]:
        """The OpenLineage events of a run."""
        documents: list[dict[str, Any]] = self._transport.json(
            "GET", f"{_PREFIX}/runs/{quote(run, safe='')}/openlineage"
        )
        return documents

    def why(self, environment: str, model: str, at: float | None = None) -> list[Why]:
        """Why an endpoint serves what it serves, or served at a moment (unix seconds)."""
        path = f"{_PREFIX}/why/{quote(environment, safe='')}/{quote(model, safe='')}"
        return self._transport.whole(Why, path, {"at": at})
