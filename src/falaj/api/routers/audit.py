"""The audit log: entries, checkpoints, and the whole of it for those who check it elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi import Path as PathValue
from fastapi.responses import StreamingResponse
from pydantic import Field, StringConstraints

from falaj.api.authorization import Caller
from falaj.api.paging import Paging, paged
from falaj.api.platform import Platform, Shared
from falaj.api.request_bodies import RequiredReasonBody
from falaj.api.route_actions import Action, action
from falaj.core.errors import NotFoundError
from falaj.schemas import audit as documents
from falaj.storage.audit_tables import AuditLeafRow
from falaj.supply_chain.attestations import SigningRole
from falaj.trust import audit
from falaj.trust.audit import record

router = APIRouter(prefix="/api/v1/audit", tags=["audit"])
Text = Annotated[str, Query(max_length=300)]
_ENTRIES = paged("-index", {"index": (AuditLeafRow.index,)})
EntryIndex = Annotated[int, PathValue(ge=0, le=2**62)]
LogSize = Annotated[int, Query(ge=0, le=2**62)]


class Erasure(RequiredReasonBody):
    """What to erase, and why; the reason is logged, whom it was about is not."""

    entries: Annotated[list[Annotated[int, Field(ge=0, le=2**62)]], Field(max_length=1000)] = []
    person: Annotated[str, StringConstraints(pattern=r"^(user:.*)?$", max_length=200)] = ""


@router.get("/entries", response_model=list[documents.AuditEntry], **action(Action.READ_AUDIT))
def entries(
    platform: Shared,
    page: Annotated[Paging, Depends(_ENTRIES)],
    kind: Text = "",
    subject: Text = "",
    actor: Text = "",
    since: Annotated[float, Query(ge=0, le=1e11)] = 0.0,
) -> list[documents.AuditEntry]:
    """The newest entries first; `kind` is what they begin with, such as `change.`."""
    with platform.database.reading() as session:
        query = audit.matching_entries(session, audit.EntryFilter(kind, subject, actor, since))
        shown = audit.shown_entries(session, page.rows(session, query))
        return [documents.AuditEntry(**asdict(each)) for each in shown]


@router.get("/entries/{index}", response_model=documents.AuditEntryProof, **action(Action.READ_AUDIT))
def entry(index: EntryIndex, size: LogSize, platform: Shared) -> documents.AuditEntryProof:
    """One entry, and the proof that it stands in the log of `size` entries (RFC 6962, 2.1.1)."""
    with platform.database.reading() as session:
        leaf = session.get(AuditLeafRow, index) if index < size <= audit.size_of(session) else None
        if leaf is None:
            raise NotFoundError(
                f"no entry {index} in the audit log of {size} entries",
                hint="falaj audit checkpoint says how long the log is",
                code="audit.no-entry",
            )
        shown = audit.shown_entries(session, [leaf])[0]
        proof = audit.inclusion(session, index, size)
    return documents.AuditEntryProof(documents.AuditEntry(**asdict(shown)), leaf.text, proof)


@router.post("/checkpoint", response_model=documents.LogCheckpoint, **action(Action.READ_AUDIT))
def checkpoint(platform: Shared) -> documents.LogCheckpoint:
    """A checkpoint of the log as it is now, signed; the same one again while nothing was added."""
    return documents.LogCheckpoint(_signed(platform), platform.keyring.signer(SigningRole.LOG).public_pem)


@router.get("/export", **action(Action.READ_AUDIT))
def export(platform: Shared) -> StreamingResponse:
    """The whole log up to a checkpoint of now, as lines of JSON: `{"file": ..., "line": ...}`."""
    newest = _signed(platform)

    def lines() -> Iterator[str]:
        with platform.database.reading() as session:
            for file, line in audit.export_lines(session, newest):
                yield json.dumps({"file": file, "line": line}) + "\n"

    return StreamingResponse(lines(), media_type="application/x-ndjson")


@router.get("/consistency", response_model=documents.LogConsistency, **action(Action.READ_AUDIT))
def consistency(first: LogSize, second: LogSize, platform: Shared) -> documents.LogConsistency:
    """The proof that the log of `second` entries continues the one of `first` (RFC 6962, 2.1.2)."""
    with platform.database.reading() as session:
        return documents.LogConsistency(audit.consistency(session, first, second))


@router.post("/erase", response_model=documents.Erased, **action(Action.MANAGE_PRIVACY))
def erase(body: Erasure, platform: Shared, caller: Caller) -> documents.Erased:
    """Erase the details of entries, or who a person is and all details of entries by or about them."""
    with platform.database.transaction() as session:
        was_forgotten = bool(body.person) and audit.forget(session, body.person)
        erased = documents.Erased(audit.erase_details(session, body.entries), was_forgotten)
        details = {"reason": body.reason, "entries": body.entries, "forgotten": was_forgotten}
        record.write(session, "audit.erased", caller.id, "audit", platform.now(), details)
    return erased


def _signed(platform: Platform) -> str:
    with platform.database.transaction() as session:
        return audit.checkpoint(session, platform.keyring.signer(SigningRole.LOG), platform.now())
