"""Records that permit or assess: transfer bases, impact assessments, bias evaluations, and whether one counts (pure).

A record names a document by the SHA-256 of its bytes; the platform keeps the digest and signs what is said of it, and
never the document.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from falaj.config.uae_pack import UaeSettings
from falaj.control.compliance.regimes import Regime


class RecordKind(StrEnum):
    """What a record is."""

    TRANSFER = "transfer"
    ASSESSMENT = "impact-assessment"
    BIAS = "bias-evaluation"
    CLASSIFICATION = "classification"


MECHANISMS = {
    "pdpl": ("agreement", "contract", "consent", "judicial", "public-interest"),
    "difc": ("agreement", "contract", "consent", "judicial", "public-interest"),
    "adgm": ("agreement", "contract", "consent", "judicial", "public-interest"),
    "health": ("exception",),
    "cbuae": ("approval",),
}
"""How a transfer may be permitted, by regime; data of government has no such way."""


@dataclass(frozen=True)
class ComplianceRecord:
    """A document and what it is for.

    Args:
        id: Of the record.
        kind: What it is.
        model: The model that it is about; for a transfer empty for every model.
        document: `sha256:` of the document's bytes.
        document_name: Its file name, for people.
        made_by: Principal id of who recorded it.
        made_at: Unix seconds.
        expires_at: Unix seconds.
        regime: For a transfer, the law under which it is permitted.
        destination: For a transfer, ISO 3166 code of where to.
        purpose: For a transfer, the one purpose that it covers.
        mechanism: For a transfer, one of `MECHANISMS`.
        authority: Reference of an authority's approval; empty when there is none.
        consent: Whether the people concerned consented.
        note: What else people are told, such as the exception that is relied on.
        data: For a classification, a snapshot's digest, `model/source`, or the URL of a source.
        classification: For a classification, what the data is from now on.
        sector: For a classification, the business whose law covers it; empty when none does.
        origin: For a classification, ISO 3166 code of where the data comes from.
        subject_key: For a classification, the column that says whose each row is.
    """

    id: str
    kind: RecordKind
    model: str
    document: str
    document_name: str
    made_by: str
    made_at: float
    expires_at: float
    regime: str = ""
    destination: str = ""
    purpose: str = ""
    mechanism: str = ""
    authority: str = ""
    consent: bool = False
    note: str = ""
    data: str = ""
    classification: str = ""
    sector: str = ""
    origin: str = ""
    subject_key: str = ""

    def ends_at(self, settings: UaeSettings) -> float:
        """When it stops counting: its own end, or the time that the settings give records of its kind."""
        life = {
            RecordKind.TRANSFER: settings.transfer_valid_for,
            RecordKind.ASSESSMENT: settings.dpia_valid_for,
            RecordKind.BIAS: settings.bias_evaluation_every,
        }
        return min(self.expires_at, self.made_at + life.get(self.kind, math.inf))


def current(
    records: Iterable[ComplianceRecord], kind: RecordKind, model: str, settings: UaeSettings, now: float
) -> ComplianceRecord | None:
    """The record of a kind about a model that counts now and counts longest; None when none does."""
    valid_records = [
        each for each in records if each.kind is kind and each.model == model and now < each.ends_at(settings)
    ]  # fmt: skip
    return max(valid_records, key=lambda each: each.ends_at(settings), default=None)


@dataclass(frozen=True)
class Transfer:
    """Data of a model that would leave.

    Args:
        regime: The law that it is under.
        destination: ISO 3166 code of where to.
        purpose: Why it is processed.
        model: The model that holds it.
    """

    regime: Regime
    destination: str
    purpose: str
    model: str


def basis_for(
    transfer: Transfer, records: Iterable[ComplianceRecord], settings: UaeSettings, now: float
) -> ComplianceRecord | None:
    """The transfer basis that permits it and counts longest; None when none does."""
    valid_records = [
        each for each in records if each.kind is RecordKind.TRANSFER and not why_not(each, transfer, settings, now)
    ]  # fmt: skip
    return max(valid_records, key=lambda each: each.ends_at(settings), default=None)


def why_not(record: ComplianceRecord, transfer: Transfer, settings: UaeSettings, now: float) -> str:
    """Why a transfer basis does not permit a transfer; empty when it does."""
    if record.regime != transfer.regime or record.mechanism not in MECHANISMS.get(transfer.regime, ()):
        return f"it is for {record.regime or 'no regime'}"
    if record.destination != transfer.destination:
        return f"it is for {record.destination}"
    if record.model not in ("", transfer.model):
        return f"it is for the model {record.model}"
    if not transfer.purpose or record.purpose != transfer.purpose:
        return f"it is for the purpose {record.purpose}"
    if now >= record.ends_at(settings):
        return "it has expired"
    return _lacking(record)


def _lacking(record: ComplianceRecord) -> str:
    """What a basis for health or banking data must have besides."""
    if record.regime in (Regime.HEALTH, Regime.CBUAE) and not record.authority:
        return "it names no approval of the authority"
    if record.regime == Regime.HEALTH and not record.note:
        return "it names no exception"
    if record.regime == Regime.CBUAE and not record.consent:
        return "it does not say that the customers consented"
    return ""
