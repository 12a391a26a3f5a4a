"""Privacy: records, breaches, requests of people, and the compliance report."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal, cast

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import select
from sqlalchemy.orm import Session

from falaj.api import dsar
from falaj.api.authorization import Caller
from falaj.api.paging import Paging, matching, paged
from falaj.api.platform import Platform, Shared
from falaj.api.request_bodies import RequiredReasonBody
from falaj.api.resources import TENANT
from falaj.api.route_actions import Action, action
from falaj.config.uae_pack import uae_settings
from falaj.control import compliance as privacy
from falaj.control.changes.compliance import posture_of
from falaj.control.compliance import dsar_requests, evaluation, incidents
from falaj.core.principal import Principal
from falaj.schemas import api, states
from falaj.schemas import privacy as documents
from falaj.storage import ReleaseRow
from falaj.storage.privacy_tables import IncidentRow, PrivacyRecordRow, SubjectRequestRow
from falaj.trust import lineage, settings
from falaj.trust.policy import ForbiddenError, PolicyDecision, Resource

router = APIRouter(prefix="/api/v1", tags=["privacy"])

Id = Annotated[str, StringConstraints(pattern=r"^[0-9a-z]{1,40}$")]
Line = Annotated[str, StringConstraints(max_length=200)]
RequiredText = Annotated[str, StringConstraints(min_length=1, max_length=2000)]
Moment = Annotated[float, Field(ge=0, le=1e11)]
SubjectText = Annotated[str, StringConstraints(min_length=1, max_length=1000)]

_RECORDS = paged("-made_at", {"made_at": (PrivacyRecordRow.made_at, PrivacyRecordRow.id)})
_INCIDENTS = paged("-learned_at", {
    "learned_at": (IncidentRow.learned_at, IncidentRow.id),
    "notify_by": (IncidentRow.notify_by, IncidentRow.id),
})  # fmt: skip
_REQUESTS = paged("-received_at", {
    "received_at": (SubjectRequestRow.received_at, SubjectRequestRow.id),
    "due_at": (SubjectRequestRow.due_at, SubjectRequestRow.id),
})  # fmt: skip
_ACTIVITIES = paged("release", {"release": (ReleaseRow.model,)})


class PrivacyRecordCreate(BaseModel):
    """A record to sign; the document itself is not sent."""

    model_config = ConfigDict(extra="forbid")
    kind: privacy.RecordKind
    document: Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
    document_name: Line = ""
    expires_at: Moment
    model: Line = ""
    regime: Line = ""
    destination: Annotated[str, StringConstraints(pattern=r"^([A-Z]{2}(-[A-Z0-9]{1,4})?)?$")] = ""
    purpose: Line = ""
    mechanism: Line = ""
    authority: Line = ""
    consent: bool = False
    note: Line = ""
    data: Annotated[str, StringConstraints(max_length=2000)] = ""
    classification: Line = ""
    sector: Literal["", "general", "health", "banking", "insurance", "government"] = ""
    origin: Annotated[str, StringConstraints(pattern=r"^([A-Z]{2}(-[A-Z0-9]{1,4})?)?$")] = ""
    subject_key: Line = ""


class BreachCreate(BaseModel):
    """A breach that was learned of; the title is shown to everyone who reads."""

    model_config = ConfigDict(extra="forbid")
    title: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    learned_at: Moment | None = None
    description: Annotated[str, StringConstraints(max_length=10_000)] = ""
    projects: Annotated[list[Line], Field(max_length=100)] = []


class Notification(BaseModel):
    """Who was notified; `none required` with the reason, where nobody must be."""

    model_config = ConfigDict(extra="forbid")
    whom: RequiredText


class SubjectRequestCreate(BaseModel):
    """What a person asked for, without who it was."""

    model_config = ConfigDict(extra="forbid")
    kind: Literal["access", "export", "erasure", "correction", "objection"]
    received_at: Moment | None = None


class SubjectBody(BaseModel):
    """Whom it is about: what the column `subject_key` holds of them."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    subject: SubjectText


class ErasureRequest(SubjectBody, RequiredReasonBody):
    """Whom to erase, why, and the request that it answers."""

    request: Id | None = None


@router.get("/privacy/records", response_model=list[documents.PrivacyRecord], **action(Action.READ))
def list_records(
    platform: Shared, page: Annotated[Paging, Depends(_RECORDS)], model: Line | None = None
) -> list[documents.PrivacyRecord]:
    """The records that count or have counted, the newest first; withdrawn and forged ones are not among them."""
    with platform.database.reading() as session:
        rows = page.rows(session, matching(privacy.not_withdrawn(), {PrivacyRecordRow.model: model}))
        return [_record(session, each) for each in privacy.verified(rows, platform.keyring)]


@router.post(
    "/privacy/records", response_model=documents.PrivacyRecord, status_code=201, **action(Action.MANAGE_PRIVACY)
)
def record(body: PrivacyRecordCreate, platform: Shared, caller: Caller) -> documents.PrivacyRecord:
    """Sign a transfer basis, an impact assessment, a bias evaluation, or what data is from now on.

    A classification lowers labels that data was given: the data protection officer's act, where one is named.
    """
    draft_record = privacy.ComplianceRecord(id="", made_by=caller.id, made_at=0.0, **body.model_dump())
    with platform.database.transaction() as session:
        if body.kind is privacy.RecordKind.CLASSIFICATION:
            _require_officer(session, caller)
        return _record(session, privacy.register(session, platform.keyring, draft_record, platform.now()))


@router.post("/privacy/records/{record_id}/withdraw", status_code=204, **action(Action.MANAGE_PRIVACY))
def withdraw(record_id: Id, why: RequiredReasonBody, platform: Shared, caller: Caller) -> None:
    """Withdraw a record."""
    with platform.database.transaction() as session:
        privacy.withdraw(session, record_id, caller.id, why.reason, platform.now())


@router.get("/privacy/incidents", response_model=list[documents.Incident], **action(Action.READ))
def list_incidents(
    platform: Shared,
    page: Annotated[Paging, Depends(_INCIDENTS)],
    unfinished: Annotated[bool, Query(alias="open")] = False,
) -> list[documents.Incident]:
    """The incidents that were learned of last first; with `open`, those that are not closed."""
    query = select(IncidentRow)
    if unfinished:
        query = query.where(IncidentRow.state != incidents.CLOSED)
    with platform.database.reading() as session:
        return [_incident(row, platform.now()) for row in page.rows(session, query)]


@router.post("/privacy/incidents", response_model=documents.Incident, status_code=201, **action(Action.MANAGE_PRIVACY))
def open_incident(body: BreachCreate, platform: Shared, caller: Caller) -> documents.Incident:
    """Open an incident; its clock runs from when the breach was learned of."""
    now = platform.now()
    breach = incidents.Breach(
        body.title, body.learned_at or now, {"description": body.description, "projects": body.projects}
    )
    with platform.database.transaction() as session:
        within_s = dsar.deadlines(session).breach_notify_within
        return _incident(incidents.open_incident(session, breach, within_s, caller.id, now), now)


@router.post(
    "/privacy/incidents/{incident_id}/notify", response_model=documents.Incident, **action(Action.MANAGE_PRIVACY)
)
def notify(incident_id: Id, body: Notification, platform: Shared, caller: Caller) -> documents.Incident:
    """Note that whoever must hear of an incident was notified."""
    now = platform.now()
    with platform.database.transaction() as session:
        return _incident(incidents.notify(session, incident_id, body.whom, caller.id, now), now)


@router.post(
    "/privacy/incidents/{incident_id}/close", response_model=documents.Incident, **action(Action.MANAGE_PRIVACY)
)
def close_incident(incident_id: Id, why: RequiredReasonBody, platform: Shared, caller: Caller) -> documents.Incident:
    """End an incident with what was found out."""
    now = platform.now()
    with platform.database.transaction() as session:
        return _incident(incidents.close(session, incident_id, why.reason, caller.id, now), now)


@router.get("/privacy/requests", response_model=list[documents.SubjectRequest], **action(Action.READ))
def list_requests(
    platform: Shared,
    page: Annotated[Paging, Depends(_REQUESTS)],
    unfinished: Annotated[bool, Query(alias="open")] = False,
) -> list[documents.SubjectRequest]:
    """What people asked for, the newest first; with `open`, what is not closed."""
    query = select(SubjectRequestRow)
    if unfinished:
        query = query.where(SubjectRequestRow.state != dsar_requests.CLOSED)
    with platform.database.reading() as session:
        return [_request(row, platform.now()) for row in page.rows(session, query)]


@router.post(
    "/privacy/requests", response_model=documents.SubjectRequest, status_code=201, **action(Action.MANAGE_PRIVACY)
)
def receive(body: SubjectRequestCreate, platform: Shared, caller: Caller) -> documents.SubjectRequest:
    """Register what a person asked for; the clock runs from when it came in."""
    now = platform.now()
    with platform.database.transaction() as session:
        within_s = dsar.deadlines(session).subject_request_within
        request_id = dsar_requests.receive(session, body.kind, within_s, caller.id, now, body.received_at or now)
        return _request(dsar_requests.find(session, request_id), now)


@router.post(
    "/privacy/requests/{request_id}/close", response_model=documents.SubjectRequest, **action(Action.MANAGE_PRIVACY)
)
def close_request(
    request_id: Id, why: RequiredReasonBody, platform: Shared, caller: Caller
) -> documents.SubjectRequest:
    """Close a request with what was answered."""
    now = platform.now()
    with platform.database.transaction() as session:
        dsar_requests.advance(session, request_id, dsar_requests.CLOSED, {"answer": why.reason}, caller.id, now)
        return _request(dsar_requests.find(session, request_id), now)


@router.post("/privacy/subjects/find", response_model=documents.FoundSubject, **action(Action.MANAGE_PRIVACY))
def find(body: SubjectBody, platform: Shared, caller: Caller) -> documents.FoundSubject:
    """Every snapshot and release that a person's data reached."""
    return dsar.find(platform, caller, body.subject)


@router.post("/privacy/subjects/export", response_model=list[documents.ExportedRow], **action(Action.MANAGE_PRIVACY))
def export(body: SubjectBody, platform: Shared, caller: Caller) -> list[documents.ExportedRow]:
    """A person's rows in every snapshot that is there."""
    return dsar.export(platform, caller, body.subject)


@router.post("/privacy/subjects/erase", response_model=documents.ErasedSubject, **action(Action.MANAGE_PRIVACY))
def erase(body: ErasureRequest, platform: Shared, caller: Caller) -> documents.ErasedSubject:
    """Erase what holds a person. Nothing brings it back; what law keeps forbids it."""
    return dsar.erase(platform, caller, body.subject, body.reason, body.request)


@router.post("/privacy/index", response_model=documents.IndexedSnapshots, **action(Action.MANAGE_PRIVACY))
def index(platform: Shared, caller: Caller) -> documents.IndexedSnapshots:
    """Search the pinned snapshots that the index of subjects does not know yet."""
    return dsar.search_again(platform, caller)


@router.get(
    "/privacy/labels", response_model=list[documents.DataLabel],
    **action(Action.READ, bounded="one a source of data that reached it"),
)  # fmt: skip
def labels(platform: Shared, node: Annotated[str, Query(max_length=320)]) -> list[documents.DataLabel]:
    """What the data is that reached a release, run or artifact, and which laws it is under."""
    with platform.database.reading() as session:
        node_labels = privacy.labels_reaching(session, lineage.node(node))
        entity = privacy.entity_of(settings.current(session).entity)
    return [
        documents.DataLabel(
            **asdict(each), personal=each.personal, regimes=sorted(privacy.regimes_of(entity, each))
        )
        for each in node_labels
    ]  # fmt: skip


@router.get("/privacy/processing", response_model=list[documents.ProcessingActivity], **action(Action.READ))
def processing(platform: Shared, page: Annotated[Paging, Depends(_ACTIVITIES)]) -> list[documents.ProcessingActivity]:
    """Records of processing, generated from lineage; the pack must be on."""
    with platform.database.reading() as session:
        activity_list = page.named(evaluation.activities(_posture(platform, session)), lambda each: each.release)
    return [api.decode(documents.ProcessingActivity, _plain(asdict(each))) for each in activity_list]


@router.get("/compliance/{pack}", response_model=documents.ComplianceReport, **action(Action.READ))
def report(pack: Literal["uae"], platform: Shared) -> documents.ComplianceReport:
    """Every rule of a pack: its control, whether it holds, what shows it, what is missing."""
    with platform.database.reading() as session:
        posture = _posture(platform, session)
    control_findings, activities = evaluation.judge(posture), evaluation.activities(posture)
    return documents.ComplianceReport(
        pack=pack,
        made_at=posture.rules.now,
        findings=[api.decode(documents.ComplianceFinding, _plain(asdict(each))) for each in control_findings],
        markdown=evaluation.markdown_page(posture, control_findings, activities),
        html=evaluation.html_page(posture, control_findings, activities),
    )


def _posture(platform: Platform, session: Session) -> evaluation.Posture:
    return posture_of(platform.turn(session), encrypted=platform.store.is_encrypted)


def _plain(value: dict[str, Any]) -> dict[str, Any]:
    """Tuples as lists."""
    return {name: list(item) if isinstance(item, tuple) else item for name, item in value.items()}


def _require_officer(session: Session, caller: Principal) -> None:
    pack = uae_settings(settings.current(session))
    if pack is not None and pack.dpo and caller.id != f"user:{pack.dpo}":
        reason = f"privacy-officer: {pack.dpo} decides what data is"
        denied = PolicyDecision(False, reason, ("privacy-officer",))
        raise ForbiddenError(caller, Action.MANAGE_PRIVACY, Resource("tenant", TENANT, TENANT), denied)


def _record(session: Session, record: privacy.ComplianceRecord) -> documents.PrivacyRecord:
    pack = uae_settings(settings.current(session))
    until = record.ends_at(pack) if pack else record.expires_at
    record_fields = {**asdict(record), "kind": record.kind.value}
    return documents.PrivacyRecord(**record_fields, counts_until=until)


def _incident(row: IncidentRow, now: float) -> documents.Incident:
    return documents.Incident(
        row.id, row.title, cast("states.IncidentState", row.state), row.learned_at, row.notify_by,
        row.notified_at, row.closed_at,
        incidents.overdue(row, now), row.data,
    )  # fmt: skip


def _request(row: SubjectRequestRow, now: float) -> documents.SubjectRequest:
    return documents.SubjectRequest(
        row.id,
        cast("states.SubjectRequestKind", row.kind),
        cast("states.SubjectRequestState", row.state),
        row.received_at,
        row.due_at,
        row.closed_at,
        dsar_requests.overdue(row, now),
        row.result,
    )
