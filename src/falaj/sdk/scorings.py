"""Scoring of files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from falaj.schemas import api
from falaj.schemas.scoring import ScoringPermit, ScoringRecord
from falaj.sdk.http import Transport


class ScoringCalls:
    """The calls about the scoring of files.

    Args:
        transport: How the server is reached.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def permit(self, request: Mapping[str, Any]) -> ScoringPermit:
        """Ask whether a file may be scored on the machine of a location, and by which release.

        Args:
            request: `release`, `environment`, `location`, `input` (a digest), `filename` and, where it is told,
            `label`.

        Raises:
            ProblemError: The caller may not, or nothing is admitted there.
        """
        return api.decode(ScoringPermit, self._transport.json("POST", "/api/v1/scorings", dict(request)))

    def complete(self, scoring: str, output: str, rows: int) -> ScoringRecord:
        """Tell what came of a scoring.

        Raises:
            ProblemError: It was not permitted.
        """
        result = {"scoring": scoring, "output": output, "rows": rows}
        return api.decode(ScoringRecord, self._transport.json("POST", "/api/v1/scorings/results", result))
