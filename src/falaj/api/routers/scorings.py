"""Scoring of files: the permission, and what came of it. The file itself is never sent here."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from falaj.api import authorization, scoring_controller
from falaj.api.authorization import Caller
from falaj.api.platform import Shared
from falaj.api.route_actions import Action, action
from falaj.config.fields import Origin
from falaj.config.schema import Classification, Sector
from falaj.control import compliance, releases
from falaj.schemas import scoring as documents
from falaj.trust.policy import Resource

router = APIRouter(prefix="/api/v1", tags=["scorings"])

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_.-]{1,63}$")]
ReleaseName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_.-]{1,63}(@([0-9]{1,9}|latest))?$")]
LocationName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
ScoringId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_.-]{1,63}/[0-9a-f]{24}$")]


class InputLabel(BaseModel):
    """What the data in a file is."""

    model_config = ConfigDict(extra="forbid")
    classification: Classification
    origin: Origin
    sector: Sector | None = None


class ScoringCreate(BaseModel):
    """What somebody wants to score."""

    model_config = ConfigDict(extra="forbid")
    release: ReleaseName
    environment: Name
    location: LocationName
    input: Digest
    filename: Annotated[str, StringConstraints(max_length=300)] = ""
    label: InputLabel | None = None


class ScoringResult(BaseModel):
    """What came of a scoring."""

    model_config = ConfigDict(extra="forbid")
    scoring: ScoringId
    output: Digest
    rows: Annotated[int, Field(ge=1, le=1 << 48)]


@router.post("/scorings", response_model=documents.ScoringPermit, **action(Action.SCORE, refined=True))
def permit_scoring(body: ScoringCreate, platform: Shared, caller: Caller) -> documents.ScoringPermit:
    """Ask whether a file may be scored at a location, and by what; that it was permitted is in the audit log."""
    label = _label(body.label) if body.label else None
    request = scoring_controller.ScoringRequest(
        body.release, body.environment, body.location, body.input, body.filename, label
    )
    model = body.release.partition("@")[0]
    with platform.database.transaction() as session:
        resource = Resource("model", model, project=releases.owner_of(session, model))
        authorization.require_reach(platform, session, caller, Action.SCORE, resource)
        return scoring_controller.permit(platform.turn(session), caller, request)


@router.post("/scorings/results", response_model=documents.ScoringRecord, **action(Action.SCORE, refined=True))
def complete_scoring(result: ScoringResult, platform: Shared, caller: Caller) -> documents.ScoringRecord:
    """Tell what came of a scoring: lineage leads from the output to the release and to the input."""
    with platform.database.transaction() as session:
        return scoring_controller.complete(platform.turn(session), caller, result.scoring, result.output, result.rows)


def _label(input_label: InputLabel) -> compliance.DataClassification:
    return compliance.label_of(
        compliance.DataClassification("input", input_label.classification, input_label.sector or "", input_label.origin)
    )
