"""Privacy: data subjects, records, breaches, requests, and the compliance report."""

from __future__ import annotations

import hashlib
import json as json_text
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from falaj.cli.connection import open_client
from falaj.cli.options import JsonOption
from falaj.cli.output import clock, emit, emit_json, emit_table
from falaj.core.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from falaj.schemas.privacy import SnapshotWithPerson

SubjectArgument = Annotated[
    str, typer.Argument(help="What the column `subject_key` holds of the person; `-` reads it from standard input.")
]
ReasonOption = Annotated[str, typer.Option("--reason", "-m", help="Why; without personal data, since it is logged.")]
DocumentOption = Annotated[
    Path, typer.Option(exists=True, dir_okay=False, help="The document; only its digest is sent.")
]


def add_record(
    kind: Annotated[
        Literal["transfer", "impact-assessment", "bias-evaluation", "classification"],
        typer.Argument(help="What it is."),
    ],
    document: DocumentOption,
    expires: Annotated[str, typer.Option(help="Until when it counts, as 2027-06-30.")],
    model: Annotated[str, typer.Option(help="The model; a transfer without one is for all.")] = "",
    regime: Annotated[str, typer.Option(help="Of a transfer: pdpl, difc, adgm, health or cbuae.")] = "",
    to: Annotated[str, typer.Option(help="Of a transfer: the country, as its ISO 3166 code.")] = "",
    purpose: Annotated[str, typer.Option(help="Of a transfer: the purpose that falaj.yaml declares.")] = "",
    mechanism: Annotated[str, typer.Option(help="Of a transfer: contract, consent, exception, approval, ...")] = "",
    authority: Annotated[str, typer.Option(help="Reference of the authority's approval.")] = "",
    consent: Annotated[bool, typer.Option("--consent", help="The people concerned consented.")] = False,
    note: Annotated[str, typer.Option(help="Which exception is relied on, or what else to say.")] = "",
    data: Annotated[str, typer.Option(help="Of a classification: MODEL/SOURCE, a source's URL, or a digest.")] = "",
    classification: Annotated[str, typer.Option(help="Of a classification: what the data is from now on.")] = "",
    origin: Annotated[str, typer.Option(help="Of a classification: where the data comes from, as AE.")] = "",
    sector: Annotated[str, typer.Option(help="Of a classification: the business whose law covers it.")] = "",
    subject_key: Annotated[str, typer.Option(help="Of a classification: the column that says whose a row is.")] = "",
) -> None:
    """Record, signed, that a document permits a transfer, assesses a model, or says what data is.

    Labels of data stick: the strictest that bytes, what they were made of, or the same source were ever given counts.
    A classification is the way to lower one, for the data protection officer where one is named.
    """
    record_fields = {
        "model": model, "regime": regime, "destination": to, "purpose": purpose, "mechanism": mechanism,
        "authority": authority, "consent": consent, "note": note, "data": data, "classification": classification,
        "origin": origin, "sector": sector, "subject_key": subject_key,
    }  # fmt: skip
    privacy_record = open_client().privacy.record(
        kind, _digest(document), _moment(expires), document_name=document.name, **record_fields
    )
    emit(
        f"record {privacy_record.id}: {privacy_record.kind}, document {privacy_record.document}, counts until "
        f"{clock(privacy_record.counts_until)}"
    )


def list_records(json: JsonOption = False) -> None:
    """List the records that are not withdrawn."""
    record_list = open_client().privacy.records()
    if json:
        emit_json(record_list)
        return
    now = time.time()
    rows = [
        (each.id, each.kind, each.model or "every model", each.regime or "-", each.destination or "-",
         each.purpose or "-", "expired" if each.counts_until <= now else "counts", clock(each.counts_until),
         each.document_name)
        for each in record_list
    ]  # fmt: skip
    headings = ("record", "kind", "model", "regime", "to", "purpose", "state", "until", "document")
    emit_table(headings, rows, empty="no records; falaj privacy record add KIND adds one")


def withdraw(
    record: Annotated[str, typer.Argument(help="Id of the record.")],
    reason: ReasonOption,
) -> None:
    """Withdraw a record."""
    open_client().privacy.withdraw(record, reason)
    emit(f"record {record} is withdrawn")


def verify_record(
    record: Annotated[str, typer.Argument(help="Id of the record.")],
    document: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The document.")],
) -> None:
    """Verify that a document is the one of a record."""
    privacy_record = next((each for each in open_client().privacy.records() if each.id == record), None)
    if privacy_record is None:
        raise NotFoundError(
            f"there is no record {record}", hint="falaj privacy record list lists them", code="privacy.unknown"
        )
    if privacy_record.document != _digest(document):
        raise UsageError(
            f"{document} is another document than record {record} names",
            where=privacy_record.document,
            code="privacy.document",
        )
    emit(f"{document} is the document of record {record}")


def list_breaches(json: JsonOption = False) -> None:
    """List breaches, open and overdue ones first."""
    incident_list = sorted(open_client().privacy.incidents(), key=lambda each: (each.state == "closed", each.notify_by))
    if json:
        emit_json(incident_list)
        return
    rows = [
        (each.id, each.state, "OVERDUE" if each.overdue else "in time", clock(each.notify_by), clock(each.notified_at),
         each.title)
        for each in incident_list
    ]  # fmt: skip
    emit_table(("breach", "state", "clock", "notify by", "notified", "title"), rows, empty="no breaches")


def open_breach(
    title: Annotated[str, typer.Argument(help="One line, without personal data.")],
    description: Annotated[str, typer.Option(help="What is known.")] = "",
    learned_at: Annotated[str, typer.Option(help="When it was learned of, as 2026-12-05T09:00+04:00.")] = "",
) -> None:
    """Open a breach; its deadline runs from when it became known."""
    new_incident = open_client().privacy.open_incident(title, description, _moment(learned_at) if learned_at else None)
    emit(f"breach {new_incident.id} is to be notified by {clock(new_incident.notify_by)}")


def notify(
    incident: Annotated[str, typer.Argument(help="Id of the breach.")],
    whom: Annotated[str, typer.Option(help="Who was notified; `none required` with the reason where nobody must be.")],
) -> None:
    """Record that an authority was notified of a breach."""
    incident_state = open_client().privacy.notify(incident, whom)
    emit(f"breach {incident} was notified {'too late' if incident_state.overdue else 'in time'}")


def close_breach(
    incident: Annotated[str, typer.Argument(help="Id of the breach.")],
    findings: Annotated[str, typer.Option(help="What was found out.")],
) -> None:
    """Close a breach."""
    open_client().privacy.close_incident(incident, findings)
    emit(f"breach {incident} is closed")


def list_requests(json: JsonOption = False) -> None:
    """List the requests of data subjects, open and overdue ones first."""
    request_list = sorted(open_client().privacy.requests(), key=lambda each: (each.state == "closed", each.due_at))
    if json:
        emit_json(request_list)
        return
    rows = [
        (each.id, each.kind, each.state, "OVERDUE" if each.overdue else "in time", clock(each.due_at),
         clock(each.closed_at))
        for each in request_list
    ]  # fmt: skip
    emit_table(("request", "kind", "state", "clock", "due", "closed"), rows, empty="no requests")


def open_request(
    kind: Annotated[
        Literal["access", "export", "erasure", "correction", "objection"], typer.Argument(help="What is asked for.")
    ],
    received: Annotated[str, typer.Option(help="When it came in, as 2026-12-05.")] = "",
) -> None:
    """Open a request of a data subject, without the name of the person."""
    subject_request = open_client().privacy.receive(kind, _moment(received) if received else None)
    emit(f"request {subject_request.id} is due {clock(subject_request.due_at)}")


def close_request(
    request: Annotated[str, typer.Argument(help="Id of the request.")],
    answer: Annotated[str, typer.Option(help="What was answered, without personal data.")],
) -> None:
    """Close a request."""
    open_client().privacy.close_request(request, answer)
    emit(f"request {request} is closed")


def find(subject: SubjectArgument, json: JsonOption = False) -> None:
    """Find every snapshot and release that the data of a person reached."""
    subject_report = open_client().privacy.find(_subject(subject))
    if json:
        emit_json(subject_report)
        return
    snapshots = [(each.source, each.digest, clock(each.first_at), _fate(each)) for each in subject_report.snapshots]
    emit_table(("source", "snapshot", "first read", "state"), snapshots, empty="in no snapshot of the index")
    emit(f"made of them by steps: {subject_report.derived} artifacts")
    releases = [
        (each.name, each.state, ", ".join(each.serves) or "-", each.flagged or "-") for each in subject_report.releases
    ]
    emit_table(("release", "state", "serves", "flagged"), releases, empty="reached no release")
    if subject_report.unsearched:
        emit(f"not searched, though people are in it: {', '.join(subject_report.unsearched)} (falaj privacy index)")
    if subject_report.erased_at is not None:
        emit(f"erased {clock(subject_report.erased_at)}")


def export(
    subject: SubjectArgument,
    to: Annotated[Path | None, typer.Option(help="Write into this file, readable by you alone.")] = None,
) -> None:
    """Export a person's rows as JSON."""
    rows = [asdict(each) for each in open_client().privacy.export(_subject(subject))]
    text = json_text.dumps(rows, indent=2, sort_keys=True, default=str)
    if to is None:
        emit(text)
        return
    to.touch(mode=0o600)
    to.write_text(text + "\n")
    emit(f"{len(rows)} rows in {to}")


def erase(
    subject: SubjectArgument,
    reason: ReasonOption,
    request: Annotated[str, typer.Option(help="Id of the request that it answers.")] = "",
    confirm: Annotated[str, typer.Option(help="The subject again, instead of being asked for it.")] = "",
) -> None:
    """Erase the data of a person; it cannot be recovered."""
    named = _subject(subject)
    confirmation = confirm or (
        typer.prompt("this erases data for good; the subject again") if sys.stdin.isatty() else ""
    )
    if confirmation != named:
        raise UsageError("confirmation does not match", hint="--confirm SUBJECT", code="privacy.not-confirmed")
    erasure = open_client().privacy.erase(named, reason, request or None)
    counts = f"{len(erasure.snapshots)} snapshots, {erasure.derived} artifacts made of them, {erasure.keys} keys"
    emit(f"request {erasure.request} erased {counts}")
    if erasure.flagged:
        emit(f"train again: {', '.join(erasure.flagged)}")
    emit(erasure.note)


def index(json: JsonOption = False) -> None:
    """Index the data subjects of pinned snapshots that are not indexed yet."""
    index_report = open_client().privacy.index()
    if json:
        emit_json(index_report)
        return
    emit(f"{index_report.indexed} snapshots are in the index now")
    emit_table(("source", "why not"), sorted(index_report.failed.items()), empty="all could be searched")


def classification(
    node: Annotated[str, typer.Argument(help="A release as MODEL@NUMBER, or a lineage node as artifact:sha256:...")],
    json: JsonOption = False,
) -> None:
    """Show the classification of the data that reached something, and the laws that apply."""
    label_list = open_client().privacy.labels(node if ":" in node else f"release:{node}")
    if json:
        emit_json(label_list)
        return
    rows = [
        (each.name, each.classification, each.sector, each.origin, each.subject_key or "-", ", ".join(each.regimes))
        for each in label_list
    ]
    emit_table(("source", "classification", "sector", "origin", "subject key", "laws"), rows, empty="no labelled data")


def ropa(json: JsonOption = False) -> None:
    """Show the records of processing activities (ROPA), generated from lineage."""
    activity_list = open_client().privacy.processing()
    if json:
        emit_json(activity_list)
        return
    rows = [
        (each.release, each.purpose or "not declared", ", ".join(each.regimes), "; ".join(each.serves) or "-",
         "; ".join(each.transfers) or "none")
        for each in activity_list
    ]  # fmt: skip
    emit_table(("release", "purpose", "laws", "processed", "transfers"), rows, empty="no data under a law")


def report(
    pack: Annotated[str, typer.Option(help="The policy pack.")] = "uae",
    html: Annotated[Path | None, typer.Option(help="Write the report as HTML into this file.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Write the report as Markdown into this file.")] = None,
    json: JsonOption = False,
) -> None:
    """Evaluate compliance with a policy pack; without a file, print Markdown."""
    compliance_report = open_client().privacy.report(pack)
    for path, text in ((html, compliance_report.html), (markdown, compliance_report.markdown)):
        if path is not None:
            path.write_text(text, encoding="utf-8")
            emit(f"wrote {path}")
    if json:
        emit_json(compliance_report.findings)
    elif html is None and markdown is None:
        emit(compliance_report.markdown)


def _fate(snapshot: SnapshotWithPerson) -> str:
    if snapshot.erased_at:
        return f"erased {clock(snapshot.erased_at)}"
    return f"kept by law until {clock(snapshot.locked_until)}" if snapshot.locked_until else "there"


def _subject(argument: str) -> str:
    """The subject; an argument is seen by others on this machine, standard input is not."""
    return sys.stdin.readline().strip() if argument == "-" else argument


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def _moment(text: str) -> float:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"invalid time '{text}'", hint="2027-06-30 or 2026-12-05T09:00+04:00", code="usage.time"
        ) from None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
