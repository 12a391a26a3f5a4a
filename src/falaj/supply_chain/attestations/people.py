"""People in evidence: whose keys are believed, and whether enough of them approved.

Quorum counts distinct people and distinct keys, and takes the smaller number: one person with two keys is one, and so
is one key under two names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from falaj.supply_chain.attestations.decisions import (
    APPROVAL,
    IDENTITY,
    AdmissionDecision,
    Approval,
    IdentityRecord,
    gates_digest,
)
from falaj.supply_chain.attestations.errors import EvidenceError
from falaj.supply_chain.attestations.keys import TrustedKey, key_id_of
from falaj.supply_chain.attestations.predicates import EVAL, TRAIN, Snapshot, Train
from falaj.supply_chain.attestations.rules import EvidenceFacts, EvidenceProblem, Verified

CLOCK_SKEW_S = 60.0
"""How far the clocks of people, control plane and location may be apart."""

_ADDRESS = re.compile(r"<([^<>]*)>\s*$")


def keys_of_people(
    statements: Iterable[Verified], trusted: Mapping[str, TrustedKey]
) -> tuple[dict[str, TrustedKey], list[EvidenceProblem]]:
    """Return the keys that identity statements vouch for, each believed about approvals alone.

    Args:
        statements: Verified statements; the identities among them are looked at.
        trusted: Keys of roles; none of them may be a person's.

    Returns:
        Keys by id, and what is wrong with the identities that were left out.
    """
    keys: dict[str, TrustedKey] = {}
    owners: dict[str, str] = {}
    disputed: set[str] = set()
    problems: list[EvidenceProblem] = []
    for item in statements:
        if item.statement.predicate_type != IDENTITY:
            continue
        identity: IdentityRecord = item.content
        if reason := _why_not(identity, item, trusted, owners):
            disputed.add(identity.key_id)
            problems.append(EvidenceProblem("admission.identity", item.where, reason))
        owners.setdefault(identity.key_id, identity.person)
        keys[identity.key_id] = TrustedKey(identity.pem, frozenset({APPROVAL}))
    return {key_id: key for key_id, key in keys.items() if key_id not in disputed}, problems


def _why_not(
    identity: IdentityRecord, item: Verified, trusted: Mapping[str, TrustedKey], owners: Mapping[str, str]
) -> str | None:
    if not item.statement.is_about(f"sha256:{identity.key_id}"):
        return "the subject is not the key"
    try:
        actual = key_id_of(identity.pem)
    except EvidenceError as error:
        return error.message
    if actual != identity.key_id:
        return "the key id is not that of the key"
    if identity.key_id in trusted:
        return f"the key of {identity.person} is one of the platform's own"
    if owners.get(identity.key_id, identity.person) != identity.person:
        return f"one key of two people: {owners[identity.key_id]} and {identity.person}"
    return None


def enough_people_approved(
    facts: EvidenceFacts, admission: Verified, floor: int, now: float, pinned: frozenset[str] | None = None
) -> Iterator[EvidenceProblem]:
    """Demand the quorum of an admission: distinct people with distinct keys, none of them author or requester.

    Args:
        facts: All verified statements.
        admission: The admission that is looked at.
        floor: The least number of people that the location asks for, whatever the admission says.
        now: Unix seconds.
        pinned: Ids of the keys whose approvals count; None counts every key that an identity statement vouches for.
    """
    decision: AdmissionDecision = admission.content
    listed = {item.envelope: item for item in facts.of(APPROVAL)}
    people: set[str] = set()
    addresses: set[str] = set()
    keys: set[str] = set()
    for digest in decision.approvals:
        if digest not in listed:
            yield EvidenceProblem(
                "admission.approval", admission.where, f"the approval {digest[:19]} is not in the bundle"
            )
            continue
        approval_item = listed[digest]
        problems = [*_approval_problems(facts, decision, approval_item, now)]
        yield from problems
        if not problems and (pinned is None or approval_item.key_ids & pinned):
            people.add(approval_item.content.approver)
            addresses |= {identity.email.casefold() for identity in _identities_of(facts, approval_item)}
            keys |= approval_item.key_ids if pinned is None else approval_item.key_ids & pinned
    needed, counted = max(decision.quorum, floor), min(len(people), len(addresses), len(keys))
    if counted < needed:
        whose = "" if pinned is None else " with keys that this location names"
        message = f"{counted} of {needed} people approved {decision.environment}{whose}"
        yield EvidenceProblem("admission.quorum", admission.where, message)


def _approval_problems(
    facts: EvidenceFacts, admission: AdmissionDecision, item: Verified, now: float
) -> Iterator[EvidenceProblem]:
    approval: Approval = item.content
    for what, actual, expected in _bound(facts, admission, approval):
        if actual != expected:
            message = f"the approval is of another {what}: {_brief(actual)} instead of {_brief(expected)}"
            yield EvidenceProblem("admission.approval", item.where, message)
    yield from _timely(approval, admission, item.where, now)
    identities = _identities_of(facts, item)
    if not any(identity.person == approval.approver for identity in identities):
        whose = identities[0].person if identities else "nobody known"
        yield EvidenceProblem(
            "admission.identity", item.where, f"signed by a key of {whose}, not of {approval.approver}"
        )
    elif not any(identity.not_before <= approval.approved_at <= identity.not_after for identity in identities):
        yield EvidenceProblem(
            "admission.identity", item.where, f"the key of {approval.approver} was not valid at that time"
        )
    yield from _separate(facts, approval, identities, item.where)


def _bound(
    facts: EvidenceFacts, admission: AdmissionDecision, approval: Approval
) -> Iterator[tuple[str, object, object]]:
    """What an approval says beside what is the case: whatever differs makes it void."""
    yield "change", approval.change, admission.change
    yield "kind of change", approval.kind, admission.kind
    yield "release", approval.release, f"{admission.model}@{admission.release}"
    yield "digest", approval.digest, admission.digest
    yield "environment", approval.environment, admission.environment
    yield "rank", approval.rank, admission.rank
    yield "commit", approval.commit, facts.release.commit
    for train in facts.of(TRAIN):
        yield "data", _sorted(approval.snapshots), _sorted(train.content.snapshots)
    for evaluation in facts.of(EVAL):
        yield "result of the gates", approval.gates_digest, gates_digest(evaluation.statement.predicate)


def _timely(approval: Approval, admission: AdmissionDecision, where: str, now: float) -> Iterator[EvidenceProblem]:
    if approval.approved_at > now + CLOCK_SKEW_S:
        yield EvidenceProblem("admission.approval", where, "the approval was given in the future")
    if not approval.approved_at - CLOCK_SKEW_S <= admission.not_before <= approval.expires_at:
        yield EvidenceProblem(
            "admission.approval", where, "the approval had expired, or was not given, when it was used"
        )


def _separate(
    facts: EvidenceFacts, approval: Approval, identities: Sequence[IdentityRecord], where: str
) -> Iterator[EvidenceProblem]:
    if approval.approver == approval.requester:
        yield EvidenceProblem(
            "admission.self-approval", where, f"{approval.approver} requested the change and approved it"
        )
    addresses = {identity.email.casefold() for identity in identities}
    for train in facts.of(TRAIN):
        if addresses_of(train.content) & addresses:
            yield EvidenceProblem(
                "admission.self-approval", where, f"{approval.approver} wrote the commit and approved it"
            )
        if approval.approver == train.content.started_by:
            yield EvidenceProblem(
                "admission.self-approval", where, f"{approval.approver} pushed the commit and approved it"
            )


def addresses_of(train: Train) -> frozenset[str]:
    """The addresses of everyone who wrote what a run built, in lower case."""
    addresses = map(address_of, (train.author, *train.contributors))
    return frozenset(address for address in addresses if address)


def address_of(author: str) -> str:
    """Return the address of `Name <address>` in lower case; empty when there is none."""
    address_match = _ADDRESS.search(author)
    return address_match[1].casefold() if address_match else ""


def _identities_of(facts: EvidenceFacts, item: Verified) -> list[IdentityRecord]:
    return [
        identity_item.content for identity_item in facts.of(IDENTITY) if identity_item.content.key_id in item.key_ids
    ]


def _sorted(snapshots: Iterable[Snapshot]) -> list[tuple[str, str]]:
    return sorted((snapshot.name, snapshot.digest) for snapshot in snapshots)


def _brief(value: object) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
