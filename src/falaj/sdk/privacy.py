"""Privacy: records, breaches, requests of people, and the compliance report."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from falaj.schemas import api, privacy
from falaj.sdk.http import Transport

_PREFIX = "/api/v1/privacy"


class PrivacyCalls:
    """The calls about privacy.

    Args:
        transport: How the server is reached.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def records(self, limit: int | None = None) -> list[privacy.PrivacyRecord]:
        """The records that nobody withdrew, the newest first; all of them without a limit."""
        return self._transport.list(privacy.PrivacyRecord, f"{_PREFIX}/records", limit=limit)

    def record(self, kind: str, document: str, expires_at: float, **details: Any) -> privacy.PrivacyRecord:
        """Record a transfer basis, an impact assessment, a bias evaluation, or what data is from now on.

        Args:
            kind: `transfer`, `impact-assessment`, `bias-evaluation` or `classification`.
            document: `sha256:` of the document's bytes.
            expires_at: Unix seconds.
            details: `model`, `document_name`; for a transfer `regime`, `destination`, `purpose`, `mechanism`,
                `authority`, `consent`, `note`; for a classification `data`, `classification`, `sector`, `origin`,
                `subject_key`.
        """
        payload = {"kind": kind, "document": document, "expires_at": expires_at, **details}
        return api.decode(privacy.PrivacyRecord, self._transport.json("POST", f"{_PREFIX}/records", payload))

    def withdraw(self, record: str, reason: str) -> None:
        """Withdraw a record."""
        self._transport.json("POST", f"{_PREFIX}/records/{quote(record, safe='')}/withdraw", {"reason": reason})

    def incidents(self, limit: int | None = None, *, open_only: bool = False) -> list[privacy.Incident]:
        """The incidents that were learned of last first; all of them without a limit."""
        return self._transport.list(privacy.Incident, f"{_PREFIX}/incidents", {"open": open_only}, limit)

    def open_incident(self, title: str, description: str = "", learned_at: float | None = None) -> privacy.Incident:
        """Open an incident; its clock runs from when the breach was learned of (unix seconds; now by default)."""
        payload = {"title": title, "description": description, "learned_at": learned_at}
        return api.decode(privacy.Incident, self._transport.json("POST", f"{_PREFIX}/incidents", payload))

    def notify(self, incident: str, whom: str) -> privacy.Incident:
        """Note that somebody was notified of an incident."""
        path = f"{_PREFIX}/incidents/{quote(incident, safe='')}/notify"
        return api.decode(privacy.Incident, self._transport.json("POST", path, {"whom": whom}))

    def close_incident(self, incident: str, findings: str) -> privacy.Incident:
        """End an incident."""
        path = f"{_PREFIX}/incidents/{quote(incident, safe='')}/close"
        return api.decode(privacy.Incident, self._transport.json("POST", path, {"reason": findings}))

    def requests(self, limit: int | None = None, *, open_only: bool = False) -> list[privacy.SubjectRequest]:
        """What people asked for, the newest first; all of it without a limit."""
        return self._transport.list(privacy.SubjectRequest, f"{_PREFIX}/requests", {"open": open_only}, limit)

    def receive(self, kind: str, received_at: float | None = None) -> privacy.SubjectRequest:
        """Register what a person asked for."""
        payload = {"kind": kind, "received_at": received_at}
        return api.decode(privacy.SubjectRequest, self._transport.json("POST", f"{_PREFIX}/requests", payload))

    def close_request(self, request: str, answer: str) -> privacy.SubjectRequest:
        """Close a request with what was answered."""
        path = f"{_PREFIX}/requests/{quote(request, safe='')}/close"
        return api.decode(privacy.SubjectRequest, self._transport.json("POST", path, {"reason": answer}))

    def find(self, subject: str) -> privacy.FoundSubject:
        """Where a person's data went."""
        response = self._transport.json("POST", f"{_PREFIX}/subjects/find", {"subject": subject})
        return api.decode(privacy.FoundSubject, response)

    def export(self, subject: str) -> list[privacy.ExportedRow]:
        """A person's rows."""
        response = self._transport.json("POST", f"{_PREFIX}/subjects/export", {"subject": subject})
        return [api.decode(privacy.ExportedRow, item) for item in response]

    def erase(self, subject: str, reason: str, request: str | None = None) -> privacy.ErasedSubject:
        """Erase what holds a person; nothing brings it back."""
        payload = {"subject": subject, "reason": reason, "request": request}
        return api.decode(
            privacy.ErasedSubject, self._transport.json("POST", f"{_PREFIX}/subjects/erase", payload)
        )  # fmt: skip

    def index(self) -> privacy.IndexedSnapshots:
        """Search the pinned snapshots that the index does not know yet."""
        return api.decode(privacy.IndexedSnapshots, self._transport.json("POST", f"{_PREFIX}/index"))

    def labels(self, node: str) -> list[privacy.DataLabel]:
        """What the data is that reached a lineage node."""
        return self._transport.whole(privacy.DataLabel, f"{_PREFIX}/labels", {"node": node})

    def processing(self) -> list[privacy.ProcessingActivity]:
        """Records of processing."""
        return self._transport.list(privacy.ProcessingActivity, f"{_PREFIX}/processing")

    def report(self, pack: str = "uae") -> privacy.ComplianceReport:
        """The compliance report of a pack."""
        response = self._transport.json("GET", f"/api/v1/compliance/{quote(pack, safe='')}")
        return api.decode(privacy.ComplianceReport, response)
