"""Privacy: records, breaches, requests of people, and the compliance report."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from falaj.schemas import api
from falaj.schemas import privacy as documents
from falaj.sdk.http import Transport

_PREFIX = "/api/v1/privacy"


class PrivacyCalls:
    """The calls about privacy.

    Args:
        transport: How the server is reached.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def records(self) -> list[documents.PrivacyRecord]:
        """The records that nobody withdrew."""
        found = self._transport.json("GET", f"{_PREFIX}/records")
        return [api.decode(documents.PrivacyRecord, item) for item in found]

    def record(self, kind: str, document: str, expires_at: float, **said: Any) -> documents.PrivacyRecord:
        """Record a transfer basis, an impact assessment, a bias evaluation, or what data is from now on.

        Args:
            kind: `transfer`, `impact-assessment`, `bias-evaluation` or `classification`.
            document: `sha256:` of the document's bytes.
            expires_at: Unix seconds.
            said: `model`, `document_name`; for a transfer `regime`, `destination`, `purpose`, `mechanism`,
                `authority`, `consent`, `note`; for a classification `data`, `classification`, `sector`, `origin`,
                `subject_key`.
        """
        wish = {"kind": kind, "document": document, "expires_at": expires_at, **said}
        return api.decode(documents.PrivacyRecord, self._transport.json("POST", f"{_PREFIX}/records", wish))

    def withdraw(self, record: str, reason: str) -> None:
        """Let a record count no more."""
        self._transport.json("POST", f"{_PREFIX}/records/{quote(record, safe='')}/withdraw", {"reason": reason})

    def incidents(self) -> list[documents.Incident]:
        """All incidents."""
        return [api.decode(documents.Incident, item) for item in self._transport.json("GET", f"{_PREFIX}/incidents")]

    def open_incident(self, title: str, description: str = "", learned_at: float | None = None) -> documents.Incident:
        """Open an incident; its clock runs from when the breach was learned of (unix seconds; now by default)."""
        wish = {"title": title, "description": description, "learned_at": learned_at}
        return api.decode(documents.Incident, self._transport.json("POST", f"{_PREFIX}/incidents", wish))

    def notify(self, incident: str, whom: str) -> documents.Incident:
        """Note that somebody was notified of an incident."""
        path = f"{_PREFIX}/incidents/{quote(incident, safe='')}/notify"
        return api.decode(documents.Incident, self._transport.json("POST", path, {"whom": whom}))

    def close_incident(self, incident: str, findings: str) -> documents.Incident:
        """End an incident."""
        path = f"{_PREFIX}/incidents/{quote(incident, safe='')}/close"
        return api.decode(documents.Incident, self._transport.json("POST", path, {"reason": findings}))

    def requests(self) -> list[documents.SubjectRequest]:
        """What people asked for."""
        found = self._transport.json("GET", f"{_PREFIX}/requests")
        return [api.decode(documents.SubjectRequest, item) for item in found]

    def receive(self, kind: str, received_at: float | None = None) -> documents.SubjectRequest:
        """Register what a person asked for."""
        wish = {"kind": kind, "received_at": received_at}
        return api.decode(documents.SubjectRequest, self._transport.json("POST", f"{_PREFIX}/requests", wish))

    def close_request(self, request: str, answer: str) -> documents.SubjectRequest:
        """Close a request with what was answered."""
        path = f"{_PREFIX}/requests/{quote(request, safe='')}/close"
        return api.decode(documents.SubjectRequest, self._transport.json("POST", path, {"reason": answer}))

    def find(self, subject: str) -> documents.FoundSubject:
        """Where a person's data went."""
        found = self._transport.json("POST", f"{_PREFIX}/subjects/find", {"subject": subject})
        return api.decode(documents.FoundSubject, found)

    def export(self, subject: str) -> list[documents.ExportedRow]:
        """A person's rows."""
        found = self._transport.json("POST", f"{_PREFIX}/subjects/export", {"subject": subject})
        return [api.decode(documents.ExportedRow, item) for item in found]

    def erase(self, subject: str, reason: str, request: str | None = None) -> documents.ErasedSubject:
        """Erase what holds a person; nothing brings it back."""
        wish = {"subject": subject, "reason": reason, "request": request}
        return api.decode(
            documents.ErasedSubject, self._transport.json("POST", f"{_PREFIX}/subjects/erase", wish)
        )  # fmt: skip

    def index(self) -> documents.IndexedSnapshots:
        """Search the pinned snapshots that the index does not know yet."""
        return api.decode(documents.IndexedSnapshots, self._transport.json("POST", f"{_PREFIX}/index"))

    def labels(self, node: str) -> list[documents.DataLabel]:
        """What the data is that reached a lineage node."""
        found = self._transport.json("GET", f"{_PREFIX}/labels", query={"node": node})
        return [api.decode(documents.DataLabel, item) for item in found]

    def processing(self) -> list[documents.ProcessingActivity]:
        """Records of processing."""
        found = self._transport.json("GET", f"{_PREFIX}/processing")
        return [api.decode(documents.ProcessingActivity, item) for item in found]

    def report(self, pack: str = "uae") -> documents.ComplianceReport:
        """The compliance report of a pack."""
        found = self._transport.json("GET", f"/api/v1/compliance/{quote(pack, safe='')}")
        return api.decode(documents.ComplianceReport, found)
