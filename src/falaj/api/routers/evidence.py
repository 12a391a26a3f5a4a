"""What was signed about releases, complete enough to be verified by someone who has nothing else."""

from __future__ import annotations

from fastapi import APIRouter

from falaj.api.platform import Shared
from falaj.api.route_actions import Action, action
from falaj.control import changes, releases
from falaj.schemas.evidence import ReleaseBundle
from falaj.trust import audit

router = APIRouter(prefix="/api/v1", tags=["evidence"])


@router.get("/releases/{name}/bundle", response_model=ReleaseBundle, **action(Action.READ))
def bundle(name: str, platform: Shared) -> ReleaseBundle:
    """All envelopes about a release, with the audit log's newest proof."""
    with platform.database.reading() as session:
        release_row = releases.find(session, name)
        decided = changes.decisions_about(platform.turn(session), release_row)
        envelopes = [*(row.envelope for row in releases.evidence_of(session, release_row)), *map(dict, decided)]
        checkpoint = audit.newest_checkpoint(session)
        log = audit.proofs_for(session, envelopes, checkpoint) if checkpoint else {}
        return ReleaseBundle(envelopes, log, release_row.data.get("model_signature") or {})
