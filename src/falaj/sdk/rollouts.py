"""Rollouts: how they are doing, and asking something of them."""

from __future__ import annotations

from urllib.parse import quote

from falaj.schemas import api
from falaj.schemas.rollouts import Rollout
from falaj.sdk.http import Transport

_PREFIX = "/api/v1/rollouts"


class RolloutCalls:
    """The calls about rollouts.

    Args:
        transport: How the server is reached.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, endpoint: str = "", limit: int | None = 50) -> list[Rollout]:
        """The newest first, of one endpoint (`environment/model`) or of all; all rollouts for a limit of None."""
        return self._transport.list(Rollout, _PREFIX, {"endpoint": endpoint or None}, limit)

    def show(self, name: str) -> Rollout:
        """One rollout by its id, or the newest one of an endpoint (`environment/model`)."""
        return api.decode(Rollout, self._transport.json("GET", f"{_PREFIX}/{quote(name, safe='/')}"))

    def ask(self, rollout_id: str, command: str, reason: str = "") -> Rollout:
        """Ask a rollout to `pause`, `resume`, `promote`, `skip` or `abort`."""
        path = f"{_PREFIX}/{quote(rollout_id, safe='')}/{command}"
        return api.decode(Rollout, self._transport.json("POST", path, {"reason": reason}))
