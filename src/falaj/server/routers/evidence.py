"""What was signed about releases, complete enough to be verified by someone who has nothing else."""

from __future__ import annotations

from fastapi import APIRouter

from falaj import release
from falaj.documents.evidence import ReleaseBundle
from falaj.server.actions import Action, action
from falaj.server.platform import Shared

router = APIRouter(prefix="/api/v1", tags=["evidence"])


@router.get("/releases/{name}/bundle", response_model=ReleaseBundle, **action(Action.READ))
def bundle(name: str, platform: Shared) -> ReleaseBundle:
    """All envelopes about a release, with the audit log's newest proof."""
    with platform.database.reading() as session:
        found = release.find(session, name)
        envelopes = [row.envelope for row in release.evidence_of(session, found)]
        return ReleaseBundle(envelopes, {}, found.data.get("model_signature") or {})
