"""What travels of the scoring of files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ScoringPermit:
    """That a release may answer the rows of a file at a location.

    Attributes:
        scoring: Id of the scoring: the same for the same file, release and endpoint.
        release: `model@number`.
        endpoint: `environment/model`.
        location: Where it is scored.
        residency: Jurisdiction of the location, which the predictions carry.
        classification: The most sensitive classification that the file is taken to have.
        plan: The release with the evidence and the admission by which the location verifies it again.
        permitted_to: Principal.
    """

    scoring: str
    release: str
    endpoint: str
    location: str
    residency: str
    classification: str
    plan: dict[str, Any]
    permitted_to: str


@dataclass(frozen=True)
class ScoringRecord:
    """A scoring that has ended, as lineage knows it."""

    scoring: str
    release: str
    input: str
    output: str
    rows: int
