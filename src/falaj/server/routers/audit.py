"""The audit log: entries, checkpoints, and the whole of it for those who check it elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from falaj.documents import audit as documents
from falaj.evidence import Role
from falaj.governance import audit
from falaj.server.actions import Action, action
from falaj.server.platform import Platform, Shared

router = APIRouter(prefix="/api/v1/audit", tags=["audit"])
Text = Annotated[str, Query(max_length=300)]


@router.get("/entries", response_model=list[documents.AuditEntry], **action(Action.READ_AUDIT))
def entries(
    platform: Shared,
    kind: Text = "",
    subject: Text = "",
    actor: Text = "",
    since: Annotated[float, Query(ge=0, le=1e11)] = 0.0,
    before: Annotated[int | None, Query(ge=0, le=2**62)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
) -> list[documents.AuditEntry]:
    """The newest entries first; `before` turns the page."""
    wanted = audit.Wanted(kind, subject, actor, since, before, limit)
    with platform.database.reading() as session:
        return [documents.AuditEntry(**asdict(each)) for each in audit.entries(session, wanted)]


@router.post("/checkpoint", response_model=documents.LogCheckpoint, **action(Action.READ_AUDIT))
def checkpoint(platform: Shared) -> documents.LogCheckpoint:
    """A checkpoint of the log as it is now, signed; the same one again while nothing was added."""
    return documents.LogCheckpoint(_signed(platform), platform.keyring.signer(Role.LOG).public_pem)


@router.get("/export", **action(Action.READ_AUDIT))
def export(platform: Shared) -> StreamingResponse:
    """The whole log up to a checkpoint of now, as lines of JSON: `{"file": ..., "line": ...}`."""
    newest = _signed(platform)

    def lines() -> Iterator[str]:
        with platform.database.reading() as session:
            for file, line in audit.export_lines(session, newest):
                yield json.dumps({"file": file, "line": line}) + "\n"

    return StreamingResponse(lines(), media_type="application/x-ndjson")


def _signed(platform: Platform) -> str:
    with platform.database.transaction() as session:
        return audit.checkpoint(session, platform.keyring.signer(Role.LOG), platform.now())
