"""What an installation holds, as the rules of a pack look at it: releases, their evidence, and where they serve."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import func, select

from falaj.control import compliance
from falaj.control.changes.assessment import evidence_for
from falaj.control.changes.context import ChangeContext
from falaj.control.changes.privacy import subject_of
from falaj.control.compliance import dsar_requests, evaluation, incidents
from falaj.storage import EndpointRow, ReleaseRow
from falaj.storage.privacy_tables import LabelledSnapshotRow
from falaj.trust import audit, settings
from falaj.trust.policy import PrivacyFacts


def posture_of(turn: ChangeContext, *, encrypted: bool) -> evaluation.Posture:
    """Look at everything that the rules of the pack ask about.

    Args:
        turn: A session, the keyring and the time; nothing is changed.
        encrypted: Whether artifacts are encrypted at rest.

    Raises:
        PackOffError: The pack is not on (`compliance.pack-off`).
    """
    rules = compliance.rules_in_force(turn.session, turn.keyring, turn.now)
    if rules is None:
        raise compliance.PackOffError(
            "the pack uae is not on", where="platform.yaml", hint="add `policy_packs: [uae]` and falaj platform apply"
        )
    size = audit.size_of(turn.session)
    return evaluation.Posture(
        rules=rules,
        settings=settings.digest(turn.spec),
        holdings=tuple(_holdings(turn, rules)),
        snapshots=tuple(_snapshots(turn)),
        incidents=tuple(_incidents(turn)),
        requests=tuple(_requests(turn)),
        encrypted=encrypted,
        log_size=size,
        log_root=audit.root_at(turn.session, size).hex(),
    )


def _holdings(turn: ChangeContext, rules: compliance.Rules) -> Iterator[evaluation.Holding]:
    """What serves, and the newest release of each model."""
    endpoints = [row for row in turn.session.scalars(select(EndpointRow)) if not row.plan.get("withdrawn")]
    newest = select(ReleaseRow.model, func.max(ReleaseRow.number)).group_by(ReleaseRow.model)
    release_keys = {(row.model, row.release) for row in endpoints} | {
        (model, top) for model, top in turn.session.execute(newest)
    }
    for model, number in sorted(release_keys):
        serving = [row for row in endpoints if (row.model, row.release) == (model, number)]
        yield _holding(turn, turn.session.get_one(ReleaseRow, (model, number)), serving, rules)


def _holding(
    turn: ChangeContext, row: ReleaseRow, serving: Sequence[EndpointRow], rules: compliance.Rules
) -> evaluation.Holding:
    evidence = evidence_for(turn, row)
    subject = subject_of(row.model, evidence.risk, evidence.datasets, evidence.trained)
    serves: dict[str, tuple[str, ...]] = {}
    for each in serving:
        location = turn.spec.locations.get(each.location)
        place = location.jurisdiction if location else "an unknown jurisdiction"
        serves[each.environment] = tuple(sorted({*serves.get(each.environment, ()), place}))
    return evaluation.Holding(
        name=f"{row.model}@{row.number}",
        digest=row.digest,
        project=row.project,
        owner=row.data.get("owner", ""),
        commit=row.commit,
        made_at=row.created_at,
        subject=subject,
        snapshots={each.name: each.digest for each in evidence.snapshots},
        serves=serves,
        facts=_facts(turn, subject, serves, rules),
        flagged=row.data.get(compliance.FLAG, ""),
    )


def _facts(
    turn: ChangeContext, subject: compliance.AssessedModel, serves: dict[str, tuple[str, ...]], rules: compliance.Rules
) -> PrivacyFacts:
    """What the rules say of it on the highest environment where it serves, for all places where it does."""
    rank = max((turn.spec.environments[name].rank for name in serves if name in turn.spec.environments), default=0)
    places = frozenset(place for served_places in serves.values() for place in served_places)
    return compliance.facts_of_change(subject, compliance.DeploymentEnvironment(", ".join(serves), rank, places), rules)


def _snapshots(turn: ChangeContext) -> Iterator[evaluation.SnapshotView]:
    locked = compliance.locks_now(turn.session, turn.now)
    for row in turn.session.scalars(select(LabelledSnapshotRow).order_by(LabelledSnapshotRow.source)):
        yield evaluation.SnapshotView(
            digest=row.digest, source=row.source, personal=compliance.label_of_row(row).personal,
            subject_key=row.subject_key, indexed=row.indexed_at is not None, subjects=row.subjects, note=row.note,
            locked_until=locked.get(row.digest), erased_at=row.erased_at,
        )  # fmt: skip


def _incidents(turn: ChangeContext) -> Iterator[evaluation.IncidentView]:
    for row in incidents.incidents(turn.session):
        late = incidents.overdue(row, turn.now)
        yield evaluation.IncidentView(
            row.id, row.title, row.state, row.learned_at, row.notify_by, row.notified_at, late
        )  # fmt: skip


def _requests(turn: ChangeContext) -> Iterator[evaluation.RequestView]:
    for row in dsar_requests.requests(turn.session):
        late = dsar_requests.overdue(row, turn.now)
        yield evaluation.RequestView(
            row.id, row.kind, row.state, row.received_at, row.due_at, row.closed_at, late, row.result
        )  # fmt: skip
