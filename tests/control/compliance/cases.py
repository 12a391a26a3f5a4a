"""A bank's model that is as it should be, for tests that then take one thing away."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from falaj.config.uae import DAY_S, UaeSettings
from falaj.control.compliance import Entity, Label, Place, Record, RecordKind, Rules, Subject

NOW = 1_800_000_000.0
DOCUMENT = "sha256:" + "d" * 64
PERSONAL = Label("customers", "personal", "general", "AE", "customer_id")

MODEL = Subject("churn", "medium", (PERSONAL,), "marketing", False, "")
HOME = Place("prod", 3, frozenset({"AE"}))
ABROAD = Place("prod", 3, frozenset({"AE", "DE"}))


def record(kind: RecordKind, **others: Any) -> Record:
    """A record of yesterday that counts for a while."""
    said = Record(
        id="r1", kind=kind, model="churn", document=DOCUMENT, document_name="paper.pdf", made_by="user:noor",
        made_at=NOW - DAY_S, expires_at=NOW + 100 * DAY_S,
    )  # fmt: skip
    return replace(said, **others)


def basis(**others: Any) -> Record:
    """A transfer basis for `MODEL` in Germany."""
    said = {"regime": "pdpl", "destination": "DE", "purpose": "marketing", "mechanism": "contract"}
    return record(RecordKind.TRANSFER, **{**said, **others})


ASSESSED = record(RecordKind.ASSESSMENT, id="r2")
EVALUATED = record(RecordKind.BIAS, id="r3")


def rules(*records: Record, entity: Entity | None = None, now: float = NOW, **settings: Any) -> Rules:
    """The rules with these records."""
    return Rules(entity or Entity(declared=True), UaeSettings(**settings), records, now)
