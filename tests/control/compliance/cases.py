"""A bank's model that is as it should be, for tests that then take one thing away."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from falaj.config.uae_pack import DAY_S, UaeSettings
from falaj.control.compliance import (
    AssessedModel,
    ComplianceRecord,
    DataClassification,
    DeploymentEnvironment,
    LegalEntity,
    RecordKind,
    Rules,
)

NOW = 1_800_000_000.0
DOCUMENT = "sha256:" + "d" * 64
PERSONAL = DataClassification("customers", "personal", "general", "AE", "customer_id")

MODEL = AssessedModel("churn", "medium", (PERSONAL,), "marketing", False, "")
HOME = DeploymentEnvironment("prod", 3, frozenset({"AE"}))
ABROAD = DeploymentEnvironment("prod", 3, frozenset({"AE", "DE"}))


def record(kind: RecordKind, **others: Any) -> ComplianceRecord:
    """A record of yesterday that counts for a while."""
    compliance_record = ComplianceRecord(
        id="r1", kind=kind, model="churn", document=DOCUMENT, document_name="paper.pdf", made_by="user:noor",
        made_at=NOW - DAY_S, expires_at=NOW + 100 * DAY_S,
    )  # fmt: skip
    return replace(compliance_record, **others)


def basis(**others: Any) -> ComplianceRecord:
    """A transfer basis for `MODEL` in Germany."""
    defaults = {"regime": "pdpl", "destination": "DE", "purpose": "marketing", "mechanism": "contract"}
    return record(RecordKind.TRANSFER, **{**defaults, **others})


ASSESSED = record(RecordKind.ASSESSMENT, id="r2")
EVALUATED = record(RecordKind.BIAS, id="r3")


def rules(*records: ComplianceRecord, entity: LegalEntity | None = None, now: float = NOW, **settings: Any) -> Rules:
    """The rules with these records."""
    return Rules(entity or LegalEntity(declared=True), UaeSettings(**settings), records, now)
