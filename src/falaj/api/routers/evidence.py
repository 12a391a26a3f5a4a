"""What was signed about releases, complete enough to be verified by someone who has nothing else."""

from __future__ import annotations

from fastapi import APIRouter

from falaj.api.actions import Action, action
from falaj.api.platform import Shared
from falaj.control import changes
from falaj.control import releases as release
from falaj.schemas.evidence import ReleaseBundle
from falaj.trust import audit

router = APIRouter(prefix="/api/v1", tags=["evidence"])


@router.get("/releases/{name}/bundle", response_model=ReleaseBundle, **action(Action.READ))
def bundle(name: str, platform: Shared) -> ReleaseBundle:
    """All envelopes about a release, with the audit log's newest proof."""
    with platform.database.reading() as session:
        found = release.find(session, name)
        decided = changes.decisions_about(platform.turn(session), found)
        envelopes = [*(row.envelope for row in release.evidence_of(session, found)), *map(dict, decided)]
        checkpoint = audit.newest_checkpoint(session)
        log = audit.proofs_for(session, envelopes, checkpoint) if checkpoint else {}
        return ReleaseBundle(envelopes, log, found.data.get("model_signature") or {})
