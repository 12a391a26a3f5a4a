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

    def list(self, model: str = "") -> list[RegressionGate]:
        """The newest first, of one model or of all."""
        response = self._transport.json("GET", _PREFIX, query={"model": model or None})
        return [api.decode(RegressionGate, item) for item in response]

    def decide(self, gate_id: str, decision: str, reason: str = "") -> RegressionGate:
        """`accept`, `reject` or `retire` a gate."""
        path = f"{_PREFIX}/{quote(gate_id, safe='')}/decision"
        return api.decode(RegressionGate, self._transport.json("POST", path, {"decision": decision, "reason": reason}))
