"""What is the case about a release that somebody wants somewhere: the facts that policy decides by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import select

from falaj.control import compliance
from falaj.control.changes.context import ChangeContext
from falaj.control.changes.placement import locations_for, pinned_origins
from falaj.control.changes.privacy import place_of, privacy_facts, subject_of
from falaj.control.changes.requirements import shortfalls
from falaj.control.changes.risk import ReleaseSources, RiskFactors, risk_of
from falaj.control.changes.signed_decisions import admissions_of, is_signed, quorum_of
from falaj.control.changes.signed_requests import why_not_carried_out
from falaj.control.changes.states import ARRIVING, PASSED, ChangeState
from falaj.control.releases.calendar import open_at
from falaj.control.releases.registry import evidence_of, state_of
from falaj.storage import EndpointRow, ReleaseRow
from falaj.storage.change_tables import ApprovalRow, ChangeRow
from falaj.storage.identity_tables import AccountRow, ApprovalKeyRow
from falaj.supply_chain.attestations import (
    DATASET,
    EVAL,
    MLBOM,
    SCAN,
    TRAIN,
    BundledRelease,
    Dataset,
    GateRecord,
    Snapshot,
    Train,
    Verification,
    bundle_of,
    gates_digest,
    verify_release,
)
from falaj.supply_chain.attestations.people import addresses_of
from falaj.trust.policy import ChangeFacts, VerifiedApproval, count_holders


@dataclass(frozen=True)
class ReleaseEvidence:
    """What was signed about a release, as far as the installation believes it.

    Args:
        problems: What is wrong or missing; none when it is complete.
        authors: Addresses of everyone who wrote what came after the release before, and who pushed it.
        snapshots: The pinned data that reached the model.
        gates: Digest of the results of the gates; empty when there are none.
        datasets: What is said of the data that reached the model.
        trained: What is said of its training; None when nothing believable is.
        results: What came of the gates.
        code: Whose code is loaded with the model; empty when it was not told.
        risk: The tier of the model; a release whose evidence does not say is not trusted to be harmless.
        packages: What the environment holds, with versions.
    """

    problems: tuple[str, ...]
    authors: frozenset[str]
    snapshots: tuple[Snapshot, ...]
    gates: str
    datasets: tuple[Dataset, ...]
    trained: Train | None = None
    results: tuple[GateRecord, ...] = ()
    code: str = ""
    risk: str = "high"
    packages: frozenset[str] = frozenset()


def evidence_for(turn: ChangeContext, release: ReleaseRow) -> ReleaseEvidence:
    """Verify everything that was signed about a release; of its files, the digest alone is asked for."""
    envelopes = [dict(item.envelope) for item in evidence_of(turn.session, release)]
    named = BundledRelease(release.model, release.number, release.digest, release.run_id, release.commit)
    bundle = bundle_of(named, envelopes, {})
    evidence = _read(verify_release(bundle, turn.keyring.trusted(), Path(), digest_of=lambda _: release.digest))
    return replace(evidence, datasets=(*evidence.datasets, *_labelled_since(turn, release, evidence)))


def _labelled_since(turn: ChangeContext, release: ReleaseRow, evidence: ReleaseEvidence) -> Iterator[Dataset]:
    """The data by the labels that it has now besides the signed ones: somebody may have learned what it is."""
    described = {dataset.name: dataset for dataset in evidence.datasets}
    signed = set(compliance.labels_of(evidence.datasets))
    for snapshot in evidence.snapshots:
        if dataset := described.get(snapshot.name):
            url = dataset.source if "://" in dataset.source else ""
            for label in compliance.labels_given(
                turn.session, f"{release.model}/{snapshot.name}", url, snapshot.digest
            ):
                if label not in signed:
                    yield replace(
                        dataset, classification=label.classification, origin=label.origin, sector=label.sector,
                        subject_key=label.subject_key,
                    )  # fmt: skip


def _read(verification: Verification) -> ReleaseEvidence:
    by_type: dict[str, list[Any]] = {}
    for item in verification.statements:
        by_type.setdefault(item.statement.predicate_type, []).append(item)
    trained, evaluated, bills = (by_type.get(name, []) for name in (TRAIN, EVAL, MLBOM))
    return ReleaseEvidence(
        problems=tuple(str(problem) for problem in verification.problems),
        authors=_authors(trained[0].content) if trained else frozenset(),
        snapshots=trained[0].content.snapshots if trained else (),
        gates=gates_digest(evaluated[0].statement.predicate) if evaluated else "",
        datasets=tuple(item.content for item in by_type.get(DATASET, [])),
        trained=trained[0].content if trained else None,
        results=evaluated[0].content.gates if evaluated else (),
        code=next((item.content.code for item in by_type.get(SCAN, [])), ""),
        risk=bills[0].content.risk if bills else "high",
        packages=bills[0].content.packages if bills else frozenset(),
    )


def _authors(train: Train) -> frozenset[str]:
    """Addresses, and the principal who pushed it."""
    return addresses_of(train) | {name for name in (train.started_by,) if name}


def _authors_before(turn: ChangeContext, release: ReleaseRow, environment: str) -> frozenset[str]:
    """Who wrote the releases between the one that stands in an environment and this one; all before where none does."""
    standing = serving(turn, release.model, environment)
    between = select(ReleaseRow).where(
        ReleaseRow.model == release.model, ReleaseRow.number < release.number,
        ReleaseRow.number > (standing.number if standing else 0),
    )  # fmt: skip
    return frozenset(who for row in turn.session.scalars(between) for who in evidence_for(turn, row).authors)


def risk_for(turn: ChangeContext, release: ReleaseRow, environment: str, evidence: ReleaseEvidence) -> str:
    """How risky it is to bring a release into an environment."""
    environment_spec = turn.environment(environment)
    served = serving(turn, release.model, environment)
    factors = RiskFactors(
        evidence.risk,
        {item.classification for item in evidence.datasets},
        environment_spec.rank,
        len(locations_for(turn.spec, environment_spec, evidence.datasets)),
        _sources(evidence_for(turn, served)) if served else None,
        _sources(evidence),
    )
    return risk_of(factors)


def _sources(evidence: ReleaseEvidence) -> ReleaseSources:
    return ReleaseSources(frozenset(each.name for each in evidence.snapshots), evidence.packages)


def serving(turn: ChangeContext, model: str, environment: str) -> ReleaseRow | None:
    """The release that an environment is to serve now, or None."""
    rows = _serving_rows(turn, model, environment)
    return turn.session.get(ReleaseRow, (model, rows[0].release)) if rows else None


def serving_locations(turn: ChangeContext, model: str, environment: str) -> list[str]:
    """Where an environment is to serve a model now."""
    return sorted(row.location for row in _serving_rows(turn, model, environment))


def _serving_rows(turn: ChangeContext, model: str, environment: str) -> list[EndpointRow]:
    query = select(EndpointRow).where(EndpointRow.model == model, EndpointRow.environment == environment)
    return [row for row in turn.session.scalars(query) if not row.plan.get("withdrawn")]


def facts_of(turn: ChangeContext, row: ChangeRow, *, renewal: bool = False) -> ChangeFacts:
    """The facts of a change as they are now.

    Args:
        turn: The transaction.
        row: The change.
        renewal: Whether its admission is renewed: approvals count as they did when it was first admitted.
    """
    release, environment_spec = turn.release(row), turn.environment(row.environment)
    evidence = evidence_for(turn, release)
    approvals = [each for each in turn.approvals(row) if is_signed(turn, row, each)]
    counted = approvals if renewal else [each for each in approvals if _still_counts(turn, each)]
    quorum = quorum_of(turn, row, renewal=renewal)
    authors = evidence.authors | _authors_before(turn, release, row.environment)
    barred = {row.requester, *authors, *_accounts_of(turn, authors)}
    holders = count_holders((VerifiedApproval(each.approver, each.key_id) for each in counted), barred)
    place = place_of(turn, row.environment, evidence.datasets, quorum, frozenset(each.approver for each in counted))
    law = privacy_facts(turn, subject_of(release.model, evidence.risk, evidence.datasets, evidence.trained), place)
    short = [*shortfalls(environment_spec, evidence.results, evidence.code)]
    officer_approved = renewal or law is None or law.officer_approved
    return ChangeFacts(
        id=row.id, kind=row.kind, state=row.state, requester=row.requester, digest=row.digest,
        environment=row.environment, rank=environment_spec.rank,
        risk=risk_for(turn, release, row.environment, evidence),
        release_state=state_of(turn.session, release), expires_at=row.expires_at,
        passed_below=passed_below(turn, release, row.environment),
        arriving_below=arriving_below(turn, release, row.environment) is not None,
        evidence_complete=not evidence.problems and (renewal or not short),
        residency_allowed=residency_allowed(turn, evidence, row.environment),
        quorum_met=holders >= quorum and officer_approved, opens_at=row.opens_at,
        frozen=row.kind != "emergency" and not open_at(environment_spec, turn.now)[0], renewal=renewal,
        tenant=row.tenant,
        authors=authors, approvers=frozenset(each.approver for each in approvals),
        approval_keys=frozenset(each.key_id for each in approvals), privacy=law,
    )  # fmt: skip


def placed_at(turn: ChangeContext, release: ReleaseRow, environment: str) -> tuple[str, ...]:
    """The locations of an environment that a release goes to, the first one first."""
    environment_spec = turn.environment(environment)
    if environment_spec.placement is None:
        return environment_spec.locations
    return locations_for(turn.spec, environment_spec, evidence_for(turn, release).datasets)


def passed_below(turn: ChangeContext, release: ReleaseRow, environment: str) -> bool:
    """Whether a release was live on the environment below, by an admitted change; nothing is below the first."""
    if turn.spec.below(environment) is None:
        return True
    return any(any(admissions_of(turn, row)) for row in _changes_below(turn, release, environment, PASSED))


def arriving_below(turn: ChangeContext, release: ReleaseRow, environment: str) -> ChangeRow | None:
    """The signed change by which a release is on its way to the environment below; None where there is none."""
    rows = _changes_below(turn, release, environment, ARRIVING)
    return next((row for row in rows if not why_not_carried_out(turn, row)), None)


def _changes_below(
    turn: ChangeContext, release: ReleaseRow, environment: str, states: Iterable[ChangeState]
) -> Iterable[ChangeRow]:
    """The changes of a release to the environment below that are in one of some states, as the rows say."""
    below = turn.spec.below(environment)
    if below is None:
        return ()
    query = select(ChangeRow).where(
        ChangeRow.model == release.model, ChangeRow.release == release.number, ChangeRow.environment == below.name,
        ChangeRow.state.in_(states),
    )  # fmt: skip
    return turn.session.scalars(query)


def residency_allowed(turn: ChangeContext, evidence: ReleaseEvidence, environment: str) -> bool:
    """Whether the data in a release may be in every location that it would get in an environment."""
    locations = locations_for(turn.spec, turn.environment(environment), evidence.datasets)
    jurisdictions = {turn.spec.locations[name].jurisdiction for name in locations}
    return bool(locations) and all(pinned_origins(evidence.datasets) <= {each} for each in jurisdictions)


def _still_counts(turn: ChangeContext, approval: ApprovalRow) -> bool:
    """Whether the approver may still act, and the key is still good."""
    account = turn.session.get(AccountRow, approval.approver)
    key = turn.session.get(ApprovalKeyRow, approval.key_id)
    return (
        account is not None and account.locked_at is None
        and key is not None and key.revoked_at is None and key.not_before <= approval.approved_at <= key.not_after
    )  # fmt: skip


def _accounts_of(turn: ChangeContext, addresses: frozenset[str]) -> set[str]:
    """Principal ids of the accounts with these addresses."""
    return {row.id for row in turn.session.scalars(select(AccountRow).where(AccountRow.email.in_(addresses)))}


def as_details(facts: ChangeFacts) -> Mapping[str, Any]:
    """What of the facts people are shown of a request."""
    return {"risk": facts.risk, "kind": facts.kind, "digest": facts.digest, "rank": facts.rank}
