"""Gates that failures left behind."""

from __future__ import annotations

from urllib.parse import quote

from falaj.schemas import api
from falaj.schemas.gates import RegressionGate
from falaj.sdk.http import Transport

_PREFIX = "/api/v1/gates"


class GateCalls:
    """The calls about regression gates.

    Args:
        transport: How the server is reached.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, model: str = "", limit: int | None = None) -> list[RegressionGate]:
        """The newest first, of one model or of all; all gates without a limit."""
        return self._transport.list(RegressionGate, _PREFIX, {"model": model or None}, limit)

    def decide(self, gate_id: str, decision: str, reason: str = "") -> RegressionGate:
        """`accept`, `reject` or `retire` a gate."""
        path = f"{_PREFIX}/{quote(gate_id, safe='')}/decision"
        return api.decode(RegressionGate, self._transport.json("POST", path, {"decision": decision, "reason": reason}))
