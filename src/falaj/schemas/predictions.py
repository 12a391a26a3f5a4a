"""What travels of predictions as data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ExportPermit:
    """Who may take predictions of an endpoint out of the log of a location."""

    endpoint: str
    location: str
    exported_by: str
    permitted_at: float
