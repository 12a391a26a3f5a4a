"""The register of records: each is signed when it is made, and counts while its signature holds and nobody withdrew it.

The row is an index; what counts is read from the signed statement, so that a changed row changes no decision.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any

import msgspec
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from falaj.control.compliance.errors import BadRecordError, PrivacyStateError, UnknownPrivacyError
from falaj.control.compliance.label_lineage import CLASSIFICATIONS, lower_labels, raise_labels
from falaj.control.compliance.labels import DataClassification, label_of
from falaj.control.compliance.records import MECHANISMS, ComplianceRecord, RecordKind
from falaj.control.compliance.regimes import Regime
from falaj.core.ids import new_id
from falaj.storage.privacy_tables import PrivacyRecordRow
from falaj.supply_chain.attestations import (
    PRIVACY,
    EvidenceError,
    Keyring,
    TrustedKey,
    sign_statement,
    statement,
    verify_envelope,
)
from falaj.supply_chain.attestations.predicates import predicate_of
from falaj.trust import audit

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def register(session: Session, keyring: Keyring, draft: ComplianceRecord, now: float) -> ComplianceRecord:
    """Sign a record and keep it, with its leaf in the audit log.

    Args:
        session: A transaction.
        keyring: Its platform role signs.
        draft: What is recorded; its id and time are given here.
        now: Unix seconds.

    Raises:
        BadRecordError: It lacks what a record of its kind must say (`privacy.record`).
    """
    _check(draft, now)
    record = replace(draft, id=new_id(now), made_at=now)
    record_statement = statement(PRIVACY, [(record.document_name or "document", record.document)], predicate_of(record))
    envelope = sign_statement(record_statement, keyring.signer_for(PRIVACY))
    session.add(
        PrivacyRecordRow(
            id=record.id, kind=record.kind.value, model=record.model, envelope=dict(envelope), made_at=now,
            expires_at=record.expires_at,
        )
    )  # fmt: skip
    subject = f"privacy-record/{record.id}"
    shown = {
        "kind",
        "model",
        "document",
        "expires_at",
        "regime",
        "destination",
        "purpose",
        "data",
        "classification",
        "origin",
    }
    details = {name: value for name, value in asdict(record).items() if name in shown}
    audit.write(session, "privacy.recorded", record.made_by, subject, now, details)
    audit.write_evidence(session, envelope, subject, record.made_by, now)
    if record.kind is RecordKind.CLASSIFICATION:
        _lower(session, record, now)
    return record


def withdraw(session: Session, record_id: str, actor: str, reason: str, now: float) -> None:
    """Withdraw a record; what was decided by it stays decided until it is renewed.

    Raises:
        UnknownPrivacyError: There is none of that id.
        PrivacyStateError: It was withdrawn before.
    """
    row = session.get(PrivacyRecordRow, record_id, with_for_update=True)
    if row is None:
        raise UnknownPrivacyError(f"there is no record {record_id}", hint="falaj privacy record list lists them")
    if row.withdrawn_at is not None:
        raise PrivacyStateError(f"record {record_id} was withdrawn before")
    row.withdrawn_at, row.withdrawn_by = now, actor
    raise_labels(session, record_id)
    audit.write(session, "privacy.withdrawn", actor, f"privacy-record/{record_id}", now, {"reason": reason})


def believed(session: Session, keyring: Keyring, model: str | None = None) -> tuple[ComplianceRecord, ...]:
    """The records that nobody withdrew and whose signatures hold, newest first.

    Args:
        session: Reads them.
        keyring: Of the installation that signed them.
        model: Only those about this model, or about every one; None for all.
    """
    query = not_withdrawn()
    if model is not None:
        query = query.where(PrivacyRecordRow.model.in_(["", model]))
    rows = session.scalars(query.order_by(PrivacyRecordRow.made_at.desc(), PrivacyRecordRow.id))
    return verified(rows, keyring)


def not_withdrawn() -> Select[PrivacyRecordRow]:
    """The records that nobody withdrew, in no order."""
    return select(PrivacyRecordRow).where(PrivacyRecordRow.withdrawn_at.is_(None))


def verified(rows: Iterable[PrivacyRecordRow], keyring: Keyring) -> tuple[ComplianceRecord, ...]:
    """The records of rows whose signatures hold, in the same order."""
    signer = keyring.signer_for(PRIVACY)
    keys = {signer.key_id: TrustedKey(signer.public_pem, frozenset({PRIVACY}))}
    return tuple(record for row in rows if (record := _read(row, keys)))


def envelopes(session: Session) -> Mapping[str, Mapping[str, Any]]:
    """The signed envelopes of all records by their ids, for those who check them elsewhere."""
    return {row.id: row.envelope for row in session.scalars(select(PrivacyRecordRow))}


def _read(row: PrivacyRecordRow, keys: Mapping[str, TrustedKey]) -> ComplianceRecord | None:
    """What a row's statement says; None when it is not what the platform signed under that id."""
    try:
        record_statement = verify_envelope(row.envelope, keys, where=row.id)
        record = msgspec.convert(dict(record_statement.predicate), ComplianceRecord)
    except (EvidenceError, msgspec.ValidationError):
        return None
    genuine = (
        record.id == row.id
        and record_statement.predicate_type == PRIVACY
        and record_statement.is_about(record.document)
    )
    return record if genuine else None


def _check(draft: ComplianceRecord, now: float) -> None:
    if not _DIGEST.fullmatch(draft.document):
        raise BadRecordError("a record names its document by the SHA-256 of its bytes", hint="--document FILE")
    if draft.expires_at <= now:
        raise BadRecordError("the record has expired already", hint="--expires says until when it counts")
    if draft.kind is RecordKind.TRANSFER:
        _check_transfer(draft)
    elif draft.kind is RecordKind.CLASSIFICATION:
        _check_classification(draft)
    elif not draft.model:
        raise BadRecordError(f"an {draft.kind} is of one model", hint="--model NAME")


def _lower(session: Session, record: ComplianceRecord, now: float) -> None:
    label = label_of(DataClassification("", record.classification, record.sector, record.origin, record.subject_key))
    if not lower_labels(session, record.data, label, record.id, now):
        raise UnknownPrivacyError(
            f"no data of '{record.data}' was labelled", hint="a digest, MODEL/SOURCE, or the URL of a source"
        )


def _check_classification(draft: ComplianceRecord) -> None:
    if draft.classification not in CLASSIFICATIONS:
        raise BadRecordError("a classification says what the data is", hint=f"one of {', '.join(CLASSIFICATIONS)}")
    if not draft.data or not draft.origin:
        raise BadRecordError("a classification names data and its origin", hint="--data MODEL/SOURCE --origin AE")


def _check_transfer(draft: ComplianceRecord) -> None:
    ways = MECHANISMS.get(draft.regime, ())
    if not ways:
        regime_list = ", ".join(MECHANISMS)
        message = f"data of {draft.regime or 'no regime'} knows no transfer basis"
        raise BadRecordError(message, hint=f"--regime is one of {regime_list}")
    if draft.mechanism not in ways:
        raise BadRecordError(f"under {draft.regime} '{draft.mechanism}' permits no transfer", hint=", ".join(ways))
    if not draft.destination or not draft.purpose:
        raise BadRecordError("a transfer basis is for one destination and one purpose", hint="--to AE --purpose NAME")
    if draft.regime in (Regime.HEALTH, Regime.CBUAE) and not draft.authority:
        raise BadRecordError("this transfer needs the authority's approval", hint="--authority REFERENCE")
    if draft.regime == Regime.HEALTH and not draft.note:
        raise BadRecordError("a health exception is named", hint="--note says which one")
    if draft.regime == Regime.CBUAE and not draft.consent:
        raise BadRecordError("this transfer needs the customers' consent", hint="--consent")
