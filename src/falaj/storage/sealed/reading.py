"""Verifying: each row in the load that reads it, and all of them for a report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import event, select
from sqlalchemy.orm import Session
from sqlalchemy.orm.context import QueryContext

from falaj.storage.facts import FactMissingError, FactRefusal, Mark
from falaj.storage.sealed.rows import SealedRow, content_of, sealed_mappers, subject_of, table_of
from falaj.storage.sealed.session import GONE, facts_in

UNVERIFIED: Mapping[str, Any] = {"falaj_unverified": True}
"""Execution options of a query that may see rows which are no facts: to tell of them, never to act on them."""


def examine(session: Session) -> list[FactRefusal]:
    """Return every row of the sealed tables that is no fact, and every fact whose row is missing."""
    refusals: list[FactRefusal] = []
    for mapper in sealed_mappers():
        kind: type[SealedRow] = mapper.class_
        rows = session.scalars(select(kind), execution_options=UNVERIFIED).all()
        refusals += [FactRefusal(table_of(kind), subject_of(row).name, why) for row in rows if (why := refused(row))]
        if kind.permanent:
            missing_digests = facts_in(session).store.versions.standing(table_of(kind)) - {
                subject_of(row).digest for row in rows
            }
            refusals += [FactRefusal(table_of(kind), digest[:16], GONE) for digest in missing_digests]
    return sorted(refusals)


def refused(row: object) -> str:
    """Why a row does not count; empty when it does."""
    return str(getattr(row, "_refused", ""))


@event.listens_for(SealedRow, "load", propagate=True)
def _verify_loaded(row: SealedRow, context: QueryContext | None) -> None:
    if context is not None:  # else it was merged and is new, not read
        judge(row, context.session)


@event.listens_for(SealedRow, "refresh", propagate=True)
def _verify_refreshed(row: SealedRow, context: QueryContext, _names: object) -> None:
    if reason := judge(row, context.session):
        raise FactMissingError(f"a row of {subject_of(row).kind} was refused: {reason}", code="facts.refused")


def judge(row: SealedRow, session: Session) -> str:
    """Note on a row whether it counts; record its number when nobody had the time to."""
    facts, subject = facts_in(session), subject_of(row)
    if facts.has_made(subject):
        return ""  # written by this very transaction
    number, reason = facts.store.judge(subject, content_of(row), row.seal, row.fact_type, facts.clock)
    object.__setattr__(row, "_refused", reason)
    if reason:
        facts.store.refuse(FactRefusal(subject.kind, subject.name, reason))
    elif facts.store.is_newer(subject, number):
        facts.store.record([Mark(subject, number, ends=getattr(row, row.ends) if row.ends else None)])
    return reason
