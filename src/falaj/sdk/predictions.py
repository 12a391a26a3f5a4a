"""Predictions as data."""

from __future__ import annotations

from falaj.schemas import api
from falaj.schemas.predictions import ExportPermit
from falaj.sdk.http import Transport


class PredictionCalls:
    """The calls about predictions as data.

    Args:
        transport: How the server is reached.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def permit_export(self, endpoint: str, location: str, since: float, until: float) -> ExportPermit:
        """Ask whether predictions may be exported on the machine of a location (times in unix seconds).

        Raises:
            ProblemError: The caller may not.
        """
        payload = {"endpoint": endpoint, "location": location, "since": since, "until": until}
        return api.decode(ExportPermit, self._transport.json("POST", "/api/v1/predictions/exports", payload))
